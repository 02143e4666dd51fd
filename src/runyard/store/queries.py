"""What `Criteria` mean, in SQL: the same as `selection` says in Python.

Usually one query does it, in order and cut. Where it takes several (open jobs and ended ones have different indexes;
there are more names than one statement may hold), `selection.finish` joins what they find.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select, text, true

from runyard.model.filter import Selector, is_pattern
from runyard.model.group import GATHERED
from runyard.model.job import ON_HOSTS, JobState
from runyard.model.outcome import Outcome
from runyard.store.base import Criteria
from runyard.store.rows import SELECT_JOBS
from runyard.store.schema import DONE, OPEN, groups, jobs, placements
from runyard.store.selection import order_of, plain, searched
from runyard.store.sqlite import like

VALUES_TOGETHER = 10_000
CONDITIONS_TOGETHER = 200
"""What one statement holds at most; databases limit its values and how deep it may be."""

Condition = ColumnElement[bool]
_J = jobs.c

OUTCOMES = frozenset(outcome.value for outcome in Outcome)

ORDERS = {
    "id": _J.id,
    "name": _J.name,
    "priority": _J.priority,
    "queue": _J.queue,
    "user": _J.user,
    "submitted": _J.submitted_at,
    "started": _J.started_at,
    "ended": _J.ended_at,
}


def selections(criteria: Criteria) -> list[Select[Any]]:
    """Queries that together find all jobs that are meant. If there is only one, its result is in order and cut."""
    pieces = [piece.condition for piece in _pieces(criteria)]
    if criteria.mine:
        pieces = [and_(piece, _J.user == plain(criteria.user)) for piece in pieces]
    if not criteria.cells:
        cells = select(groups.c.id).where(groups.c.kind.in_(GATHERED))
        pieces = [and_(piece, or_(_J.group_id.is_(None), _J.group_id.not_in(cells))) for piece in pieces]
    whole = len(pieces) == 1
    name, _ = order_of(criteria)
    if not criteria.recent and name != "ended":
        return [_ordered(piece, name, criteria, whole) for piece in pieces]
    queries = []
    for piece in pieces:
        queries.append(_ordered(and_(text(OPEN), piece), "id" if name == "ended" else name, criteria, whole))
        if criteria.recent:
            done = SELECT_JOBS.where(text(DONE), piece).order_by(_J.ended_at.desc(), _J.id.desc())
            queries.append(done.limit(criteria.recent_done))
        else:
            queries.append(_ordered(and_(text(DONE), piece), name, criteria, whole))
    return queries


def _ordered(condition: Condition, name: str, criteria: Criteria, whole: bool) -> Select[Any]:
    down = criteria.order.startswith("-")
    if criteria.after_id:
        condition = and_(condition, _J.id < criteria.after_id if criteria.order == "-id" else _J.id > criteria.after_id)
    columns: list[ColumnElement[Any]] = [ORDERS[name]] if name == "id" else [ORDERS[name], _J.id]
    if name == "started":
        columns.insert(0, ORDERS[name].is_(None))
    query = SELECT_JOBS.where(condition).order_by(*(column.desc() if down else column for column in columns))
    return query.limit(criteria.limit) if criteria.limit and whole else query


@dataclass
class _Piece:
    """Selectors that go into one statement."""

    ids: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    others: list[Condition] = field(default_factory=list)

    @property
    def full(self) -> bool:
        return len(self.ids) + len(self.names) >= VALUES_TOGETHER or len(self.others) >= CONDITIONS_TOGETHER

    @property
    def condition(self) -> Condition:
        listed = [column.in_(values) for column, values in ((_J.id, self.ids), (_J.name, self.names)) if values]
        return or_(*listed, *self.others)


def _pieces(criteria: Criteria) -> list[_Piece]:
    if not criteria.selectors:
        return [_Piece(others=[true()])]
    pieces = [_Piece()]
    for selector in criteria.selectors:
        if selector.elements is not None:
            name, first, last = selector.elements
            pieces[-1].others.append(and_(_J.name == plain(name), _J.array_index.between(first, last)))
        for name in selector.names or ("",):
            if pieces[-1].full:
                pieces.append(_Piece())
            _take(pieces[-1], selector, name, criteria.user)
    return pieces


def _take(piece: _Piece, selector: Selector, name: str, user: str) -> None:
    """One selector (of several names one) into the piece."""
    if name:
        if is_pattern(name):
            piece.others.append(like(_J.name, plain(name)))
        else:
            piece.names.append(plain(name))
    elif selector.ids is not None and selector.ids[0] == selector.ids[1]:
        piece.ids.append(selector.ids[0])
    else:
        piece.others.append(_meant(selector, user))


def _meant(selector: Selector, user: str) -> Condition:
    if selector.ids is not None:
        return _J.id.between(*selector.ids)
    if selector.last is not None:
        newest = select(_J.id).where(_J.user == plain(user)).order_by(_J.id.desc()).offset(selector.last).limit(1)
        return _J.id.in_(select(newest.subquery().c.id))
    if selector.words or selector.states:
        return or_(*_shown_as(selector.words), *map(_in_state, selector.states))
    if selector.queue:
        return _J.queue == selector.queue
    if selector.group is not None:
        return _J.group_id == selector.group
    if selector.note:
        return like(_J.note, f"*{searched(selector.note)}*")
    wanted = user if selector.everything else selector.user
    return _J.user == plain(wanted) if wanted else true()


def _shown_as(words: Collection[str]) -> list[Condition]:
    """Conditions for these words, each by the index that leads to few rows: jobs on hosts are found by their
    placements."""
    ended, active = OUTCOMES.intersection(words), frozenset(ON_HOSTS).intersection(words)
    waiting = set(words) - ended - active
    conditions: list[Condition] = [_J.outcome == word for word in sorted(ended)]
    if active:
        placed = select(placements.c.job_id)
        conditions.append(and_(text(OPEN), _J.id.in_(placed), _J.word.in_(sorted(active))))
    if waiting:
        conditions.append(and_(text(OPEN), _J.word.in_(sorted(waiting))))
    return conditions


def _in_state(state: JobState) -> Condition:
    return and_(text(DONE)) if state is JobState.DONE else and_(text(OPEN), _J.state == state.value)

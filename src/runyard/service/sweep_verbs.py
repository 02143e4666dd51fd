"""The verbs on groups: seeing them with what has become of their jobs, and changing a sweep while it runs."""

from __future__ import annotations

from collections import Counter

from runyard.errors import NotAllowed, NotFound
from runyard.model.group import GATHERED, SWEEP, Group, GroupQuery, GroupRow, Members, SweepChange, strip_of
from runyard.model.outcome import Outcome
from runyard.model.record import changed
from runyard.service.turn import Turn
from runyard.service.verbs import Verbs
from runyard.store.base import Cell

ENDED = frozenset(outcome.value for outcome in Outcome)
CANCELLED, SKIPPED = Outcome.CANCELLED.value, Outcome.SKIPPED.value
RECENT = 20
"""How many groups without an open job count as `recent`."""


class SweepVerbs(Verbs):
    """Groups and sweeps."""

    def groups(self, query: GroupQuery) -> tuple[GroupRow, ...]:
        kinds = (query.kind,) if query.kind else GATHERED
        if query.id:
            found = [group for group in self._store.groups([query.id]) if group.kind in kinds]
        else:
            found = [group for kind in kinds for group in self._store.groups_of(kind, query.name)]
            found.sort(key=lambda group: group.id)
        if query.key:
            found = [group for group in found if group.key == query.key]
        if query.mine:
            found = [group for group in found if group.user == self._caller.user]
        if query.recent:
            ended = [group.id for group in found if group.ended_at is not None][-RECENT:]
            found = [group for group in found if group.ended_at is None or group.id in ended]
        cells = self._store.cells([group.id for group in found])
        rows = [row_of(group, cells[group.id]) for group in reversed(found) if cells[group.id]]
        if query.members:
            rows = [changed(row, members=_members(cells[row.group.id])) for row in rows]
        return tuple(rows)

    def change_sweep(self, change: SweepChange) -> Group:
        def work(turn: Turn) -> Group:
            found = [group for group in turn.store.groups([change.id]) if group.kind == SWEEP]
            if not found:
                raise NotFound(f"there is no sweep {change.id}")
            group = found[0]
            if group.user != self._caller.user:
                raise NotAllowed(f"sweep {group.name!r} is {group.user}'s")
            group = change.made_of(group)
            turn.store.save_group(group)
            turn.dirty = True
            turn.topics.update(("jobs", f"group:{group.id}"))
            return group

        return self._controller.call(work)


def _members(cells: list[Cell]) -> Members:
    """The jobs of a group, field by field."""
    ids, words, started_at, ended_at, codes, reasons = zip(*cells, strict=True)
    known = tuple(None if at is None else code for at, code in zip(ended_at, codes, strict=True))
    return Members(ids, words, known, reasons, started_at, ended_at)


def row_of(group: Group, cells: list[Cell]) -> GroupRow:
    """The group as lists show it."""
    words = [cell.word for cell in cells]
    counts = Counter(words)
    open_cells = [cell for cell in cells if cell.word not in ENDED]
    started = [cell.started_at for cell in cells if cell.started_at is not None]
    ended = [cell.ended_at for cell in cells if cell.ended_at is not None]
    return GroupRow(
        group=group,
        counts=dict(counts),
        done=sum(number for word, number in counts.items() if word in ENDED - {CANCELLED, SKIPPED}),
        total=len(cells) - counts[CANCELLED],
        strip=strip_of(words),
        first=cells[0].id,
        last=cells[-1].id,
        started_at=min(started, default=None),
        ended_at=max(ended, default=None) if not open_cells else None,
    )

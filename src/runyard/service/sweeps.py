"""What the yard does by itself for sweeps and pipelines: their end is noted; and stop rules, when cells report.

Inside a turn of the yard thread. Costs nothing where no job of a group ends and no cell reports a metric.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from runyard.errors import NotAllowed, NotFound
from runyard.model.events import Change, StopRequested
from runyard.model.group import GATHERED, SWEEP, GroupRequest
from runyard.model.job import Job, JobState, StopRequest
from runyard.model.rule import Rule
from runyard.service.turn import Turn

ENDING = "ending"
"""Kind of the documents that say, by sweep, which cells a rule has still to end."""

TOGETHER = 500
"""How many cells are ended in one turn."""


class Reported(NamedTuple):
    """A metric of a cell: its last value and the step of that, its least and greatest value so far."""

    metric: str
    last: float
    least: float
    most: float
    step: float


def settle(turn: Turn) -> None:
    """Groups whose last open job has ended in this turn are over, until they grow or a job is tried again."""
    for group in turn.store.groups(turn.groups_moved):
        if group.kind not in GATHERED:
            continue
        is_open = turn.store.group_open(group.id)
        if not is_open or group.ended_at is not None:
            turn.store.save_group(replace(group, ended_at=None if is_open else turn.now))
            turn.topics.add(f"group:{group.id}")
    turn.groups_moved.clear()


def heard(turn: Turn, reports: Iterable[tuple[Job, Iterable[Reported]]]) -> None:
    """Cells have reported these metrics: what the rules of their sweeps say is done."""
    told = [(job, list(metrics)) for job, metrics in reports if job.group is not None]
    if not told:
        return
    groups = {group.id: group for group in turn.store.groups({job.group for job, _ in told if job.group is not None})}
    for job, metrics in told:
        group = groups.get(job.group or 0)
        if group is None or group.sweep is None or not group.sweep.rules:
            continue
        rule = next((rule for rule in group.sweep.rules for one in metrics if _holds(rule, one)), None)
        if rule is None:
            continue
        if rule.after is not None:
            _end(turn, rule.text, [job.id])
        elif not group.sweep.stopped:
            why = f"{rule.text}: job {job.id} ({job.spec.title})"
            groups[group.id] = stopped = replace(group, sweep=replace(group.sweep, stopped=why))
            turn.store.save_group(stopped)
            _end_others(turn, rule, job)


def _holds(rule: Rule, told: Reported) -> bool:
    if told.metric != rule.metric:
        return False
    if rule.after is not None:
        return rule.holds(told.last, int(told.step))
    return rule.holds(told.most if rule.comparison.startswith(">") else told.least, None)


def _end_others(turn: Turn, rule: Rule, job: Job) -> None:
    """End the cells beside this one: those that wait first, so that none starts where another has ended."""
    cells = sorted(turn.store.cells([job.group or 0])[job.group or 0], key=lambda cell: cell.started_at is not None)
    ids = [cell.id for cell in cells if cell.id != job.id and cell.ended_at is None]
    turn.store.save_document(ENDING, str(job.group), {"rule": rule.text, "ids": ids})
    go_on(turn, str(job.group))


def go_on(turn: Turn, group: str) -> None:
    """End some of the cells of this sweep that a rule ends; the rest in the next turns."""
    left = turn.store.document(ENDING, group)
    if left is None:
        return
    some, rest = left["ids"][:TOGETHER], left["ids"][TOGETHER:]
    _end(turn, left["rule"], some)
    if rest:
        turn.store.save_document(ENDING, group, {**left, "ids": rest})
        turn.next.append(partial(go_on, group=group))
    else:
        turn.store.remove_document(ENDING, group)


def _end(turn: Turn, rule: str, ids: list[int]) -> None:
    """End these cells, as `stop` does."""
    jobs = turn.store.load(ids)
    wish = StopRequest(turn.now, f"the rule {rule}")
    changes = [
        Change(job.id, StopRequested(turn.now, wish))
        for job in jobs.values()
        if job.state is not JobState.DONE and job.stop is None
    ]
    for job in turn.commit(changes).jobs.values():
        turn.tell_stop(job)


def check_growth(turn: Turn, request: GroupRequest, user: str) -> None:
    """Whether this sweep may get new cells from this user."""
    found = turn.store.groups([request.into])
    if not found or found[0].kind != SWEEP:
        raise NotFound(f"there is no sweep {request.into}")
    if found[0].user != user:
        raise NotAllowed(f"sweep {found[0].name!r} is {found[0].user}'s")


def note_cells(turn: Turn, request: GroupRequest, ids: Sequence[int]) -> None:
    """The jobs of a sweep are there: the first of a new one may be its canary, one that has grown goes on."""
    jobs = turn.store.load(ids[:1])
    groups = turn.store.groups([job.group for job in jobs.values() if job.group is not None])
    for group in groups:
        if group.sweep is None:
            continue
        canary = ids[0] if request.canary and not request.into else group.sweep.canary
        turn.store.save_group(replace(group, ended_at=None, sweep=replace(group.sweep, canary=canary, stopped="")))

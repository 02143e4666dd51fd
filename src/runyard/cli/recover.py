"""`recover`: what a failure of a server, a host or the power has left, in one list, and one command to put it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from runyard.api import JobRow
from runyard.cli.context import App
from runyard.cli.options import SELECTORS, any_jobs, as_json, dry_run, yes
from runyard.cli.render.grid import Column, Grid, Row
from runyard.cli.render.json import of_jobs
from runyard.cli.render.text import clock, counted, harmless, label, numbers, stamp
from runyard.cli.retry import Again
from runyard.cli.selecting import jobs
from runyard.errors import UsageError
from runyard.model.editing import RetryCall
from runyard.model.filter import JobQuery
from runyard.model.outcome import Outcome
from runyard.model.queue import Queue

if TYPE_CHECKING:
    from runyard.api import Service

LOST = Outcome.LOST.value


@dataclass(frozen=True)
class Left:
    """What was found: lost jobs, those that wait for them, queues that a loss has paused, and attempts (with their
    agents) that run although this yard does not know them."""

    lost: tuple[JobRow, ...]
    waiting: tuple[int, ...]
    queues: tuple[Queue, ...]
    unknown: tuple[tuple[str, str], ...]


@click.command("recover", epilog=SELECTORS)
@any_jobs
@click.option("--all", "everything", is_flag=True, help="Put back everything that is listed.")
@click.option("--resume", is_flag=True, help="Tell the commands to go on where they were: RUNYARD_RESUME=1.")
@yes
@dry_run
@as_json
@click.pass_obj
def recover(app: App, /, selectors: tuple[str, ...], everything: bool, **flags: bool) -> int:
    """List what a failure has left, and put it back.

    The failure may be that of a server, of a host or of the power; --all or JOB puts back. A job that may have run, and
    of which nobody knows how it ended, is lost: it is not repeated by itself (unless its queue says on-lost requeue).
    Put back, it gets its next attempt; jobs that wait for it wait on; a queue that it has paused goes on.

    \b
    Examples:
      ry recover
      ry recover --all --resume
      ry recover 12 14
    """
    if selectors and everything:
        raise UsageError("either --all or some jobs, please")
    left = _look(app.service(), selectors)
    if selectors and not left.lost:
        raise UsageError(f"none of {' '.join(selectors)} is lost; `ry retry` tries again what ended otherwise")
    return _put_back(app, left, flags) if selectors or everything else _list(app, left)


def _look(service: Service, selectors: tuple[str, ...]) -> Left:
    """What is left, or what of it these jobs have to do with."""
    rows = service.jobs(JobQuery(selectors=selectors or (f"state:{LOST}",)))
    lost = {row.id: row for row in rows if row.word == LOST}
    waiting = service.jobs(JobQuery(selectors=tuple(f"after:{job_id}" for job_id in lost))) if lost else ()
    queues = (row.queue for row in service.queues() if row.queue.paused and row.queue.lost_job)
    unknown = () if selectors else service.status().agents
    return Left(
        lost=tuple(lost.values()),
        waiting=tuple(row.id for row in waiting if row.word == "waiting"),
        queues=tuple(queue for queue in queues if not selectors or queue.lost_job in lost),
        unknown=tuple((name, agent.id) for agent in unknown for name in agent.unknown),
    )


def _list(app: App, left: Left) -> int:
    if app.output.as_json:
        queues = [queue.name for queue in left.queues]
        unknown = [{"attempt": name, "agent": agent} for name, agent in left.unknown]
        app.output.json({"lost": left.lost, "waiting": left.waiting, "queues": queues, "unknown": unknown})
        return 0
    if not (left.lost or left.queues or left.unknown):
        app.output.line("nothing is left to be put back")
        return 0
    app.output.grid(_table(app, left))
    if left.lost or left.queues:
        app.output.note("`ry recover --all` puts it back: lost jobs are tried again, paused queues go on")
    return 0


def _table(app: App, left: Left) -> Grid:
    columns = (
        Column("WHAT", firm=True), Column("NAME", flexible=True), Column("SINCE", spare=1),
        Column("REASON", flexible=True, optional=True),
    )  # fmt: skip
    now, for_people = app.now(), app.output.terminal

    def since(row: JobRow) -> str:
        return clock(row.ended_at, now) if for_people and row.ended_at is not None else stamp(row.ended_at)

    rows = [Row((f"lost job {row.id}", label(row), since(row), harmless(row.reason)), LOST) for row in left.lost]
    if left.waiting:
        count = counted(len(left.waiting), "job")
        rows.append(Row((f"{count} waiting", numbers(left.waiting), "", "for lost jobs"), "waiting"))
    rows += [Row((f"queue {queue.name}", "paused", "", harmless(queue.reason)), "paused") for queue in left.queues]
    rows += [
        Row((f"attempt {name}", "unknown", "", f"{harmless(agent)} has it, this yard did not give it"), LOST)
        for name, agent in left.unknown
    ]
    return Grid(columns, tuple(rows))


def _put_back(app: App, left: Left, flags: dict[str, bool]) -> int:
    ids = tuple(row.id for row in left.lost)
    change = Again()
    if flags["dry_run"]:
        return change.preview(app, left.lost)
    change.confirm(app, ("all",), left.lost, yes=flags["yes"])
    told = app.service().retry(RetryCall(ids, flags["resume"]))
    gone_on = _go_on(app.service(), left.queues)
    if app.output.as_json:
        code = 1 if told.refused else 0
        app.output.json(of_jobs(told.changed, told.refused, code, also=told.also, queues=gone_on))
        return code
    code = change.report(app, told) if ids else 0
    if left.waiting and told.changed:
        wait, them = "waits" if len(left.waiting) == 1 else "wait", "it" if len(told.changed) == 1 else "them"
        app.output.line(f"{jobs(left.waiting)} {wait} for {them} as before")
    for name in gone_on:
        app.output.line(f"queue {name} goes on")
    if not (ids or gone_on):
        app.output.line("nothing is left to be put back")
    return code


def _go_on(service: Service, queues: Sequence[Queue]) -> list[str]:
    for queue in queues:
        service.save_queue(queue.resumed())
    return [queue.name for queue in queues]

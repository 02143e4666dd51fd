"""`move`: another place in line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from runyard.api import ChangeResult, JobRow
from runyard.cli.context import App
from runyard.cli.options import SELECTORS, as_json, complete_jobs, dry_run, some_jobs, yes
from runyard.cli.render.text import numbers
from runyard.cli.selecting import Change, single
from runyard.errors import UsageError
from runyard.model.editing import MoveCall
from runyard.model.filter import JobQuery
from runyard.model.job import JobState

PENDING = JobState.PENDING.value


class Move(Change):
    """Jobs that are lined up anew. Where that takes another priority, it is said."""

    def __init__(self, where: str, priorities: Mapping[int, int]) -> None:
        super().__init__("move", f"moved {where}", lambda row: row.state == PENDING)
        self._before = priorities

    def report(self, app: App, result: ChangeResult) -> int:
        code = super().report(app, result)
        if result.changed and not app.output.as_json:
            for priority, ids in self._took(app, result.changed).items():
                verb = "has" if len(ids) == 1 else "have"
                app.output.line(f"job{'s' if len(ids) > 1 else ''} {numbers(ids)} {verb} priority {priority} now")
        return code

    def _took(self, app: App, ids: Sequence[int]) -> dict[int, list[int]]:
        """The jobs that have another priority now, by that."""
        took: dict[int, list[int]] = {}
        for row in app.service().jobs(JobQuery(selectors=tuple(map(str, ids)), limit=len(ids))):
            if self._before.get(row.id) != row.priority:
                took.setdefault(row.priority, []).append(row.id)
        return took


@click.command("move", epilog=SELECTORS)
@some_jobs
@click.option("--first", is_flag=True, help="Before all that wait in its queue.")
@click.option("--last", is_flag=True, help="Behind all that wait in its queue.")
@click.option("--before", metavar="JOB", shell_complete=complete_jobs, help="Right before this one.")
@click.option("--after", metavar="JOB", shell_complete=complete_jobs, help="Right behind this one.")
@yes
@dry_run
@as_json
@click.pass_obj
def move(app: App, /, selectors: tuple[str, ...], first: bool, last: bool, before: str | None, after: str | None,
         **flags: bool) -> int:  # fmt: skip
    """Give waiting jobs another place in line.

    Several keep the order in which they stand. A job that is moved beside one of another priority takes that priority,
    which is said. `ry ls` lists waiting jobs in line.

    \b
    Examples:
      ry move 12 --first
      ry move 'train*' --last
      ry move 12 14 --before 7
    """
    where = [name for name, given in (("first", first), ("last", last), ("before", before), ("after", after)) if given]
    if len(where) != 1:
        raise UsageError("where to? One of --first, --last, --before JOB, --after JOB, please")
    beside = single(app, before or after or "") if before or after else None
    rows = app.service().jobs(JobQuery(selectors=tuple(selectors)))
    change = Move(_said(where[0], beside), {row.id: row.priority for row in rows})
    return change.run(
        app,
        selectors,
        lambda ids: app.service().move(MoveCall(ids, where[0], beside.id if beside else 0)),
        yes=flags["yes"],
        dry=flags["dry_run"],
    )


def _said(where: str, beside: JobRow | None) -> str:
    ends = {"first": "to the front of its queue", "last": "to the end of its queue"}
    return ends.get(where) or f"{'before' if where == 'before' else 'behind'} job {beside.id if beside else ''}"

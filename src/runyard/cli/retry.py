"""`retry`: jobs that have ended get another attempt."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from runyard.api import ChangeResult, JobRow
from runyard.cli.context import App
from runyard.cli.drafting import check_choice, in_editor, setting, with_sets
from runyard.cli.options import SELECTORS, any_jobs, as_json, dry_run, yes
from runyard.cli.render.json import of_jobs
from runyard.cli.selecting import Change, jobs
from runyard.errors import UsageError
from runyard.model.editing import Draft, RetryCall
from runyard.model.job import JobState
from runyard.model.outcome import ENDED_BADLY, Outcome

DONE = JobState.DONE.value
SUCCEEDED = Outcome.SUCCEEDED.value


class Again(Change):
    """Another attempt. A selector that spreads means what has ended otherwise than well."""

    together = 1_000

    def __init__(self, failed: bool = False) -> None:
        super().__init__("retry", "waits again", self._fits, strict=failed)
        self._failed = failed

    def _fits(self, row: JobRow) -> bool:
        if self._failed:
            return row.outcome in ENDED_BADLY  # what was skipped because of these comes along
        return row.state == DONE and row.outcome != SUCCEEDED

    def report(self, app: App, result: ChangeResult) -> int:
        self.past = "wait again" if len(result.changed) > 1 else "waits again"
        if app.output.as_json:
            code = 1 if result.refused else 0
            app.output.json(of_jobs(result.changed, result.refused, code, also=result.also))
            return code
        code = super().report(app, result)
        if result.also:
            come = "comes" if len(result.also) == 1 else "come"
            those = "it" if len(result.changed) == 1 else "them"
            app.output.line(f"{jobs(result.also)} {come} along: skipped because of {those}")
        return code


@click.command("retry", epilog=SELECTORS)
@any_jobs
@click.option("--failed", is_flag=True, help="Only those that failed, were lost or ran out of time or memory.")
@click.option("--resume", is_flag=True, help="Tell the command to go on where it was: RUNYARD_RESUME=1.")
@click.option("--edit", "editor", is_flag=True, help="Change it in your editor first.")
@setting
@yes
@dry_run
@as_json
@click.pass_obj
def retry(
    app: App, /, selectors: tuple[str, ...], failed: bool, sets: tuple[str, ...], editor: bool, **flags: bool
) -> int:
    """Give jobs that have ended another attempt: the same id, the next number.

    Its automatic retries begin anew, and it keeps its place in line. Jobs that were skipped because of it come along;
    those that ran stay as they are. A selector that means many takes those that did not succeed; one that succeeded is
    run again when it is named. --failed alone means all of yours.

    With --resume the command finds RUNYARD_RESUME=1, the attempt to go on from in RUNYARD_RESUMED_FROM, and its files
    where they were.

    \b
    Examples:
      ry retry 12
      ry retry --failed group:7
      ry retry 12 --resume --set time=8h
      ry retry --failed --dry-run
    """
    check_choice(sets, editor)
    if not selectors and not failed:
        raise UsageError("which jobs? Name them, or say --failed")
    selectors = selectors or ("all",)
    change, resume = Again(failed), flags["resume"]

    def call(ids: tuple[int, ...], drafts: Sequence[Draft] = ()) -> ChangeResult:
        return app.service().retry(RetryCall(ids, resume, tuple(drafts)))

    def with_changes(ids: tuple[int, ...]) -> ChangeResult:
        return call(ids, with_sets(app, app.service().drafts(ids), sets))

    if not editor or flags["dry_run"]:
        return change.run(app, selectors, with_changes if sets else call, yes=flags["yes"], dry=flags["dry_run"])
    return _edited(app, change, selectors, call)


def _edited(app: App, change: Again, selectors: Sequence[str], call: Callable[..., ChangeResult]) -> int:
    """All of them are retried when the editor is left, the changed ones changed; none if nothing was changed."""
    rows = change.meant(app, selectors)
    if not rows:
        return change.report(app, ChangeResult(()))
    done: list[int] = []
    also: list[int] = []

    def apply(drafts: Sequence[Draft]) -> dict[int, str]:
        told = call(tuple(row.id for row in rows if row.id not in done), drafts)
        done.extend(told.changed)
        also.extend(told.also)
        return told.refused

    in_editor(app, rows, JobState.PENDING.value, apply)
    return change.report(app, ChangeResult(tuple(done), also=tuple(also)))

"""From selectors to jobs, and the question that a change of many asks first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from runyard.api import ChangeResult, JobRow
from runyard.cli.context import App
from runyard.cli.render.output import shown
from runyard.cli.render.text import counted, harmless, label, numbers
from runyard.errors import RunyardError, UsageError
from runyard.model.filter import JobQuery, spreads

YES = ("y", "yes")
PER_CALL = 10_000
"""Ids in one call of a change."""
REFUSED_TOLD = 10
"""So many refusals are told one by one."""


def selected(app: App, selectors: Sequence[str]) -> tuple[JobRow, ...]:
    """The jobs that these selectors mean; at least one."""
    rows = app.service().jobs(JobQuery(selectors=tuple(selectors)))
    if not rows:
        raise UsageError(f"no job matches {' '.join(selectors)}")
    return rows


def single(app: App, selector: str) -> JobRow:
    """The one job that this selector means; of several of one name the latest."""
    rows = selected(app, (selector,))
    if len(rows) > 1 and spreads((selector,)):
        raise UsageError(
            f"{selector} means {counted(len(rows), 'job')}; name one of them: {shown(str(r.id) for r in rows)}"
        )
    return max(rows, key=lambda row: row.id)


def attempt_of(selector: str) -> tuple[str, int]:
    """`12.2` is the second try of job 12; otherwise the latest (0)."""
    job, dot, number = selector.partition(".")
    if dot and job.isdecimal() and number.isdecimal() and int(number) > 0:
        return job, int(number)
    return selector, 0


class Change:
    """A change of jobs: `verb` says what happens to them ("stop"), `past` what has happened ("stopped").

    `applies` says to which jobs it can be done at all; others are left out where a selector spreads, and are refused
    by name where they were named.
    """

    def __init__(self, verb: str, past: str, applies: Callable[[JobRow], bool]) -> None:
        self.verb = verb
        self.past = past
        self.applies = applies

    def run(
        self,
        app: App,
        selectors: Sequence[str],
        call: Callable[[tuple[int, ...]], ChangeResult],
        *,
        yes: bool,
        dry: bool,
    ) -> int:
        """Select, ask, do and report; the exit code."""
        rows = app.service().jobs(JobQuery(selectors=tuple(selectors)))
        spreading = spreads(selectors) or len(rows) > len(selectors)  # a name may be that of several
        ids = tuple(row.id for row in rows if not spreading or self.applies(row))
        if dry:
            return self._preview(app, [row for row in rows if row.id in set(ids)])
        if len(ids) > (1 if spreads(selectors) else len(selectors)) and not yes:
            self._ask(app, ids)
        return self._report(app, _in_slices(ids, call))

    def _ask(self, app: App, ids: tuple[int, ...]) -> None:
        if not app.output.asks or app.output.as_json:
            raise UsageError(f"this would {self.verb} {counted(len(ids), 'job')}: {numbers(ids)}; confirm with --yes")
        if app.output.ask(f"{self.verb} {counted(len(ids), 'job')} ({numbers(ids)})? [y/N]") not in YES:
            raise RunyardError("nothing was changed")

    def _preview(self, app: App, rows: Sequence[JobRow]) -> int:
        if app.output.as_json:
            app.output.json({f"would_{self.verb}": [row.id for row in rows]})
            return 0
        for row in rows:
            app.output.line(f"would {self.verb} job {row.id} ({label(row)}), {row.word}")
        if not rows:
            app.output.line(f"would {self.verb} nothing")
        return 0

    def _report(self, app: App, result: ChangeResult) -> int:
        output = app.output
        code = 1 if result.refused else 0
        if output.as_json:
            output.json({"changed": result.changed, "refused": result.refused, "ry_exit_code": code})
            return code
        if result.changed:
            jobs = f"job{'s' if len(result.changed) > 1 else ''} {numbers(result.changed)}"
            output.line(f"{jobs} {self.past}")
        for job_id, why in list(result.refused.items())[:REFUSED_TOLD]:
            output.note(f"ry: {harmless(why)}" if str(job_id) in why else f"ry: job {job_id}: {harmless(why)}")
        if len(result.refused) > REFUSED_TOLD:
            output.note(f"ry: and {len(result.refused) - REFUSED_TOLD} more were refused")
        if not result.changed and not result.refused:
            output.note(f"nothing to {self.verb}")
        return code


def _in_slices(ids: tuple[int, ...], call: Callable[[tuple[int, ...]], ChangeResult]) -> ChangeResult:
    """The call for all ids, some thousand at a time."""
    changed: list[int] = []
    refused: dict[int, str] = {}
    for start in range(0, len(ids), PER_CALL):
        result = call(ids[start : start + PER_CALL])
        changed += result.changed
        refused.update(result.refused)
    return ChangeResult(tuple(changed), refused)

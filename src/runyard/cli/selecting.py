"""From selectors to jobs, and the question that a change of many asks first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from runyard.api import ChangeResult, JobRow
from runyard.cli.context import App
from runyard.cli.render.json import of_jobs
from runyard.cli.render.text import counted, harmless, label, numbers
from runyard.errors import RunyardError, UsageError
from runyard.model.filter import JobQuery, spreads
from runyard.model.listing import shown

YES = ("y", "yes")
PER_CALL = 10_000
"""Ids in one call of a change."""
REFUSED_TOLD = 10
"""How many refusals are told one by one."""


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
    by name where they were named (`strict`: they are left out there too).
    """

    together = PER_CALL
    """Ids in one call: what takes long goes in smaller steps, so that nobody else waits long for it."""

    def __init__(self, verb: str, past: str, applies: Callable[[JobRow], bool], strict: bool = False) -> None:
        self.verb = verb
        self.past = past
        self.applies = applies
        self.strict = strict

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
        rows = self.meant(app, selectors)
        ids = tuple(row.id for row in rows)
        if dry:
            return self.preview(app, rows)
        self.confirm(app, selectors, rows, yes=yes)
        return self.report(app, _in_slices(ids, call, self.together))

    def meant(self, app: App, selectors: Sequence[str]) -> list[JobRow]:
        """The jobs to which it is to be done."""
        rows = app.service().jobs(JobQuery(selectors=tuple(selectors)))
        spreading = spreads(selectors) or len(rows) > len(selectors)  # a name may be that of several
        return [row for row in rows if not (spreading or self.strict) or self.applies(row)]

    def confirm(self, app: App, selectors: Sequence[str], rows: Sequence[JobRow], *, yes: bool) -> None:
        """Ask before more is changed than was named."""
        if len(rows) > (1 if spreads(selectors) else len(selectors)) and not yes:
            self._ask(app, tuple(row.id for row in rows))

    def _ask(self, app: App, ids: tuple[int, ...]) -> None:
        if not app.output.asks or app.output.as_json:
            raise UsageError(f"this would {self.verb} {counted(len(ids), 'job')}: {numbers(ids)}; confirm with --yes")
        if app.output.ask(f"{self.verb} {counted(len(ids), 'job')} ({numbers(ids)})? [y/N]") not in YES:
            raise RunyardError("nothing was changed")

    def preview(self, app: App, rows: Sequence[JobRow]) -> int:
        if app.output.as_json:
            app.output.json({f"would_{self.verb}": [row.id for row in rows]})
            return 0
        for row in rows:
            app.output.line(f"would {self.verb} job {row.id} ({label(row)}), {row.word}")
        if not rows:
            app.output.line(f"would {self.verb} nothing")
        return 0

    def report(self, app: App, result: ChangeResult) -> int:
        output = app.output
        code = 1 if result.refused else 0
        if output.as_json:
            output.json(of_jobs(result.changed, result.refused, code))
            return code
        if result.changed:
            output.line(f"{jobs(result.changed)} {self.past}")
        tell_refused(app, result.refused)
        if not result.changed and not result.refused:
            output.note(f"nothing to {self.verb}")
        return code


def jobs(ids: Sequence[int]) -> str:
    """These jobs, in a sentence."""
    return f"job{'s' if len(ids) > 1 else ''} {numbers(ids)}"


def tell_refused(app: App, refused: Mapping[int, str]) -> None:
    """Why jobs were not changed."""
    for job_id, why in list(refused.items())[:REFUSED_TOLD]:
        app.output.note(f"ry: {refusal(job_id, why)}")
    if len(refused) > REFUSED_TOLD:
        app.output.note(f"ry: and {len(refused) - REFUSED_TOLD} more were refused")


def refusal(job_id: int, why: str) -> str:
    """Why a job was not changed, with its number."""
    return harmless(why) if str(job_id) in why else f"job {job_id}: {harmless(why)}"


def _in_slices(ids: tuple[int, ...], call: Callable[[tuple[int, ...]], ChangeResult], together: int) -> ChangeResult:
    """The call for all ids, so many at a time."""
    changed: list[int] = []
    refused: dict[int, str] = {}
    also: list[int] = []
    for start in range(0, len(ids), together):
        result = call(ids[start : start + together])
        changed += result.changed
        refused.update(result.refused)
        also += result.also
    return ChangeResult(tuple(changed), refused, tuple(also))

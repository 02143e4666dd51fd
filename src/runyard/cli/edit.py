"""`edit`: jobs that were accepted are changed."""

from __future__ import annotations

from collections.abc import Sequence

import click

from runyard.api import ChangeResult, JobRow
from runyard.cli.context import App
from runyard.cli.drafting import drafts_of, in_editor, setting, with_sets
from runyard.cli.options import SELECTORS, as_json, dry_run, some_jobs, yes
from runyard.cli.render.text import harmless
from runyard.cli.selecting import Change, selected
from runyard.model.editing import Draft
from runyard.model.job import JobState
from runyard.submitting.keys import differences

TRIES = 3
"""How often --set is done anew on a job that changed meanwhile."""


class Edit(Change):
    """What a user changes of jobs."""

    together = 1_000

    def __init__(self, sets: Sequence[str]) -> None:
        super().__init__("edit", "changed", lambda row: row.state != JobState.DONE.value)
        self.sets = sets

    def preview(self, app: App, rows: Sequence[JobRow]) -> int:
        """What would change, job by job."""
        if app.output.as_json or not self.sets:
            return super().preview(app, rows)
        before = drafts_of(app, rows)
        for old, new in zip(before, with_sets(app, before, self.sets), strict=True):
            told = "; ".join(map(harmless, differences(old.spec, new.spec))) or "nothing"
            app.output.line(f"would edit job {old.id}: {told}")
        return 0

    def call(self, app: App, ids: tuple[int, ...]) -> ChangeResult:
        """Do it; a job that changed meanwhile is changed as it is then."""
        service = app.service()
        drafts = service.drafts(ids)
        told = service.edit(tuple(with_sets(app, drafts, self.sets)))
        seen = {draft.id: draft.version for draft in drafts}
        for _ in range(TRIES - 1):
            refused = service.drafts(tuple(told.refused)) if told.refused else ()
            drafts = tuple(draft for draft in refused if draft.version != seen[draft.id])
            if not drafts:
                break
            seen.update((draft.id, draft.version) for draft in drafts)
            more = service.edit(tuple(with_sets(app, drafts, self.sets)))
            still = {job_id: why for job_id, why in told.refused.items() if job_id not in more.changed}
            told = ChangeResult(told.changed + more.changed, {**still, **more.refused})
        return told


@click.command("edit", epilog=SELECTORS)
@some_jobs
@setting
@yes
@dry_run
@as_json
@click.pass_obj
def edit(app: App, selectors: tuple[str, ...], sets: tuple[str, ...], yes: bool, dry_run: bool) -> int:
    """Change jobs: with --set, or in your editor.

    The editor ($VISUAL, $EDITOR) shows all that can be changed. Keys are the long flags of submit: time, priority,
    gpus, note and so on; `command` and `env` too. It is checked as a submit is; after a mistake the editor opens again
    with what you wrote.

    Of a job that waits everything can be changed. Of one that runs: name, note, time limit, priority of its next
    attempt, retries. Of one that has ended: name and note; `ry retry --edit` tries it again changed.

    \b
    Examples:
      ry edit 12
      ry edit 12 --set time=4h --set note='the long one'
      ry edit 'train*' --set gpus=2 --dry-run
      ry edit 12 --set env=SEED=7
    """
    change = Edit(sets)
    if sets or dry_run:
        return change.run(app, selectors, lambda ids: change.call(app, ids), yes=yes, dry=dry_run)
    rows = selected(app, selectors)
    done: list[int] = []

    def apply(drafts: Sequence[Draft]) -> dict[int, str]:
        told = app.service().edit(tuple(drafts))
        done.extend(job_id for job_id in told.changed if job_id not in done)
        return told.refused

    if not in_editor(app, rows, "", apply) and not app.output.as_json:
        app.output.note("nothing was changed")
        return 0
    return change.report(app, ChangeResult(tuple(done)))

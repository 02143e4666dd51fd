"""`copy`: the same jobs once more, as they are or changed."""

from __future__ import annotations

from collections.abc import Sequence

import click

from runyard.api import JobRow
from runyard.cli.context import App
from runyard.cli.drafting import check_choice, drafts_of, in_editor, setting, with_sets
from runyard.cli.options import SELECTORS, as_json, dry_run, some_jobs, yes
from runyard.cli.selecting import Change
from runyard.cli.submit import deliver, report
from runyard.model.editing import Draft
from runyard.model.job import JobState
from runyard.submitting.build import new_key
from runyard.submitting.copying import arrays_among, copies_of


@click.command("copy", epilog=SELECTORS)
@some_jobs
@click.option("--edit", "editor", is_flag=True, help="Change the copies in your editor first.")
@setting
@yes
@dry_run
@as_json
@click.pass_obj
def copy(app: App, selectors: tuple[str, ...], sets: tuple[str, ...], editor: bool, yes: bool, dry_run: bool) -> int:
    """Submit jobs once more, under new ids.

    A copy has the command, script, environment, directory and resources of its original as they were when that was
    submitted (or last edited); nothing is taken from here and now. Where a copied job waited for another one that is
    copied too, its copy waits for that copy. A whole array is an array again.

    In a pipe only the ids are printed, one a line.

    \b
    Examples:
      ry copy 12
      ry copy 12 --set env=SEED=7 --set name=second
      ry copy 12 --edit
    """
    check_choice(sets, editor)
    change = Change("copy", "copied", lambda row: True)
    rows = change.meant(app, selectors)
    if dry_run:
        return change.preview(app, rows)
    change.confirm(app, selectors, rows, yes=yes)
    originals = drafts_of(app, rows)
    if not editor:
        _submit(app, rows, with_sets(app, originals, sets) if sets else originals)
        return 0
    copies: list[Draft] = []

    def apply(drafts: Sequence[Draft]) -> dict[int, str]:
        new = {draft.id: draft for draft in drafts}
        copies[:] = [new.get(draft.id, draft) for draft in originals]
        _submit(app, rows, copies)
        return {}

    if not in_editor(app, rows, JobState.PENDING.value, apply):
        app.output.note("nothing was changed, so nothing is copied; `ry copy` alone copies jobs as they are")
    return 0


def _submit(app: App, rows: Sequence[JobRow], drafts: Sequence[Draft]) -> None:
    submission = copies_of(drafts, arrays_among(app.service(), rows), new_key())
    report(app, submission, deliver(app, submission))

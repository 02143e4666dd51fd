"""Jobs that are changed by their user: `--set KEY=VALUE`, or in an editor. What `edit`, `retry` and `copy` share.

In the editor nothing is lost: what was wrong is said above the text, and it opens again. What cannot be saved in the
end stays in its file, which is named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from runyard.api import JobRow
from runyard.cli.context import App
from runyard.cli.options import complete_words
from runyard.cli.render.text import harmless, label
from runyard.cli.selecting import refusal
from runyard.cli.submit import here
from runyard.errors import InvalidSpec, RunyardError, UsageError
from runyard.foreign.editor import VARIABLES, EditedFile, editor_of
from runyard.model.editing import Draft
from runyard.submitting.keys import CHANGEABLE, keys_for
from runyard.submitting.redraft import Redrafter, assignments
from runyard.submitting.sheet import Part, Sheet, with_mistake

SHEET_MAX = 100
"""So many jobs are written on one sheet; more are changed by --set."""

Apply = Callable[[Sequence[Draft]], Mapping[int, str]]
"""Does it; why each job that was refused was."""

setting = click.option(
    "--set", "sets", multiple=True, metavar="KEY=VALUE",
    shell_complete=complete_words(*(f"{name}=" for name in CHANGEABLE)),
    help="Change this, as in time=2h; several times for more.",
)  # fmt: skip


def check_choice(sets: Sequence[str], editor: bool) -> None:
    """Both ways at once would be one too many."""
    if sets and editor:
        raise UsageError("either --set or --edit, please")


def drafts_of(app: App, rows: Sequence[JobRow]) -> tuple[Draft, ...]:
    """What these jobs are."""
    return app.service().drafts(tuple(row.id for row in rows))


def with_sets(app: App, drafts: Sequence[Draft], sets: Sequence[str]) -> list[Draft]:
    """These jobs, changed as `--set` says."""
    return _redrafted(app, drafts, dict.fromkeys((draft.id for draft in drafts), assignments(sets)))


def _redrafted(app: App, drafts: Sequence[Draft], options: Mapping[int, Mapping[str, Any]]) -> list[Draft]:
    desk = Redrafter(app.service(), here(app))
    made = []
    for draft in drafts:
        given = options.get(draft.id, {})
        try:
            made.append(Draft(draft.id, desk.spec(draft.spec, given), draft.version) if given else draft)
        except InvalidSpec as error:
            raise (InvalidSpec(f"job {draft.id}: {error.message}") if len(drafts) > 1 else error) from None
    return made


def in_editor(app: App, rows: Sequence[JobRow], state: str, apply: Apply) -> bool:
    """Have these jobs edited until it works or the user gives up; False if nothing was changed.

    `state` says what can be changed ("": as each of them is). `apply` gets the drafts that differ from their jobs.
    """
    if len(rows) > SHEET_MAX:
        raise UsageError(f"{len(rows)} jobs are too many for an editor; use --set")
    if not app.output.asks and not any(app.environ.get(name) for name in VARIABLES):
        raise UsageError("there is nobody to edit them; use --set, or name an editor in $EDITOR")
    drafts = drafts_of(app, rows)
    known = {row.id: row for row in rows}
    sheet = Sheet([_part(draft, known[draft.id], state or known[draft.id].state) for draft in drafts])
    file = EditedFile(editor_of(app.environ), ".toml")
    text, mistake = sheet.text, ""
    kept = False
    try:
        while True:
            edited = file.edit(with_mistake(text, mistake) if mistake else text)
            unchanged = edited == (with_mistake(text, mistake) if mistake else text)
            if unchanged and not mistake:
                return False
            if unchanged:
                kept = True
                raise UsageError(f"{mistake.splitlines()[0]} (what you wrote is kept in {file.path})")
            text = with_mistake(edited, "")
            mistake = _mistake(app, drafts, sheet, text, apply)
            if not mistake:
                return True
            drafts = drafts_of(app, rows)  # what was changed meanwhile is built upon
    finally:
        if not kept:
            file.close()


def _mistake(app: App, drafts: Sequence[Draft], sheet: Sheet, text: str, apply: Apply) -> str:
    """Do what the sheet says; "" or what was wrong."""
    try:
        wanted = _redrafted(app, drafts, sheet.changes(text))
        before = {draft.id: draft.spec for draft in drafts}
        refused = apply([draft for draft in wanted if draft.spec != before[draft.id]])
    except RunyardError as error:
        return error.message
    return "\n".join(refusal(job_id, why) for job_id, why in refused.items())


def _part(draft: Draft, row: JobRow, state: str) -> Part:
    return Part(draft.id, draft.spec, harmless(f"{label(row)}, {row.word}"), keys_for(state))

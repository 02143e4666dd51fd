"""Jobs that are changed by their user: `--set KEY=VALUE`, or in an editor. What `edit`, `retry` and `copy` share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from runyard.api import JobRow
from runyard.cli.context import App
from runyard.cli.editing import until_right
from runyard.cli.options import complete_words
from runyard.cli.render.text import harmless, label
from runyard.cli.selecting import refusal
from runyard.cli.submit import here
from runyard.errors import InvalidSpec, UsageError
from runyard.model.editing import Draft
from runyard.submitting.keys import CHANGEABLE, COMMAND, keys_for, keys_of
from runyard.submitting.redraft import Redrafter, assignments
from runyard.submitting.sheet import Part, Sheet

SHEET_MAX = 100
"""The most jobs on one sheet; more are changed by --set."""

Apply = Callable[[Sequence[Draft]], Mapping[int, str]]
"""Does it; why each job that was refused was."""

setting = click.option(
    "--set", "sets", multiple=True, metavar="KEY=VALUE",
    shell_complete=complete_words(*(f"{name}=" for name in CHANGEABLE)),
    help="Change this, as in time=2h; several times for more. Of a job made of a template, also its parameters.",
)  # fmt: skip


def check_choice(sets: Sequence[str], editor: bool) -> None:
    """UsageError where both --set and --edit are given."""
    if sets and editor:
        raise UsageError("either --set or --edit, please")


def drafts_of(app: App, rows: Sequence[JobRow]) -> tuple[Draft, ...]:
    """Drafts of these jobs as they are, to be changed."""
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
            made.append(Draft(draft.id, desk.spec(draft.spec, given, draft.id), draft.version) if given else draft)
        except InvalidSpec as error:
            raise (InvalidSpec(f"job {draft.id}: {error.message}") if len(drafts) > 1 else error) from None
    return made


def in_editor(app: App, rows: Sequence[JobRow], state: str, apply: Apply) -> bool:
    """Have these jobs edited until it works or the user gives up; False if nothing was changed.

    `state` says what can be changed ("": as each of them is). `apply` gets the drafts that differ from their jobs.
    """
    if len(rows) > SHEET_MAX:
        raise UsageError(f"{len(rows)} jobs are too many for an editor; use --set")
    drafts = drafts_of(app, rows)
    known = {row.id: row for row in rows}
    desk = Redrafter(app.service(), here(app))
    sheet = Sheet([_part(desk, draft, known[draft.id], state or known[draft.id].state) for draft in drafts])

    def change(text: str) -> str:
        nonlocal drafts
        try:
            before = {draft.id: draft.spec for draft in drafts}
            wanted = _redrafted(app, drafts, sheet.changes(text))
            refused = apply([draft for draft in wanted if draft.spec != before[draft.id]])
        finally:
            drafts = drafts_of(app, rows)  # the next time what was changed meanwhile is built upon
        return "\n".join(refusal(job_id, why) for job_id, why in refused.items())

    return until_right(app, sheet.text, change)


def _part(desk: Redrafter, draft: Draft, row: JobRow, state: str) -> Part:
    keys = keys_for(state)
    if draft.spec.params and COMMAND in keys.values() and desk.template(draft.spec, draft.id) is not None:
        keys = {**keys, **keys_of(draft.spec.params)}
    return Part(draft.id, draft.spec, harmless(f"{label(row)}, {row.word}"), keys)

"""A text in the user's editor, until it is right: nothing that he wrote is lost.

What was wrong is said above the text, and the editor opens again. What cannot be saved in the end stays in its file,
which is named.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat

from runyard.cli.context import App
from runyard.errors import RunyardError, UsageError
from runyard.foreign.editor import VARIABLES, EditedFile, editor_of
from runyard.submitting.sheet import with_mistake

ROUNDS = 10
"""So often an editor is opened where nobody can be asked: a program may make its mistake for ever."""


def until_right(app: App, text: str, apply: Callable[[str], str]) -> bool:
    """Have this TOML edited until it works or the user gives up; False if nothing was changed. `apply` does what a text
    says, and returns "" or what was wrong with it; an error of ours is wrong too."""
    if not app.output.asks and not any(app.environ.get(name) for name in VARIABLES):
        raise UsageError("there is nobody to edit this; use --set, or name an editor in $EDITOR")
    file = EditedFile(editor_of(app.environ), ".toml")
    mistake, kept = "", False
    try:
        for _ in repeat(None) if app.output.asks else range(ROUNDS):
            shown = with_mistake(text, mistake) if mistake else text
            edited = file.edit(shown)
            if edited == shown and not mistake:
                return False
            if edited == shown:
                break
            text = with_mistake(edited, "")
            try:
                mistake = apply(text)
            except RunyardError as error:
                mistake = error.message
            if not mistake:
                return True
        kept = True
        raise UsageError(f"{mistake.splitlines()[0]} (what you wrote is kept in {file.path})")
    finally:
        if not kept:
            file.close()

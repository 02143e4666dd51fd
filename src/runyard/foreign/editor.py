"""The user's editor, on the user's terminal: it gets a text and gives it back."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping

from runyard.foreign.command import CommandError, ProgramFailed, ProgramMissing

VARIABLES = ("VISUAL", "EDITOR")
COMMON = ("editor", "vi", "nano")
"""What is tried where the user has not said which one."""


def editor_of(environ: Mapping[str, str]) -> list[str]:
    """The editor's program and first arguments. ProgramMissing: there is none."""
    for name in VARIABLES:
        words = shlex.split(environ.get(name, ""))
        if words:
            return words
    found = next((path for path in map(shutil.which, COMMON) if path), None)
    if found is None:
        raise ProgramMissing("there is no editor; say which one in $EDITOR, or use --set")
    return [found]


class EditedFile:
    """A file that an editor changes, again and again if need be, in a directory of its own that only its owner may
    enter: so nobody else reads what the editor leaves beside it. All goes with `close`, unless it is kept."""

    def __init__(self, argv: list[str], suffix: str) -> None:
        self._argv = argv
        self._directory = tempfile.mkdtemp(prefix="ry-")
        self.path = os.path.join(self._directory, f"job{suffix}")
        os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))

    def edit(self, text: str) -> str:
        """What the user makes of the text. ProgramMissing or ProgramFailed: the editor could not be run, or gave up."""
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text)
        try:
            code = subprocess.run([*self._argv, self.path], check=False).returncode
        except FileNotFoundError:
            raise ProgramMissing(f"there is no editor {self._argv[0]}; say another one in $EDITOR") from None
        except OSError as error:
            raise CommandError(f"{self._argv[0]} cannot be run: {error.strerror}") from None
        if code:
            raise ProgramFailed(f"{self._argv[0]} ended with {code}: nothing was changed")
        with open(self.path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def close(self) -> None:
        """The file goes, and what lies beside it."""
        shutil.rmtree(self._directory, ignore_errors=True)

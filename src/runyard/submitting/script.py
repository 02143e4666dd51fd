"""What is to be run: words become an argv, a text for a shell, or the copy of a script.

On the command line (`command_of`) words are

* after `--`: an argv, as it is;
* a file with `#!`, or `*.sh` or `*.py`, and its arguments: copied now, so that later edits change nothing;
* one word with blanks or shell characters: a text that a shell runs.

In a file and in Python (`words_of`) nothing is guessed: a list is an argv, a text is for a shell, and who says `script`
has the first word copied (`script_of`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from runyard.errors import InvalidSpec
from runyard.model.spec import DEFAULT_SHELL

SCRIPT_MAX = 16 << 20
SHELL_MARKS = frozenset(" \t\n|&;<>()$`*")
DIRECTIVES = (b"#RY", b"#SBATCH")
UNREAD = (b"#PBS",)
INTERPRETERS = {".py": b"#!/usr/bin/env python3\n", ".sh": b"#!/usr/bin/env bash\n"}
"""The first line of a script that has none."""


class Command(NamedTuple):
    """What is to be run. `script` is the copy that takes the place of the first word.

    `python_path` is the directory that a Python script's own imports come from: its copy lies elsewhere. `headed` says
    that the first line of the copy is ours.
    """

    words: tuple[str, ...]
    shell: str = ""
    script: bytes | None = None
    python_path: str = ""
    headed: bool = False

    @property
    def has_directives(self) -> bool:
        """Whether it is a script in which lines may give options."""
        return self.script is not None and any(mark in self.script for mark in DIRECTIVES)


def command_of(words: tuple[str, ...], literal: bool, shell: str = "", cwd: str = "") -> Command:
    """What these words mean; `literal` when they came after `--`, `shell` when a shell was named."""
    if not words:
        raise InvalidSpec("there is nothing to run: give a command after --", "command")
    if shell:
        if len(words) != 1:
            raise InvalidSpec("a shell runs one text: quote the whole command", "shell")
        return Command(words, shell)
    if literal:
        return Command(words)
    path = os.path.join(cwd, os.path.expanduser(words[0]))
    if os.path.isfile(path):
        text = _script(path)
        if text is not None:
            return _copied(words, text, path)
    if not SHELL_MARKS & set(words[0]) or (len(words) > 1 and os.path.exists(path)):
        return Command(words)
    if len(words) > 1:
        raise InvalidSpec(
            f"{words[0]!r} is quoted, and {words[1]!r} follows it: a quoted text takes no further words "
            "(options come before it; after -- any words are a program and its arguments)",
            "command",
        )
    return Command(words, DEFAULT_SHELL)


def words_of(value: Any) -> tuple[tuple[str, ...], bool]:
    """A command given as data: its words, and whether it was one text."""
    if isinstance(value, str):
        return (value,), True
    if isinstance(value, (bytes, bytearray)) or not isinstance(value, Sequence) or not value:
        raise InvalidSpec("a list of words or one text is needed", "command")
    for word in value:
        if type(word) is not str:
            return tuple(map(_word, value)), False
    return tuple(value), False


def script_of(word: str, cwd: str) -> Command:
    """The script in this file, which has to be one."""
    path = os.path.join(cwd, os.path.expanduser(word))
    text = _script(path)
    if text is None:
        raise InvalidSpec(f"{path} is no script: it has no #! line, nor is it a *.sh or *.py", "script")
    return _copied((word,), text, path)


def _word(word: Any) -> str:
    if isinstance(word, (str, int, float)) and not isinstance(word, bool):
        return str(word)
    if isinstance(word, os.PathLike):
        path = os.fspath(word)
        if isinstance(path, str):
            return path
    raise InvalidSpec(f"{word!r} is no word of a command", "command")


def _copied(words: tuple[str, ...], text: tuple[bytes, bytes], path: str) -> Command:
    data = b"".join(text)
    is_python = b"python" in data.split(b"\n", 1)[0]
    return Command(words, "", data, os.path.dirname(os.path.abspath(path)) if is_python else "", bool(text[0]))


def _script(path: str) -> tuple[bytes, bytes] | None:
    """The script in this file, after the first line that it lacks; None where it is a program."""
    first = INTERPRETERS.get(os.path.splitext(path)[1])
    try:
        with open(path, "rb") as file:
            start = file.read(2)
            if start != b"#!" and first is None:
                return None
            data = start + file.read(SCRIPT_MAX)
    except OSError as error:
        raise InvalidSpec(f"{path} cannot be read: {error.strerror}", "command") from None
    if len(data) > SCRIPT_MAX:
        raise InvalidSpec(f"{path} is larger than {SCRIPT_MAX >> 20} MB; after -- it is run as it lies", "command")
    if data.split(b"\n", 1)[0].endswith(b"\r"):
        raise InvalidSpec(f"{path} has line ends of Windows, so its first line names no program; convert it", "command")
    return (b"" if start == b"#!" else first or b""), data


def remarks(command: Command) -> list[str]:
    """What a script holds that is not done."""
    lines = (command.script or b"").splitlines()
    known = [mark for mark in UNREAD if any(line.startswith(mark) for line in lines)]
    return [f"{command.words[0]}: its {mark.decode()} lines are not read; give them as flags" for mark in known]

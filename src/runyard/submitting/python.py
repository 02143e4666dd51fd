"""Which Python interpreter a command uses, as far as that can be told by looking: "" where it is none, or unclear."""

from __future__ import annotations

import os
import re

from runyard.foreign.installed import INTERPRETER, SHEBANG_BYTES, shebang

CALLED = re.compile(r"(?:^|[\s;&|(])((?:[^\s;&|()]*/)?python[0-9.]*)(?=\s)")
"""An interpreter in a line for a shell."""

ENV = "env"
UV = ("uv", "poetry", "pdm", "hatch")
"""Programs that run a command in the virtual environment of the project around the working directory."""


def interpreter_of(program: str, workdir: str, path: str) -> str:
    """Of a program, looked for as the runner does: the interpreter itself, or a script that is run by one."""
    whole = _found(program, workdir, path)
    if not whole:
        return ""
    name = os.path.basename(program)
    if INTERPRETER.fullmatch(name):
        return _interpreter(program, workdir, path)
    if name in UV:
        return _nearest(os.path.join(".venv", "bin", "python"), workdir)
    try:
        with open(whole, "rb") as file:
            return interpreter_named(file.read(SHEBANG_BYTES), workdir, path)
    except OSError:
        return ""


def interpreter_named(script: bytes, workdir: str, path: str) -> str:
    """By the first line of a script."""
    words = shebang(script)
    if words and os.path.basename(words[0]) == ENV:
        words = [word for word in words[1:] if not word.startswith("-")]
    if not words or not INTERPRETER.fullmatch(os.path.basename(words[0])):
        return ""
    return _interpreter(words[0], workdir, path)


def interpreter_called(line: str, workdir: str, path: str) -> str:
    """In a line for a shell: the first that it calls, else that of its first program."""
    called = CALLED.search(line)
    if called is not None:
        return _interpreter(called.group(1), workdir, path)
    words = line.split(None, 1)
    return interpreter_of(words[0], workdir, path) if words else ""


def _interpreter(program: str, workdir: str, path: str) -> str:
    """The interpreter of this name; where that is pyenv's shim, the one that it starts here."""
    whole = _found(program, workdir, path)
    shims, name = os.path.split(whole)
    if os.path.basename(shims) != "shims":
        return whole
    pyenv = os.path.dirname(shims)
    version = _nearest(".python-version", workdir) or os.path.join(pyenv, "version")
    try:
        with open(version, encoding="utf-8") as file:
            python = os.path.join(pyenv, "versions", file.readline().strip(), "bin", name)
    except (OSError, UnicodeDecodeError):
        return ""
    return python if os.path.isfile(python) else ""


def _found(program: str, workdir: str, path: str) -> str:
    if "/" in program:
        whole = os.path.normpath(os.path.join(workdir, program))
        return whole if os.access(whole, os.X_OK) and os.path.isfile(whole) else ""
    for place in path.split(":"):
        whole = os.path.join(workdir, place, program)
        if os.access(whole, os.X_OK) and os.path.isfile(whole):
            return whole
    return ""


def _nearest(name: str, directory: str) -> str:
    """The file of this name in this directory or the nearest above it that has one ("": none)."""
    while True:
        path = os.path.join(directory, name)
        if os.path.exists(path):
            return path
        above = os.path.dirname(directory)
        if above == directory:
            return ""
        directory = above

"""Python environments named at submit: checked now, turned into lines that a shell runs before the command."""

from __future__ import annotations

import os
from collections.abc import Mapping

from runyard.errors import InvalidSpec


def venv_lines(path: str, cwd: str) -> tuple[str, ...]:
    """The lines that activate a virtual environment, as its own `activate` does."""
    root = os.path.abspath(os.path.join(cwd, os.path.expanduser(path)))
    if not os.access(os.path.join(root, "bin", "python"), os.X_OK):
        raise InvalidSpec(f"{root} is no virtual environment: it has no bin/python", "venv")
    return (
        f"export VIRTUAL_ENV={quoted(root)}",
        f'export PATH={quoted(os.path.join(root, "bin"))}:"$PATH"',
        "unset PYTHONHOME",
    )


def conda_lines(name: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The lines that activate a conda environment, by name or by path."""
    base = _conda_base(environ)
    hook = os.path.join(base, "etc", "profile.d", "conda.sh")
    if not os.path.isfile(hook):
        raise InvalidSpec(f"conda's {hook} is not there; use --setup with your own line", "conda")
    places = _environments(base, environ)
    if "/" in name:
        prefix = os.path.abspath(os.path.expanduser(name))
    elif name == "base":
        prefix = base
    else:
        prefix = next((found for place in places if _is_environment(found := os.path.join(place, name))), "")
    if not prefix or not _is_environment(prefix):
        raise InvalidSpec(f"there is no conda environment {name!r} in {', '.join(places)}", "conda")
    return (f". {quoted(hook)}", f"conda activate {quoted(prefix)}")


def setup_lines(commands: tuple[str, ...]) -> tuple[str, ...]:
    """The user's own lines."""
    for command in commands:
        if not command.strip():
            raise InvalidSpec("an empty line sets up nothing", "setup")
    return commands


def quoted(text: str) -> str:
    """The text as one word of a POSIX shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def _conda_base(environ: Mapping[str, str]) -> str:
    executable = environ.get("CONDA_EXE", "")
    candidates = [executable] if executable else []
    candidates += [os.path.join(place, "conda") for place in environ.get("PATH", "").split(":") if place]
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return os.path.dirname(os.path.dirname(os.path.realpath(candidate)))
    raise InvalidSpec("there is no conda on the PATH here (nor CONDA_EXE)", "conda")


def _environments(base: str, environ: Mapping[str, str]) -> list[str]:
    named = [place for place in environ.get("CONDA_ENVS_PATH", "").split(":") if place]
    own = os.path.join(environ.get("HOME", ""), ".conda", "envs")
    return [*named, os.path.join(base, "envs"), own]


def _is_environment(prefix: str) -> bool:
    return os.path.isdir(os.path.join(prefix, "conda-meta"))

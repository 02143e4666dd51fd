"""Python environments named at submit: checked now, turned into lines that a shell runs before the command."""

from __future__ import annotations

import os

from runyard.errors import InvalidSpec
from runyard.submitting.ground import Ground


def venv_lines(path: str, ground: Ground) -> tuple[str, ...]:
    """The lines that activate a virtual environment, as its own `activate` does."""
    root = os.path.abspath(os.path.join(ground.cwd, ground.expand(path)))
    if not ground.may_execute(os.path.join(root, "bin", "python")):
        raise InvalidSpec(f"{root} is no virtual environment{ground.where}: it has no bin/python", "venv")
    return (
        f"export VIRTUAL_ENV={quoted(root)}",
        f'export PATH={quoted(os.path.join(root, "bin"))}:"$PATH"',
        "unset PYTHONHOME",
    )


def programs_in(venv: str, conda: str, ground: Ground) -> str:
    """Where the programs of this virtual or conda environment lie ("" where neither is named)."""
    if venv:
        venv_lines(venv, ground)  # says what is wrong with it
        return os.path.join(os.path.abspath(os.path.join(ground.cwd, ground.expand(venv))), "bin")
    return os.path.join(_conda(conda, ground)[1], "bin") if conda else ""


def conda_lines(name: str, ground: Ground) -> tuple[str, ...]:
    """The lines that activate a conda environment, by name or by path."""
    hook, prefix = _conda(name, ground)
    return (f". {quoted(hook)}", f"conda activate {quoted(prefix)}")


def _conda(name: str, ground: Ground) -> tuple[str, str]:
    """The file that a shell reads to have conda, and where the environment lies."""
    base = _conda_base(ground)
    hook = os.path.join(base, "etc", "profile.d", "conda.sh")
    if not ground.exists(hook):
        raise InvalidSpec(f"conda's {hook} is not there{ground.where}; use --setup with your own line", "conda")
    places = _environments(base, ground)
    if "/" in name:
        prefix = os.path.abspath(os.path.join(ground.cwd, ground.expand(name)))
    elif name == "base":
        prefix = base
    else:
        prefix = next((found for place in places if _is_environment(found := os.path.join(place, name), ground)), "")
    if not prefix or not _is_environment(prefix, ground):
        raise InvalidSpec(f"there is no conda environment {name!r} in {', '.join(places)}{ground.where}", "conda")
    return hook, prefix


def setup_lines(commands: tuple[str, ...]) -> tuple[str, ...]:
    """The user's own lines."""
    for command in commands:
        if not command.strip():
            raise InvalidSpec("an empty line sets up nothing", "setup")
    return commands


def quoted(text: str) -> str:
    """The text as one word of a POSIX shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def _conda_base(ground: Ground) -> str:
    executable = ground.environ.get("CONDA_EXE", "")
    candidates = [executable] if executable else []
    candidates += [os.path.join(place, "conda") for place in ground.environ.get("PATH", "").split(":") if place]
    for candidate in candidates:
        if ground.may_execute(candidate):
            return os.path.dirname(os.path.dirname(ground.real(candidate)))
    raise InvalidSpec(f"there is no conda on the PATH{ground.where or ' here'} (nor CONDA_EXE)", "conda")


def _environments(base: str, ground: Ground) -> list[str]:
    environ = ground.environ
    named = [place for place in environ.get("CONDA_ENVS_PATH", "").split(":") if place]
    own = os.path.join(environ.get("HOME", ""), ".conda", "envs")
    return [*named, os.path.join(base, "envs"), own]


def _is_environment(prefix: str, ground: Ground) -> bool:
    return ground.is_directory(os.path.join(prefix, "conda-meta"))

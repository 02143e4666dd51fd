"""Asks a script for its parameters: runs `submitting.probe` in the interpreter that the command would be run by.

Three looks, until one is certain: with stand-ins for modules that take long to import, with the real ones, and with
stand-ins also for those that the script says it can do without. Each is a process group with a time limit, its output
goes nowhere, and it can reach no network and change no file.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from runyard.errors import InvalidSpec
from runyard.foreign.command import CommandError, ProgramTimedOut, run
from runyard.model import codec
from runyard.model.template import Parameter

LOOKS = (("light", 20.0), ("real", 60.0), ("loose", 20.0))
"""What stands in for modules, and how many seconds that may take."""

LAUNCH = """import os, sys
path, library = sys.path, os.path.dirname(os.__file__)
sys.path = [sys.argv.pop(1), *(place for place in path if place.startswith(library) and "site-packages" not in place)]
from probe.main import main
sys.path = path
main()
"""
"""The program is imported from where it lies, and what it imports from the standard library alone: a `json.py` in the
user's directory is none of it, and would be run before anything is contained."""

HERE = os.path.dirname(os.path.abspath(__file__))
REPORT_BYTES = 16 << 20
SHEBANG_BYTES = 256
QUIET = {
    "CUDA_VISIBLE_DEVICES": "", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "WANDB_MODE": "disabled",
    "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "MPLBACKEND": "agg", "HYDRA_FULL_ERROR": "1",
}  # fmt: skip
"""What keeps libraries from reaching out while the script is looked at."""

BY_HAND = "; name them by hand: -p lr:float=0.01"
WITH_VALUE = frozenset(("-W", "-X", "-Q"))


class Target(NamedTuple):
    """What is run: the interpreter, `file` or `module`, its path or name, and the words after it. `place` is where it
    stands among the words of the command."""

    python: str
    kind: str
    name: str
    words: tuple[str, ...]
    place: int


class Found(NamedTuple):
    """The parameters of a script, where they come from, and what stood in for something that is missing. `ahead` are
    flags that are none, because they would have to stand before a word that is in the command; `unnamed` were left out,
    because no parameter can be called so."""

    source: str
    parameters: tuple[Parameter, ...]
    missing: tuple[str, ...] = ()
    ahead: tuple[str, ...] = ()
    uncertain: bool = False
    unnamed: tuple[str, ...] = ()


def ask(words: Sequence[str], cwd: str, environ: Mapping[str, str]) -> Found:
    """The parameters of the script that this command runs; InvalidSpec says why they cannot be found."""
    target = target_of(words, cwd, environ.get("PATH", os.defpath))
    best, why = None, ""
    for look, limit_s in LOOKS:
        told = _look(target, look, limit_s, cwd, environ)
        if "error" in told:
            why = why or " ".join(str(told["error"]).split())
            if told.get("hung"):
                break
        else:
            best = _found(told)
            if not best.uncertain:
                if told.get("wrong"):
                    raise InvalidSpec(f"{os.path.basename(target.name)}: {told['wrong']}", "command")
                return best
    if best is None:
        raise InvalidSpec(f"no parameters are found in {target.name}: {why}{BY_HAND}", "template")
    return best


def target_of(words: Sequence[str], cwd: str, path: str) -> Target:
    """What this command runs; InvalidSpec where that is no Python."""
    place = next((place for place, word in enumerate(words) if "=" not in word and os.path.basename(word) != "env"), 0)
    program = words[place]
    if os.path.basename(program).rstrip(".0123456789") in ("python", "pypy"):
        return _of_python(words, place, cwd, path)
    scripts = [number for number, word in enumerate(words) if word.endswith(".py") and _is_file(word, cwd)]
    if scripts and scripts[0] > place:  # torchrun, accelerate launch, uv run ...
        return Target(_launchers(program, cwd, path), "file", *_rest(words, scripts[0], cwd))
    whole = _which(program, cwd, path)
    python = _shebang(whole)
    if not python and not program.endswith(".py"):
        raise InvalidSpec(f"{program} is no Python script, so its parameters cannot be found{BY_HAND}", "template")
    return Target(python or _which("python3", cwd, path), "file", *_rest([whole, *words[place + 1 :]], 0, cwd, place))


def _of_python(words: Sequence[str], place: int, cwd: str, path: str) -> Target:
    """Behind its own options an interpreter has a file, or -m and a module."""
    python = _which(words[place], cwd, path)
    at = place + 1
    while at < len(words):
        word = words[at]
        if word == "-m" and at + 1 < len(words):
            return Target(python, "module", words[at + 1], tuple(words[at + 2 :]), at + 1)
        if word == "-c" or word == "-":
            break
        if not word.startswith("-"):
            if not _is_file(word, cwd):
                raise InvalidSpec(f"there is no file {os.path.join(cwd, word)}", "command")
            return Target(python, "file", *_rest(words, at, cwd))
        at += 2 if word in WITH_VALUE else 1
    raise InvalidSpec(f"{words[place]} is given no script, so there are no parameters to be found{BY_HAND}", "template")


def _launchers(program: str, cwd: str, path: str) -> str:
    """The Python of a program that starts scripts (torchrun, accelerate)."""
    try:
        return _shebang(_which(program, cwd, path)) or _which("python3", cwd, path)
    except InvalidSpec:
        return _which("python3", cwd, path)


def _rest(words: Sequence[str], at: int, cwd: str, before: int = 0) -> tuple[str, tuple[str, ...], int]:
    return os.path.abspath(os.path.join(cwd, os.path.expanduser(words[at]))), tuple(words[at + 1 :]), before + at


def _is_file(word: str, cwd: str) -> bool:
    return os.path.isfile(os.path.join(cwd, os.path.expanduser(word)))


def _which(program: str, cwd: str, path: str) -> str:
    if "/" in program or _is_file(program, cwd):
        return os.path.join(cwd, os.path.expanduser(program))
    for place in path.split(":"):
        whole = os.path.join(cwd, place, program)
        if os.path.isfile(whole) and os.access(whole, os.X_OK):
            return whole
    raise InvalidSpec(f"there is no program {program!r} on the PATH", "command")


def _shebang(path: str) -> str:
    """The Python in the first line of this file ("": another program, or none)."""
    try:
        with open(path, "rb") as file:
            first = file.read(SHEBANG_BYTES).split(b"\n", 1)[0]
    except OSError:
        return ""
    words = first[2:].decode("utf-8", "replace").split() if first.startswith(b"#!") else []
    named = [word for word in words if "python" in os.path.basename(word)]
    if not named:
        return ""
    return named[0] if named[0].startswith("/") else _which(named[0], "/", os.environ.get("PATH", os.defpath))


def _look(target: Target, look: str, limit_s: float, cwd: str, environ: Mapping[str, str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="ry-probe-") as scratch:
        out = os.path.join(scratch, "report.json")
        argv = [target.python, "-c", LAUNCH, HERE, out, look, target.kind, target.name, *target.words]
        try:
            ended = run(argv, limit_s, env={**environ, **QUIET, "TMPDIR": scratch}, cwd=cwd)
        except ProgramTimedOut:
            return {"error": f"it did not read its command line within {limit_s:g} seconds", "hung": look == "light"}
        except CommandError as error:
            return {"error": error.message}
        try:
            with open(out, "rb") as file:
                told = json.loads(file.read(REPORT_BYTES))
        except (OSError, ValueError):
            complaint = ended.stderr.decode("utf-8", "replace").strip().splitlines()
            return {"error": complaint[-1] if complaint else "it ended without a word"}
    return told if isinstance(told, dict) else {"error": "it says nothing that is understood"}


def _found(told: dict[str, Any]) -> Found:
    parameters, unnamed = [], []
    for item in told.get("parameters", ()):
        item.pop("uncertain", None)
        try:
            parameters.append(codec.decode(Parameter, item))
        except InvalidSpec:
            unnamed.append(str(item.get("name", "")))
    missing, ahead = (tuple(str(name) for name in told.get(key, ())) for key in ("missing", "ahead"))
    return Found(str(told["source"]), tuple(parameters), missing, ahead, bool(told.get("uncertain")), tuple(unnamed))

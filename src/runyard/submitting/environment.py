"""The environment that a job gets: the submitter's, whole, less what belongs to the job it was submitted from.

It travels as a blob: a JSON object, keys sorted, so that equal environments are stored once. Bytes that are no UTF-8
survive as lone surrogates (Python's surrogateescape).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import fields

from runyard.errors import InvalidSpec
from runyard.model.params import Params
from runyard.model.spec import ARGUMENT_BYTES
from runyard.settings import OF_A_CLIENT, Settings
from runyard.submitting.ground import Here

OURS = "RUNYARD_"
KEPT = frozenset(OURS + field.name.upper() for field in fields(Settings))
"""Variables of ours that are settings; all others belong to one attempt."""
HANDED_ON = KEPT - {OURS + name.upper() for name in OF_A_CLIENT}
"""Those that a job inherits from whoever submits it. (Others only where he says so.)"""
GRANTED = ("CUDA_VISIBLE_DEVICES",)
"""What a job was given and must not hand on."""
INSIDE = "RUNYARD_JOB_ID"
SLURMS, SLURMS_OWN = "SLURM_JOB_ID", ("SLURM_", "SLURMD_")
"""Where Slurm's name of the job's id is a twin of ours, so are its others."""

PUBLIC_MAX = 64
PUBLIC_CHARACTERS = 256
"""How many public variables are kept with a job, and how many characters of each."""

CLEAN_KEPT = ("HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR")
CLEAN_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"


def captured(environ: Mapping[str, str], clean: bool = False) -> dict[str, str]:
    """The submitter's environment as a job may have it; `clean` keeps only who and where one is."""
    kept = {name: value for name, value in environ.items() if not name.startswith(OURS) or name in HANDED_ON}
    if INSIDE in environ:
        twins = environ.get(SLURMS) == environ[INSIDE]
        kept = {
            name: value
            for name, value in kept.items()
            if name not in GRANTED and not (twins and name.startswith(SLURMS_OWN))
        }
    if not clean:
        return kept
    few = {name: value for name, value in kept.items() if name in CLEAN_KEPT or name.startswith(("LC_", OURS))}
    return {**few, "PATH": CLEAN_PATH}


def assignments(words: Iterable[str], environ: Mapping[str, str], flag: str = "env") -> dict[str, str]:
    """`-e K=V` and `-e K` (as it is here)."""
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        check_name(name, flag)
        if not equals:
            if name not in environ:
                raise InvalidSpec(f"{name} is not set here; give it a value: {name}=...", flag)
            value = environ[name]
        found[name] = value
    return found


def given(files: Iterable[str], words: Iterable[str], here: Here) -> dict[str, str]:
    """What files of variables say, and what is said beside them, which counts more."""
    found: dict[str, str] = {}
    for path in files:
        found.update(read_file(_text(path, here.cwd), here.environ, path))
    return {**found, **assignments(words, here.environ)}


def read_file(text: str, environ: Mapping[str, str], path: str = "", flag: str = "env-file") -> dict[str, str]:
    """Lines `K=V` (or `K`, as it is here); blank lines, `# ...`, a leading `export` and quotes around V are fine.
    `path` is what its errors call the file."""
    found: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip().removeprefix("export ").lstrip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        try:
            found.update(assignments([f"{name.rstrip()}{equals}{value}"], environ, ""))
        except InvalidSpec as error:
            where = f"{path}, line {number}" if path else f"line {number}"
            raise InvalidSpec(f"{where}: {error.message}", flag) from None
    return found


def public(environment: Mapping[str, str], prefixes: tuple[str, ...]) -> Params:
    """The variables whose values may be shown, by name; what is too much of it is cut."""
    found = sorted(name for name in environment if name.startswith(prefixes))
    return tuple((name, environment[name][:PUBLIC_CHARACTERS]) for name in found[:PUBLIC_MAX])


def check_name(name: str, flag: str) -> None:
    """What can be the name of a variable."""
    if not name or "\0" in name or name != name.strip():
        raise InvalidSpec(f"{name!r} is no name of a variable; use NAME=VALUE", flag)
    if name.startswith(OURS) and name not in KEPT:
        raise InvalidSpec(f"{name} is set by Runyard itself", flag)


def blob(environment: Mapping[str, str], max_kb: int) -> bytes:
    """The environment as it is stored, after a look at what Linux can hand to a program."""
    total = 0
    sizes: list[tuple[int, str]] = []
    for name, value in environment.items():
        if "\0" in value:
            raise InvalidSpec(f"the value of {name} holds a NUL character", "env")
        length = _bytes(name) + 1 + _bytes(value)
        if length > ARGUMENT_BYTES:
            raise InvalidSpec(
                f"{name} is {length} bytes long, more than the {ARGUMENT_BYTES} that a program can be given; "
                "put it into a file, or leave it out with --clean-env",
                "env",
            )
        total += length + 1
        sizes.append((length, name))
    if total > max_kb * 1_024:
        biggest = ", ".join(f"{name} ({length} bytes)" for length, name in sorted(sizes, reverse=True)[:3])
        raise InvalidSpec(
            f"the environment is {total} bytes large, more than {max_kb} KB; the biggest: {biggest}. "
            "Leave them out (--clean-env and -e), or raise environment_max_kb in config.toml",
            "env",
        )
    return json.dumps(environment, sort_keys=True, separators=(",", ":")).encode("ascii")


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogateescape"))


def _text(path: str, cwd: str) -> str:
    try:
        with open(os.path.join(cwd, os.path.expanduser(path)), encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError as error:
        raise InvalidSpec(f"{path} cannot be read: {error.strerror}", "env-file") from None

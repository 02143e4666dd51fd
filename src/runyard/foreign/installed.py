"""What is installed for a Python interpreter, read off the disk without starting it.

A listing has one line for the interpreter and one for each distribution, "name version", sorted; equal environments
have equal listings. Names and versions are those of the metadata directories that pip, conda and others leave.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple, Optional

INTERPRETER = re.compile(r"python(\d(\.\d+)?)?")
SHEBANG_BYTES = 256

_LIBRARY = re.compile(r"python\d+(\.\d+)?")
_NAMED = re.compile(r"python(\d+\.\d+)$")
_PATHS = re.compile(r"""['"](/[^'"\n]+)['"]""")
PTH_BYTES = 65_536
EDITABLE = ("__editable__", "_editable", "easy-install.pth")
"""How the files begin that point an interpreter to source trees."""


class Prefix(NamedTuple):
    """Where an interpreter keeps its libraries: `root`, its version ("3.11", "": unknown), and that of the interpreter
    which a virtual environment was made from."""

    root: str
    version: str = ""
    below: Optional[str] = None


def listing(python: str) -> str:
    """The listing of this interpreter; a missing one has that for its only line."""
    try:
        seen = os.stat(python)
    except OSError:
        return f"python is-missing ({python})\n"
    prefix = prefix_of(python)
    real = os.path.realpath(python)
    lines = {f"{name} {version}" for place in places(python) for name, version in _distributions(place)}
    first = f"python {prefix.version or 'unknown'} ({real}, {seen.st_size} bytes of {int(seen.st_mtime)})"
    return "".join(f"{line}\n" for line in (first, *sorted(lines)))


def places(python: str) -> list[str]:
    """The directories with what is installed for this interpreter."""
    prefix = prefix_of(python)
    roots = [prefix.root] if prefix.below is None else [prefix.root, *([prefix.below] if prefix.below else [])]
    if prefix.below is None and prefix.root == "/usr":
        roots += ["/usr/local", os.path.expanduser("~/.local")]
    return [place for root in roots for place in _places(root, prefix.version)]


def prefix_of(python: str) -> Prefix:
    """Where this interpreter belongs: the virtual environment that it was reached through, else where it really is."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(python)))
    settings = _settings(os.path.join(root, "pyvenv.cfg"))
    if settings:
        version = settings.get("version") or settings.get("version_info", "")
        shared = settings.get("include-system-site-packages", "") == "true"
        return Prefix(root, version, os.path.dirname(settings.get("home", "/")) if shared else "")
    real = os.path.realpath(python)
    named = _NAMED.search(real)
    return Prefix(os.path.dirname(os.path.dirname(real)), named.group(1) if named else "")


def sources(python: str) -> list[str]:
    """Source trees that this interpreter imports from although they lie elsewhere (`pip install -e`)."""
    found: list[str] = []
    for place in places(python):
        for name in sorted(_names(place)):
            if name.startswith(EDITABLE) and name.endswith((".pth", ".py")):
                found += _pointed(os.path.join(place, name))
    return found


def _pointed(path: str) -> Iterator[str]:
    """The directories that a .pth file lists, or (above the packages) that an import hook names."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read(PTH_BYTES)
    except OSError:
        return
    if path.endswith(".pth"):
        yield from (line.strip() for line in text.splitlines() if line.startswith("/"))
    else:
        yield from dict.fromkeys(os.path.dirname(named) for named in _PATHS.findall(text))


def shebang(text: bytes) -> list[str]:
    """The interpreter and its arguments that a script's first line names."""
    first = text[:SHEBANG_BYTES].split(b"\n", 1)[0]
    return os.fsdecode(first[2:]).split() if first.startswith(b"#!") else []


def _places(root: str, version: str) -> Iterator[str]:
    short = ".".join(version.split(".")[:2])
    for library in ("lib", "lib64"):
        above = os.path.join(root, library)
        if library == "lib64" and os.path.islink(above):
            continue
        for name in sorted(_names(above)):
            if _LIBRARY.fullmatch(name) and (name in (f"python{short}", "python3") or not short):
                yield from (os.path.join(above, name, kind) for kind in ("site-packages", "dist-packages"))


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _distributions(place: str) -> Iterator[tuple[str, str]]:
    for entry in _names(place):
        stem, _, kind = entry.rpartition(".")
        if kind == "dist-info":
            name, _, version = stem.rpartition("-")
            yield name or stem, version
        elif kind == "egg-info":
            name, _, version = stem.partition("-")
            yield name, version.partition("-py")[0] or "unknown"


def _settings(path: str) -> dict[str, str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            pairs = [line.partition("=") for line in file.read(PTH_BYTES).splitlines()]
    except OSError:
        return {}
    return {name.strip().lower(): value.strip() for name, equals, value in pairs if equals}

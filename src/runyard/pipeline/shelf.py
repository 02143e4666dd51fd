"""Pipelines below a home: drafts, which the command line puts together job by job, and the runs of all.

Any number of commands may change a draft at a time: each change is made under a lock, and the file replaced as a whole.
A name never becomes a path: files are called by what is plain in it and a hash. A run is a directory of its own.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

from runyard.errors import Conflict, InvalidSpec, NotFound, RunyardError
from runyard.foreign import locks
from runyard.foreign.filesystem import put
from runyard.model import codec
from runyard.model.nearest import meant
from runyard.pipeline import runs
from runyard.pipeline.runs import Run
from runyard.pipeline.spec import Draft, slug
from runyard.settings import Home

STAMP = "%Y%m%d-%H%M%S"
SUFFIX = ".json"
MANIFEST = "pipeline.json"
HASH_LENGTH = 16
DAY_S = 86_400


class Kept(NamedTuple):
    """A run, and when it was written (wall time)."""

    run: Run
    written_at: float


def place(home: Home, name: str) -> str:
    """A directory for a new run of a pipeline of this name."""
    return os.path.join(home.pipelines, f"{slug(name)}-{time.strftime(STAMP)}-{os.urandom(4).hex()}")


class Shelf:
    """The drafts and runs of one home."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def drafts(self) -> list[Draft]:
        """All drafts, by name."""
        found = []
        for path in _files(self._home.drafts, SUFFIX):
            with suppress(Conflict):  # whoever names it is told
                found.append(_draft(path))
        return sorted((draft for draft in found if draft is not None), key=lambda draft: draft.spec.name)

    def draft(self, name: str) -> Draft | None:
        """The draft of this name."""
        return _draft(self._path(name))

    def put(self, draft: Draft, replace: bool = False) -> None:
        """Keep a new draft; Conflict if one is called so, unless it is to be replaced."""
        with locks.held(self._home.drafts_lock):
            if not replace and self.draft(draft.spec.name) is not None:
                raise Conflict(f"there is a pipeline {draft.spec.name!r} already; --force begins it anew")
            self._write(draft)

    def change(self, name: str, change: Callable[[Draft], Draft]) -> Draft:
        """Change a draft, of which nobody else makes another meanwhile; as it is then. NotFound if there is none."""
        with locks.held(self._home.drafts_lock):
            draft = self.draft(name)
            if draft is None:
                raise self.missing(name)
            draft = change(draft)
            self._write(draft)
        return draft

    def remove(self, name: str) -> None:
        """Remove a draft, if there is one."""
        with locks.held(self._home.drafts_lock), suppress(FileNotFoundError):
            os.unlink(self._path(name))

    def missing(self, name: str) -> NotFound:
        """What is said of a pipeline that is not there."""
        known = self.names()
        return NotFound(f"there is no pipeline {name!r}{meant(name, known, 'make one with: ry pipeline new NAME')}")

    def names(self) -> list[str]:
        """The names of all drafts and runs."""
        names = [draft.spec.name for draft in self.drafts()]
        return sorted({*names, *(kept.run.spec.name for kept in self.runs())})

    def runs(self, name: str | None = None) -> list[Kept]:
        """The runs (of this name), the newest first."""
        found = (_kept(path) for path in _files(self._home.pipelines, "", "" if name is None else slug(name) + "-"))
        named = (kept for kept in found if kept is not None and name in (None, kept.run.spec.name))
        return sorted(named, key=lambda kept: kept.written_at, reverse=True)

    def newest(self, name: str | None = None) -> Run:
        """The newest run (of this name, or the one in this directory); NotFound if there is none."""
        found = self.runs(name)
        if found:
            return found[0].run
        if name is None:
            raise NotFound("no pipeline has been run here; `ry pipeline run` does")
        if os.path.isdir(name):
            return runs.load(name)
        if self.draft(name) is not None:
            raise NotFound(f"pipeline {name!r} has not been run; `ry pipeline run` does")
        raise self.missing(name)

    def discard(self, run: Run) -> None:
        """Remove the directory of a run that has ended; one that lies elsewhere is its owner's."""
        directory = run.layout.directory
        if os.path.dirname(directory) == os.path.abspath(self._home.pipelines):
            shutil.rmtree(directory, ignore_errors=True)

    def old(self, days: int, now: float) -> list[Run]:
        """The runs that were written more than so many days ago."""
        paths = (path for path in _files(self._home.pipelines, "") if _written_at(path) < now - days * DAY_S)
        return [kept.run for kept in map(_kept, paths) if kept is not None]

    def _write(self, draft: Draft) -> None:
        os.makedirs(self._home.drafts, mode=0o700, exist_ok=True)
        put(self._path(draft.spec.name), codec.dumps(draft).encode("ascii"))

    def _path(self, name: str) -> str:
        mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_LENGTH]
        return os.path.join(self._home.drafts, f"{slug(name)}-{mark}{SUFFIX}")


def _files(directory: str, end: str, begin: str = "") -> Iterator[str]:
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return
    for name in names:
        if name.startswith(begin) and name.endswith(end):
            yield os.path.join(directory, name)


def _draft(path: str) -> Draft | None:
    try:
        with open(path, encoding="ascii") as file:
            return codec.loads(Draft, file.read())
    except FileNotFoundError:
        return None
    except (ValueError, InvalidSpec):
        raise Conflict(f"{path} is not right, or of a newer version; remove it, or update") from None


def _kept(directory: str) -> Kept | None:
    """The run in this directory; None while it is being made, and if it is none that we can read."""
    written_at = _written_at(directory)
    try:
        return None if written_at == math.inf else Kept(runs.load(directory), written_at)
    except RunyardError:
        return None


def _written_at(directory: str) -> float:
    """When the run in this directory was written (infinity: it is not, or has gone)."""
    try:
        return os.stat(os.path.join(directory, MANIFEST)).st_mtime
    except OSError:
        return math.inf

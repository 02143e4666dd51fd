"""Frozen code on this machine: one work tree for each distinct snapshot, below the home, shared by its jobs.

`code/<key>/<n>/` has the files of a snapshot. It is laid out under another name and renamed when it is whole, so that a
crash or two that do it at a time leave nothing half done. What git ignores in the original (data, virtual environments,
output directories) is linked to it there. A job may change its files: the next start finds that out and gets a fresh
copy, `<n+1>`. Files that jobs added are never removed with the tree: they stay where they were written.

Another yard may have had the same home (`store` in config.toml led to another database): each leaves its mark on what
its jobs have, `yard.<id>`, and takes away what no other one has marked.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from typing import Optional

from runyard.errors import Conflict, RunyardError
from runyard.foreign import filesystem, layout
from runyard.model import codec
from runyard.model.code import Code

DAY_S = 86_400.0
LINKS_RENEWED_S = 10.0
"""What is ignored in the original is looked for again after so long."""

UNKNOWN_S = 3_600.0
"""A snapshot that no job has is that of a submission which is just being accepted, or it has gone with its jobs."""

COPIES_MAX = 1_000
NEW, LOOKING = ".new-", "look-"
SCRATCH = "scratch"
ABOUT = "code.json"
USED = "used"
"""A file whose time says when a job last started here."""

YARD = "yard."
ABSENT_S = 30 * DAY_S
"""The mark of a yard that has not been here for so long does not count."""

CACHE = "__pycache__"
"""What is removed with a tree beside its own files."""

DEEPEST = 200
"""How many levels of what a job has left are looked through for links and empty directories."""

log = logging.getLogger("runyard.code")

_INDEX = re.compile(r"\d+\.index-0")
_KEY = re.compile(r"[0-9a-f]{20}")


class Trees:
    """The frozen trees below `directory`, for the yard of this id ("": to use, not to collect them). Safe in several
    processes; one thread each."""

    def __init__(self, directory: str, yard: str = "", now: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._yard = yard
        self._now = now
        self._linked: dict[str, float] = {}

    def path(self, code: Code) -> str:
        """The directory that a first job of this snapshot runs in."""
        return os.path.join(self._directory, code.key, "1")

    def known(self, key: str) -> bool:
        """Whether there is a snapshot of this key."""
        return os.path.exists(os.path.join(self._directory, key, ABOUT))

    def holds(self, code: Code) -> bool:
        """Whether there is this very snapshot: nobody else's word is taken for what it is made of."""
        known = _about(os.path.join(self._directory, code.key)) if _KEY.fullmatch(code.key) else None
        return known is not None and (known.root, known.frozen) == (code.root, code.frozen)

    def prepare(self, code: Code) -> str:
        """The directory with the files of this snapshot, as they were frozen. Takes its time. Conflict where it cannot
        be had."""
        if not _KEY.fullmatch(code.key):
            raise Conflict(f"{code.key!r} is no key of frozen code")
        home = os.path.join(self._directory, code.key)
        self.remember(code)
        for number in range(1, COPIES_MAX):
            tree = os.path.join(home, str(number))
            if not os.path.isdir(tree):
                self._lay_out(code, tree)
            if layout.intact(code, tree):
                break
        else:
            raise Conflict(f"{home}: every copy of this frozen code was changed")
        self._link(code, tree)
        _touch(os.path.join(home, USED))
        return tree

    def remember(self, code: Code) -> None:
        """Keep what belongs to this key, so that it is collected whatever becomes of its jobs, and not just now."""
        home = os.path.join(self._directory, code.key)
        about = os.path.join(home, ABOUT)
        os.makedirs(home, mode=0o700, exist_ok=True)
        self._mark(home)
        if os.path.exists(about):
            os.utime(about)
            return
        filesystem.put(about, codec.dumps(code).encode("ascii"))

    def _mark(self, home: str) -> None:
        if self._yard:
            _touch(os.path.join(home, YARD + self._yard))

    def _lay_out(self, code: Code, tree: str) -> None:
        """All of it, or nothing. Whoever is second gives way."""
        bench = tempfile.mkdtemp(prefix=NEW, dir=os.path.dirname(tree))
        made = os.path.join(bench, "tree")
        try:
            os.mkdir(made, 0o755)
            layout.lay_out(code, made)
            for place in range(len(code.frozen)):
                os.replace(layout.index_of(made, place), layout.index_of(tree, place))
            with contextlib.suppress(OSError):
                os.rename(made, tree)
            if not os.path.isdir(tree):
                raise Conflict(f"{tree} cannot be made")
        finally:
            shutil.rmtree(bench, ignore_errors=True)

    def _link(self, code: Code, tree: str) -> None:
        """Ignored entries of the original that are not there yet, as links to it."""
        now = self._now()
        if now - self._linked.get(tree, 0.0) < LINKS_RENEWED_S:
            return
        for path in layout.ignored(code):
            link = os.path.join(tree, path)
            if os.path.lexists(link) or not os.path.isdir(os.path.dirname(link)):
                continue
            with contextlib.suppress(FileExistsError):
                os.symlink(os.path.join(code.root, path), link)
        self._linked[tree] = now

    def collect(self, used: Collection[str], known: Collection[str], keep_days: float, dry: bool = False) -> list[str]:
        """Remove trees that no job needs: `known` are the keys of all jobs, `used` those of jobs that are not done.
        Work trees of the latter stay; of the others those that were used within `keep_days`. The snapshot itself goes
        with the last job of its key. The keys of what went."""
        gone = []
        self._sweep(dry)
        for key in self._keys():
            home = os.path.join(self._directory, key)
            forgotten = key not in known and self._age_s(home, ABOUT) > UNKNOWN_S
            if not dry:
                self._remark(home, key in known, forgotten)
            if key in used or self._is_shared(home):
                continue
            if not forgotten and self._age_s(home, USED, ABOUT) <= keep_days * DAY_S:
                continue
            if not os.path.exists(os.path.join(home, ABOUT)):
                continue  # only what jobs wrote there is left
            if not any(_INDEX.fullmatch(entry) for entry in os.listdir(home)) and not forgotten:
                continue
            gone.append(key)
            try:
                if not dry:
                    self._remove(home, forgotten)
            except (OSError, RecursionError) as error:  # rmtree follows whatever depth a job has made
                log.warning("%s cannot be taken away as a whole: %s", home, error)
        return gone

    def _remark(self, home: str, known: bool, forgotten: bool) -> None:
        """Renew this yard's mark, or take it away."""
        if known:
            self._mark(home)
        elif forgotten:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(home, YARD + self._yard))

    def _is_shared(self, home: str) -> bool:
        """Whether another yard has marked it."""
        marks = [name for name in os.listdir(home) if name.startswith(YARD) and name != YARD + self._yard]
        return any(self._age_s(home, mark) < ABSENT_S for mark in marks)

    def _remove(self, home: str, forgotten: bool) -> None:
        """Whatever else jobs have made of the tree: that is left where it is."""
        code = _about(home)
        for name in sorted(os.listdir(home)):
            path = os.path.join(home, name)
            if name.startswith(NEW):
                shutil.rmtree(path, ignore_errors=True)
            elif name.isdigit() and code is not None:
                empty(code, path)
            elif name.startswith(YARD) and forgotten:
                os.unlink(path)
        if forgotten and code is not None:
            with contextlib.suppress(RunyardError, OSError):
                layout.let_go(code)
            for name in (ABOUT, USED):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(home, name))
        with contextlib.suppress(OSError):
            os.rmdir(home)

    def _sweep(self, dry: bool) -> None:
        """Remove what a crash has left half done."""
        for above in (SCRATCH, *self._keys()):
            place = os.path.join(self._directory, above)
            for name in os.listdir(place) if os.path.isdir(place) and not dry else ():
                path = os.path.join(place, name)
                if name.startswith((NEW, LOOKING)) and self._age_s(path, "") > DAY_S:
                    shutil.rmtree(path, ignore_errors=True)

    def _keys(self) -> Iterator[str]:
        with contextlib.suppress(FileNotFoundError):
            yield from sorted(name for name in os.listdir(self._directory) if _KEY.fullmatch(name))

    def _age_s(self, home: str, *names: str) -> float:
        """How long ago the newest of these files was touched."""
        newest = 0.0
        for name in names:
            with contextlib.suppress(OSError):
                newest = max(newest, os.stat(os.path.join(home, name)).st_mtime)
        return self._now() - newest


def empty(code: Code, tree: str) -> None:
    """Take the snapshot's own files and links out of a tree, and what is empty then. What a job added stays, and where
    it put a link in the place of a directory, what that leads to."""
    if os.path.islink(tree):
        return
    whole = os.path.realpath(tree)
    try:
        own = list(layout.tracked(code, tree))
    except RunyardError:
        own = []
    for path in own:
        above = os.path.dirname(path)
        if os.path.realpath(above) == os.path.normpath(os.path.join(whole, os.path.relpath(above, tree))):
            with contextlib.suppress(OSError):
                os.unlink(path)
    shutil.rmtree(os.path.join(tree, ".git"), ignore_errors=True)
    _prune(tree, code.root)
    for place in range(len(code.frozen)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(layout.index_of(tree, place))


def _prune(top: str, root: str) -> None:
    """Remove links into the original, caches and empty directories, however deep a job has nested its own."""
    directories, level = [top], [top]
    for _ in range(DEEPEST):
        level = [inner for directory in level for inner in _swept(directory, root)]
        directories += level
    for directory in reversed(directories):
        with contextlib.suppress(OSError):
            os.rmdir(directory)


def _swept(directory: str, root: str) -> list[str]:
    """The directories in this one, which keeps none of its links into the original, and nothing if it is a cache."""
    within = []
    with contextlib.suppress(OSError), os.scandir(directory) as entries:  # gone, or nobody may look into it
        for entry in entries:
            leads_back = entry.is_symlink() and os.readlink(entry.path).startswith(root + "/")
            if entry.is_dir(follow_symlinks=False):
                within.append(entry.path)
            elif leads_back or os.path.basename(directory) == CACHE:
                os.unlink(entry.path)
    return within


def _about(home: str) -> Optional[Code]:
    try:
        with open(os.path.join(home, ABOUT), encoding="ascii") as file:
            return codec.decode(Code, json.load(file))
    except (OSError, ValueError, RunyardError):
        return None


def _touch(path: str) -> None:
    with open(path, "a", encoding="ascii"):
        os.utime(path)

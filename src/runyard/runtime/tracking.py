"""What tracking services left of an attempt on this machine: pages that its output names, run directories beside it."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from itertools import islice
from typing import Optional

from runyard.errors import RunyardError
from runyard.model.job import Job
from runyard.model.link import Link
from runyard.model.links import MLFLOW, TENSORBOARD, WANDB, found_in
from runyard.runtime.logs import LocalFiles
from runyard.runtime.trees import Trees

HEAD = 1024 * 1024
TAIL = 64 * 1024
"""How much of the output is looked through at its beginning and at its end, in bytes."""

EARLY_S = 1.0
"""A directory may say that it is so much older than its attempt: its name has whole seconds."""

ENTRIES_MAX = 2_000
"""How many entries of a directory, and of a level of directories, are looked at."""

LOOKS_MAX = 500
LOOKS_S = 2.0
"""How many directories are read for a job, and for how long; what is found by then is told."""

BOARDS = ("lightning_logs", "runs", "tb_logs", "logs")

_WANDB_RUN = re.compile(r"(?:offline-)?run-(\d{8}_\d{6})-([A-Za-z0-9_-]{1,128})")


class Tracking:
    """Finds the links of jobs."""

    def __init__(self, files: LocalFiles, trees: Trees) -> None:
        self._files = files
        self._trees = trees

    def links(self, job: Job) -> tuple[Link, ...]:
        """Those of its present or last attempt."""
        if job.attempt is None or job.attempt.started_at is None:
            return ()
        found = list(self._printed(job.id, job.attempt.number))
        known = {link.run for link in found if link.run}
        entries = _Entries(LOOKS_MAX, time.monotonic() + LOOKS_S)
        for directory in self._directories(job):
            found += [link for link in _left(directory, _span(job), entries) if not link.run or link.run not in known]
        return tuple(dict.fromkeys(found))

    def _printed(self, job_id: int, number: int) -> tuple[Link, ...]:
        try:
            first = self._files.range(job_id, number, 0, HEAD)
            rest = b""
            if first.size > len(first.data):
                rest = self._files.range(job_id, number, max(len(first.data), first.size - TAIL), TAIL).data
        except (RunyardError, OSError):
            return ()
        return found_in(first.data + b"\n" + rest)

    def _directories(self, job: Job) -> Iterator[str]:
        """Where it ran: the directory of the submit, or the same place in its frozen tree."""
        spec, code = job.spec, job.spec.code
        yield spec.workdir
        if code is not None and code.frozen:
            inner = os.path.relpath(os.path.realpath(spec.workdir), code.root)
            if not inner.startswith(".."):
                yield os.path.normpath(os.path.join(self._trees.path(code), inner))


def _span(job: Job) -> tuple[float, float]:
    """From when to when it ran."""
    started = job.attempt.started_at if job.attempt is not None else None
    return (started or 0.0) - EARLY_S, job.ended_at or time.time()


class _Entries:
    """Reads directories: so many at most, and none after `end` (monotonic)."""

    def __init__(self, most: int, end: float) -> None:
        self._most = most
        self._end = end

    def __call__(self, path: str) -> list[os.DirEntry[str]]:
        """Some entries of this directory; none where it cannot be read."""
        if self._most <= 0 or time.monotonic() >= self._end:
            return []
        self._most -= 1
        try:
            with os.scandir(path) as entries:
                return list(islice(entries, ENTRIES_MAX))
        except OSError:
            return []


def _left(directory: str, span: tuple[float, float], entries: _Entries) -> Iterator[Link]:
    """What was left in this directory within this time."""
    for entry in entries(os.path.join(directory, "wandb")):
        named = _WANDB_RUN.fullmatch(entry.name)
        began = _when(named.group(1)) if named else None
        if named and began is not None and span[0] <= began <= span[1]:
            yield Link(WANDB, run=named.group(2), path=entry.path)
    if _touched(os.path.join(directory, "mlruns"), span):
        yield Link(MLFLOW, about="project", path=os.path.join(directory, "mlruns"))
    for name in BOARDS:
        place = os.path.join(directory, name)
        if _has_board(place, span, entries):
            yield Link(TENSORBOARD, about="project", path=place)


def _has_board(place: str, span: tuple[float, float], entries: _Entries) -> bool:
    """Whether TensorBoard would show something of this time: event files, at most three levels down."""
    level = [place]
    for _ in range(4):
        found = list(islice((entry for path in level for entry in entries(path)), ENTRIES_MAX))
        if any(entry.name.startswith("events.out.tfevents") and _touched(entry.path, span) for entry in found):
            return True
        level = [entry.path for entry in found if entry.is_dir(follow_symlinks=False)]
    return False


def _touched(path: str, span: tuple[float, float]) -> bool:
    try:
        return os.stat(path).st_mtime >= span[0]
    except OSError:
        return False


def _when(stamp: str) -> Optional[float]:
    """The time in the name of a run directory, which is local."""
    with contextlib.suppress(ValueError, OverflowError):
        return time.mktime(time.strptime(stamp, "%Y%m%d_%H%M%S"))
    return None

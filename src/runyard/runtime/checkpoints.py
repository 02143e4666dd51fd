"""The checkpoint directories of jobs: <home>/checkpoints/<job // 1000>/<job>/, 0700.

An agent makes the one of a job before its first attempt; all its attempts find what is in it. The server collects those
of jobs that have ended and whose output is gone.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator

from runyard.runtime.rundir import SHARD, make_private


class Checkpoints:
    """All of one home. `path` need not exist yet."""

    def __init__(self, path: str) -> None:
        self._path = path

    def path(self, job: int) -> str:
        return f"{self._path}/{job // SHARD:d}/{job:d}"

    def make(self, job: int) -> str:
        """The directory of this job, made if need be. Raises OSError."""
        path = self.path(job)
        make_private(path)
        return path

    def remove(self, jobs: Iterable[int]) -> None:
        """Remove those of these jobs."""
        for job in jobs:
            shutil.rmtree(self.path(job), ignore_errors=True)

    def collect(self, wanted: Callable[[int], bool], dry: bool = False) -> list[int]:
        """Remove the directories of jobs that are not `wanted` any more; of which jobs (`dry`: only say so)."""
        gone = [job for job in self._jobs() if not wanted(job)]
        self.remove(gone if not dry else ())
        return gone

    def _jobs(self) -> Iterator[int]:
        for shard in _numbers(self._path):
            yield from _numbers(f"{self._path}/{shard:d}")


def _numbers(path: str) -> list[int]:
    try:
        return sorted(int(name) for name in os.listdir(path) if name.isascii() and name.isdecimal())
    except OSError:
        return []

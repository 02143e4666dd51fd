"""The names of every file that an attempt has on this machine, and the directories that hold them.

    <home.runs>/<host id>/live/<job>.<number>/               attempts that are not committed yet
    <home.runs>/<host id>/done/<job // 1000>/<job>.<number>/ the others: only their output is kept
    <home.runs>/<host id>/slates/<runner>.<n>                run files that runners hold (see `runfile`)
    <home.runs>/<host id>/collected                          the clocks at the last collection (see `ages`)

The engine makes an attempt's directory before it hands the attempt to a runner, and moves it when the result is
committed. So a runner that wakes up late finds no directory and starts nothing, and a directory below `done` says
that this attempt is over.

Directories are 0700 and files 0600; names are made of integers alone (and of the host id, which is checked).
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from runyard.foreign import process
from runyard.runtime.ages import Clocks, counts_since
from runyard.runtime.family import Member, boot_clock

SHARD = 1000
MB = 1024 * 1024
DAY_S = 86_400.0
_HOST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SLATE = re.compile(r"([0-9]+)\.([0-9]+)\.[0-9]+")
_NAME = re.compile(r"([1-9][0-9]{0,17})\.([1-9][0-9]{0,8})")


class RunDir(NamedTuple):
    """The files of one attempt."""

    path: str
    job: int
    number: int

    @property
    def run(self) -> str:
        """The run file: claim, started, ended."""
        return self.path + "/run"

    @property
    def output(self) -> str:
        """What the command writes, unless the job names a file of its own."""
        return self.path + "/output.log"

    @property
    def output_link(self) -> str:
        """Holds the absolute path of the job's own output file, where it has one."""
        return self.path + "/output.path"

    @property
    def output_from(self) -> str:
        """Where in the job's own output file this attempt's begins, if there was something in it before."""
        return self.path + "/output.from"

    @property
    def metrics(self) -> str:
        """What the job writes to RUNYARD_METRICS: JSON lines."""
        return self.path + "/metrics.jsonl"

    @property
    def watched(self) -> str:
        """How far an agent has read of what the job reports, and what it was."""
        return self.path + "/watched"

    @property
    def script(self) -> str:
        """The executable copy of the job's script."""
        return self.path + "/script"


class Collected(NamedTuple):
    """A run directory that was removed, with its size in bytes."""

    job: int
    number: int
    size: int


class RunDirs:
    """All run directories of one host below a home."""

    def __init__(self, runs: str, host_id: str) -> None:
        if not _HOST_ID.fullmatch(host_id):
            raise ValueError(f"not a host id: {host_id!r}")
        self._live = os.path.join(runs, host_id, "live")
        self._done = os.path.join(runs, host_id, "done")
        self._slates = os.path.join(runs, host_id, "slates")
        self._collected = os.path.join(runs, host_id, "collected")

    def prepare(self) -> None:
        """Make the directories that hold the others."""
        for path in (self._live, self._done, self._slates):
            make_private(path)

    def live(self, job: int, number: int) -> RunDir:
        return RunDir(f"{self._live}/{job:d}.{number:d}", job, number)

    def done(self, job: int, number: int) -> RunDir:
        return RunDir(f"{self._done}/{job // SHARD:d}/{job:d}.{number:d}", job, number)

    def adopt(self, job: int, path: str) -> None:
        """The file at this path is what the first attempt of a job has printed; the attempt did not run here."""
        done = self.done(job, 1)
        make_private(os.path.dirname(done.path))
        os.makedirs(done.path, mode=0o700, exist_ok=True)
        with open(done.output_link, "wb") as file:
            file.write(os.fsencode(path))

    def is_done(self, job: int, number: int) -> bool:
        """Whether the result of this attempt is committed."""
        return os.path.lexists(self.done(job, number).path)

    def make(self, job: int, number: int) -> bool:
        """Make the live directory of an attempt. False: there is one, or the attempt is done."""
        if self.is_done(job, number):
            return False
        path = self.live(job, number).path
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            return False
        except FileNotFoundError:  # somebody has removed all of it
            self.prepare()
            os.mkdir(path, 0o700)
        return True

    def scan(self) -> list[RunDir]:
        """The live ones."""
        return [found for found in _named(self._live) if found is not None]

    def has(self, job: int) -> bool:
        """Whether there is anything of this job."""
        return any(
            found.job == job for path in (self._live, f"{self._done}/{job // SHARD:d}") for found in _named(path)
        )

    def highest(self) -> int:
        """The highest job of which anything is here; 0 for none."""
        shards = sorted((int(shard.name), shard.path) for shard in _entries(self._done) if shard.name.isdecimal())
        newest = next((found for _, path in reversed(shards) if (found := list(_named(path)))), [])
        return max((run_dir.job for run_dir in [*self.scan(), *newest]), default=0)

    def slate_prefix(self, runner: Member) -> str:
        """How the names of a runner's private run files begin."""
        return f"{self._slates}/{runner.pid:d}.{runner.start_time:d}."

    def drop_slates(self, lives: Callable[[Member], bool]) -> None:
        """Remove the private names of runners that are dead."""
        for entry in _entries(self._slates):
            match = _SLATE.fullmatch(entry.name)
            if match and not lives(Member(int(match.group(1)), int(match.group(2)))):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(entry.path)

    def retire(self, job: int, number: int) -> None:
        """The result is committed: move the directory to `done` and keep only the output."""
        live, done = self.live(job, number), self.done(job, number)
        try:
            os.rename(live.path, done.path)
        except FileNotFoundError:
            if not os.path.isdir(live.path):
                return
            make_private(os.path.dirname(done.path))
            os.rename(live.path, done.path)
        for path in (done.run, done.script, done.metrics, done.watched):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def collect(self, keep_days: float, keep_mb: float, dry: bool = False) -> list[Collected]:
        """Remove the directories of done attempts that are older than `keep_days` (as far as the clock can be believed,
        see `ages`), then the oldest ones until all together have at most `keep_mb`. `dry`: only say which."""
        found = sorted(self._sized(), key=lambda item: item[0])
        now = Clocks(process.boot_id(), time.time(), boot_clock() / 1e9)
        since = counts_since(self._collected, now, keep_days * DAY_S) if found else 0.0
        oldest, excess = now.wall - keep_days * DAY_S, sum(item[1] for item in found) - keep_mb * MB
        removed = []
        for modified, size, run_dir in found:
            if max(modified, since) >= oldest and excess <= 0:
                break
            if not dry:
                _remove(run_dir.path)
            removed.append(Collected(run_dir.job, run_dir.number, size))
            excess -= size
        return removed

    def remove(self, jobs: Collection[int]) -> None:
        """Remove all directories of these jobs, which have ended."""
        shards = {job // SHARD for job in jobs}
        for path in (self._live, *(f"{self._done}/{shard:d}" for shard in shards)):
            for run_dir in _named(path):
                if run_dir.job in jobs:
                    _remove(run_dir.path)

    def _sized(self) -> Iterator[tuple[float, int, RunDir]]:
        """When each done directory was last written to, its size on disk, and itself."""
        for shard in _entries(self._done):
            for run_dir in _named(shard.path):
                stats = [entry.stat(follow_symlinks=False) for entry in _entries(run_dir.path)]
                stats.append(os.stat(run_dir.path, follow_symlinks=False))
                yield max(s.st_mtime for s in stats), sum(s.st_blocks * 512 for s in stats), run_dir


def make_private(path: str) -> None:
    """Make this directory and those above it, 0700 each."""
    above = os.path.dirname(path)
    if above and not os.path.isdir(above):
        make_private(above)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)


def _remove(path: str) -> None:
    """A directory of files, as far as it can be removed (shutil would cost each runner its imports)."""
    for entry in _entries(path):
        with contextlib.suppress(OSError):
            os.unlink(entry.path)
    with contextlib.suppress(OSError):
        os.rmdir(path)


def _named(path: str) -> Iterator[RunDir]:
    for entry in _entries(path):
        match = _NAME.fullmatch(entry.name)
        if match and entry.is_dir(follow_symlinks=False):
            yield RunDir(entry.path, int(match.group(1)), int(match.group(2)))


def _entries(path: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []

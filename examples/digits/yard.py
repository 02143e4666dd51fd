"""A private yard for the demo, driven through the installed `ry` command only, as a user would.

`Yard` is a context manager: it keeps everything in a temporary directory and on leaving, however that comes about,
stops the server, makes sure that no process of the yard is left and deletes the directory.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

COMMAND_LIMIT_S = 30.0
ENDING_LIMIT_S = 15.0
LOOK_EVERY_S = 0.1
OUR_VARIABLES = "RUNYARD_"


class DemoError(Exception):
    """Something is not as it should be; the text says what."""


@dataclass(frozen=True)
class Job:
    """What the demo reads of a job in `ry ls --json`; `word` says where it stands, as the lists do."""

    id: int
    name: str
    state: str
    word: str
    outcome: str
    exit_code: int | None
    reason: str
    attempt: int

    @property
    def done(self) -> bool:
        return self.state == "done"


@dataclass(frozen=True)
class Process:
    """A process that cannot be mistaken for a later one with its pid."""

    pid: int
    born: str

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The living process with this pid. A zombie is dead."""
        try:
            state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if state in "ZX" else cls(pid, fields[18])

    @property
    def alive(self) -> bool:
        return Process.of(self.pid) == self


@dataclass(frozen=True)
class Server:
    """What `ry server status` tells: the server's pid, and the pid of each running job by the job's id."""

    pid: int
    running: dict[int, int]


class Yard:
    """One yard in a directory of its own; `work` is a place for what its jobs make."""

    def __init__(self, keep: bool = False) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="runyard-demo-"))
        self.work = self.home / "work"
        self.work.mkdir()
        self.left_over: list[str] = []
        """Processes that were still there after the server's stop and had to be killed."""
        self._keep = keep
        self._ry = Path(sys.executable).with_name("ry")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(OUR_VARIABLES)}
        self._environment = environment | {"RUNYARD_HOME": str(self.home)}

    def __enter__(self) -> Yard:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: None)  # nothing interrupts the cleaning up
        if kind is not None:
            self._try("kill", "all", "--yes")
        self._try("server", "stop")
        self._end_all()
        if self._keep:
            print(f"kept: {self.home}")
        else:
            shutil.rmtree(self.home, ignore_errors=True)

    def ry(self, *arguments: str, text: str | None = None) -> str:
        """What `ry` prints; DemoError if it fails."""
        ended = self.call(*arguments, text=text)
        if ended.returncode:
            what = (ended.stderr or ended.stdout).strip()
            raise DemoError(f"`ry {' '.join(arguments)}` exited with {ended.returncode}: {what}")
        return ended.stdout

    def call(
        self, *arguments: str, text: str | None = None, limit_s: float = COMMAND_LIMIT_S
    ) -> subprocess.CompletedProcess[str]:
        """`ry` with these arguments; its own session, so that a Ctrl-C is ours alone."""
        try:
            return subprocess.run(
                [str(self._ry), *arguments],
                env=self._environment,
                cwd=self.work,
                input=text or "",
                capture_output=True,
                text=True,
                errors="replace",
                timeout=limit_s,
                start_new_session=True,
                check=False,
            )
        except FileNotFoundError as error:
            raise DemoError(f"there is no {self._ry}: `make setup` installs it") from error
        except subprocess.TimeoutExpired as error:
            raise DemoError(f"`ry {' '.join(arguments)}` was not done after {limit_s:g} s") from error

    def jobs(self) -> list[Job]:
        listed = json.loads(self.ry("ls", "--all", "--cells", "--json"))
        return sorted(map(_job, listed), key=lambda job: job.id)

    def server(self) -> Server:
        raw = json.loads(self.ry("server", "status", "--json"))
        running = {int(item["id"]): int(item["pid"]) for item in raw["running"] if item.get("pid")}
        return Server(int(raw["pid"]), running)

    def _try(self, *arguments: str) -> None:
        """A command of the cleaning up: if it fails, `_end_all` does the rest."""
        try:
            self.call(*arguments)
        except DemoError as error:
            print(error, file=sys.stderr)

    def _end_all(self) -> None:
        """Waits until no process of this yard is left; what does not go by itself is killed and noted."""
        if wait_until(lambda: not list(self._processes()), ENDING_LIMIT_S):
            return
        for process in self._processes():
            self.left_over.append(f"{process.pid} ({_title(process.pid)})")
            os.kill(process.pid, signal.SIGKILL)
        wait_until(lambda: not list(self._processes()), ENDING_LIMIT_S)

    def _processes(self) -> Iterator[Process]:
        """All that have this yard's home in their environment or on their command line."""
        mark = os.fsencode(self.home)
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal() or int(entry.name) == os.getpid():
                continue
            try:
                ours = mark in (entry / "environ").read_bytes() or mark in (entry / "cmdline").read_bytes()
            except OSError:  # gone meanwhile, or another user's
                continue
            if ours and (process := Process.of(int(entry.name))):
                yield process


def wait_until(fulfilled: Callable[[], bool], limit_s: float) -> bool:
    """Looks again and again until it is fulfilled or the time is up; tells which."""
    deadline = time.monotonic() + limit_s
    while not fulfilled():
        if time.monotonic() >= deadline:
            return False
        time.sleep(LOOK_EVERY_S)
    return True


def _job(raw: dict[str, Any]) -> Job:
    cell = raw["array_index"]
    return Job(
        id=int(raw["id"]),
        name=str(raw["name"]) if cell is None else f"{raw['name']}[{cell}]",
        state=str(raw["state"]),
        word=str(raw["word"]),
        outcome=str(raw["outcome"] or ""),
        exit_code=raw["exit_code"],
        reason=str(raw["reason"] or ""),
        attempt=int(raw["attempt"] or 0),
    )


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "gone"

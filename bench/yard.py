"""A yard of the benchmark's own: a private home in a temporary directory, ended and removed afterwards."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

from bench import processes
from bench.directory import directory
from runyard.api import ServerStatus, StopCall, Submission
from runyard.client.remote import RemoteService
from runyard.client.transport import UnixTransport
from runyard.errors import RunyardError
from runyard.model.filter import JobQuery
from runyard.model.outcome import Outcome
from runyard.model.queue import Queue
from runyard.model.spec import DEFAULT_QUEUE, JobSpec, Resources
from runyard.settings import Home

COMMAND = os.path.join(os.path.dirname(sys.executable), "ry")
NOTHING = Resources(cpus=0)
"""For jobs that only a queue's limit keeps apart."""

READY_S = 60.0
END_S = 15.0
FEW = 4
"""With no more jobs than this left the end is looked for often."""

WARM_JOBS = 40
"""No-op jobs before anything is measured: runners are warm, and the usual run time is known."""


class Yard:
    """One yard; `service` is the warm client of it."""

    def __init__(self, directory: str, more: Mapping[str, str]) -> None:
        self.directory = directory
        self.home = Home(os.path.join(directory, "home"))
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("RUNYARD_")}
        self.environ |= {"RUNYARD_HOME": self.home.root, **more}
        self.service = RemoteService(UnixTransport(self.home.server_socket))
        self._environment = ""

    def start(self) -> None:
        """Start the server and wait until its agent has come."""
        os.makedirs(self.home.root, mode=0o700, exist_ok=True)
        self.start_server()
        deadline = time.monotonic() + READY_S
        while not self.service.hosts() or not self.status().agents:
            if time.monotonic() > deadline:
                raise RuntimeError(f"no agent has come; its log: {_tail(self.home.log('agent'))}")
            time.sleep(0.005)
        self._environment = self.service.put_blob(json.dumps(dict(os.environ)).encode())

    def start_server(self) -> None:
        """As a user does; returns when it answers."""
        self.ry("server", "start")

    def warm(self) -> None:
        """Run a few no-op jobs."""
        self.run([self.spec("/bin/true")] * WARM_JOBS)

    def status(self) -> ServerStatus:
        """The server's own word on itself."""
        return self.service.status()

    def spec(self, *command: str) -> JobSpec:
        """A job as the command line makes it, with the whole environment, and no CPU of its own."""
        return JobSpec(command, workdir=self.directory, environment=self._environment, resources=NOTHING)

    def submit(self, specs: Sequence[JobSpec]) -> tuple[int, ...]:
        """Submit these jobs in one call; their ids."""
        return self.service.submit(Submission(tuple(specs), secrets.token_hex(16))).ids

    def queue(self, parallel: int | None = None, paused: bool | None = None) -> None:
        """Change the default queue."""
        queue = next((row.queue for row in self.service.queues() if row.queue.name == DEFAULT_QUEUE), Queue())
        changed = replace(
            queue,
            parallel=queue.parallel if parallel is None else parallel,
            paused=queue.paused if paused is None else paused,
        )
        if changed != queue:
            self.service.save_queue(changed)

    def drain(self, last: int) -> None:
        """Wait until no job is left; `last` is the one that is expected to end last."""
        position = self.service.changed((), 0, 0)
        while True:
            left = sum(row.waiting + row.running for row in self.service.queues())
            if not left:
                return
            position = self.service.changed((f"job:{last}",), position, 2.0 if left > FEW else 0.005)

    def run(self, specs: Sequence[JobSpec]) -> tuple[int, ...]:
        """Submit and wait; every one must have succeeded."""
        ids = self.submit(specs)
        self.drain(ids[-1])
        self.check(ids)
        return ids

    def check(self, ids: Sequence[int]) -> None:
        """All of these jobs (of one submission) have succeeded."""
        rows = self.service.jobs(JobQuery((f"{ids[0]}-{ids[-1]}",)))
        bad = [row for row in rows if row.outcome != Outcome.SUCCEEDED.value]
        if bad or len(rows) != len(ids):
            raise RuntimeError(f"{len(bad)} of {len(rows)} jobs did not succeed: {bad[:1]}")

    def ry(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run the command line, in a pipe; what it printed."""
        return subprocess.run(
            [COMMAND, *arguments], env=self.environ, input=stdin, stdout=subprocess.PIPE, cwd=self.directory, check=True
        ).stdout

    def stop(self) -> None:
        """End the server and its agent; what runs stays."""
        self.service = RemoteService(UnixTransport(self.home.server_socket))
        with suppress(subprocess.CalledProcessError):
            self.ry("server", "stop")

    def kill_server(self) -> None:
        """As `kill -9`, waiting until it is gone."""
        pid = self.status().pid
        os.kill(pid, signal.SIGKILL)
        while pid in processes.of_home(self.home.root):
            time.sleep(0.001)

    def close(self) -> None:
        """End every process of the yard."""
        with suppress(RunyardError):
            self.queue(paused=True)
            active = [job.id for job in self.status().running]
            if active:
                self.service.stop(StopCall(tuple(active), signal=9))
        self.stop()
        killed = processes.end(self.home.root, END_S)
        if killed:
            print(f"bench: had to be killed: {', '.join(killed)}", file=sys.stderr)


@contextmanager
def yard(parallel: int = 2, **more: str) -> Iterator[Yard]:
    """A warm yard whose default queue runs as many jobs at a time. `more` goes to the environment of its daemons."""
    with directory() as path:
        own = Yard(path, more)
        try:
            own.start()
            own.queue(parallel=parallel)
            own.warm()
            yield own
        finally:
            own.close()


def _tail(path: str) -> str:
    with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        return file.read()[-500:]
    return "(none)"

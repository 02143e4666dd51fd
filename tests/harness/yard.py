"""A yard of a test's own, with the real server, agent and runners, in a temporary home; and ways to wait for it.

Nothing here waits on seconds: on what the server publishes (`until`), on the end of a process (its pidfd), on what a
job says through a pipe (`Bell`), and jobs wait at a `Gate`. Every wait is bounded.
"""

from __future__ import annotations

import json
import os
import select
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from runyard.api import JobRow, Receipt, ServerStatus, Submission
from runyard.client.remote import RemoteService
from runyard.client.transport import UnixTransport
from runyard.config import load
from runyard.errors import Unavailable
from runyard.foreign import process
from runyard.model.filter import JobQuery
from runyard.model.spec import JobSpec, Resources
from runyard.runtime import family
from runyard.runtime.family import Member
from runyard.settings import Home
from runyard.wiring.connect import server_pid, start_server
from runyard.wiring.home import READY, agent_lock, home_at
from tests.harness import processes
from tests.harness.commands import BIN, type_ry
from tests.harness.nursery import Nursery
from tests.harness.processes import PATIENCE_S

T = TypeVar("T")

LOOK_S = 0.02
"""Between two looks at what nobody publishes (a lock that is taken)."""

NO_CPUS = Resources(cpus=0)
"""As many of these as one likes run at a time."""


@dataclass(frozen=True)
class Ended:
    """A command of ours that has ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Launched:
    """A server that is on its way. It does nothing before `go`."""

    pid: int
    ready: int
    gate: int

    def go(self) -> bool:
        """Let it begin, and wait until it answers; False if it has ended before. Called once."""
        os.close(self.gate)
        try:
            assert select.select([self.ready], [], [], PATIENCE_S)[0], f"server {self.pid} does not answer"
            return os.read(self.ready, 1) == READY
        finally:
            os.close(self.ready)


class Yard:
    """One home and its processes. `settings` are those of the product (`min_free_mb=0`), for everybody of this yard."""

    def __init__(self, root: Path, nursery: Nursery | None = None, home: str = "", **settings: object) -> None:
        self.root = root
        self.out = root / "out"
        self.out.mkdir(parents=True)
        self.nursery = nursery
        self.home: Home = home_at(home or str(root / "home"))
        self.environ = {
            "HOME": str(root),
            "LANG": "C.UTF-8",
            "PATH": f"{BIN}:{os.environ.get('PATH', os.defpath)}",
            "RUNYARD_HOME": self.home.root,
            **{f"RUNYARD_{name.upper()}": str(value) for name, value in settings.items()},
        }
        self._service: RemoteService | None = None
        self._keys = 0
        self._servers: list[Member] = []

    # its processes

    def start(self, *arguments: str) -> int:
        """Start the server, and return its pid when it answers. From the nursery, if there is one."""
        self._service = None
        if self.nursery is None:
            return start_server(load(self.environ), "--accept-older-store" in arguments)
        launched = self.launch(*arguments)
        assert launched.go(), f"no server: {self.log('server')[-2000:]}"
        return launched.pid

    def launch(self, *arguments: str) -> Launched:
        """Have the nursery bear a server, which then waits for its `go`."""
        assert self.nursery is not None
        self._service = None
        (ready, its_ready), (its_gate, gate) = os.pipe(), os.pipe()
        try:
            pid = self.nursery.start(self.environ, self.home.log("server"), arguments, its_ready, its_gate)
        finally:
            os.close(its_ready)
            os.close(its_gate)
        identity = family.identity(pid)
        self._servers += [identity] if identity else []
        return Launched(pid, ready, gate)

    @property
    def up(self) -> bool:
        """Whether a server holds this home."""
        return server_pid(self.home) is not None

    @property
    def server(self) -> int:
        """The server's pid."""
        pid = server_pid(self.home)
        assert pid is not None, "no server runs"
        return pid

    @property
    def agent(self) -> int:
        """The agent's pid, as soon as there is one."""
        return self.when("an agent", self._agent)

    @property
    def zygote(self) -> int:
        """The pid of a zygote, as soon as there is one."""
        return self.when("a zygote", lambda: next(iter(self.named("ry-zygote")), None))

    def named(self, name: str) -> list[int]:
        """All processes of this home with this name."""
        return [pid for pid in processes.of_home(self.home.root) if processes.name(pid) == name]

    def kill_server(self) -> None:
        """kill -9."""
        processes.kill(self.server)

    def kill_agent(self) -> None:
        """kill -9."""
        processes.kill(self.agent)

    def restart(self, *arguments: str) -> int:
        """Kill the server with -9 and start another."""
        self.kill_server()
        return self.start(*arguments)

    def agent_pid(self) -> int | None:
        """The pid of the agent that beats, as the server knows it."""
        return next((agent.pid for agent in self.service.status().agents), None)

    def __enter__(self) -> Yard:
        return self

    def __exit__(self, *failure: object) -> None:
        self.end()

    def end(self) -> None:
        """Kill everybody of this home. (A server from the nursery does not show whose it is.)"""
        family.send(self._servers, signal.SIGKILL)
        processes.end_all(self.home.root)

    def log(self, process_name: str) -> str:
        """What this process of ours has logged."""
        try:
            return Path(self.home.log(process_name)).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def _agent(self) -> int | None:
        holder = agent_lock(self.home).holder()
        pid = holder.get("pid") if holder else None
        return pid if isinstance(pid, int) else None

    # its verbs

    @property
    def service(self) -> RemoteService:
        """The verbs, for one thread."""
        if self._service is None:
            self._service = self.connect()
        return self._service

    def connect(self) -> RemoteService:
        """The verbs over a connection of their own."""
        return RemoteService(UnixTransport(self.home.server_socket))

    def ry(self, *words: str, **environ: str) -> Ended:
        """The command, as a user types it into a pipe."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, open(os.devnull, "rb") as nothing:
            streams = [file.fileno() for file in (nothing, out, err)]
            code = type_ry(words, streams, self.out, {**self.environ, **environ})
            texts = [file.read().decode("utf-8", "replace") for file in (out, err) if not file.seek(0)]
        return Ended(code, texts[0], texts[1])

    def ry_json(self, *words: str) -> Any:
        """What a command says with --json; it has to succeed."""
        ended = self.ry(*words, "--json")
        assert ended.code == 0, ended
        return json.loads(ended.out)

    @property
    def cpus(self) -> int:
        """How many CPUs the host has for jobs."""
        return self.until("a host", lambda: sum(host.cpus for host in self.service.hosts()))

    def sh(self, text: str, **fields: Any) -> JobSpec:
        """A job that a shell runs in the test's directory; it takes no CPU unless told so."""
        made = JobSpec((text,), shell="sh", workdir=str(self.out), resources=NO_CPUS)
        return replace(made, **fields)

    def key(self) -> str:
        """A fresh submission key."""
        self._keys += 1
        return f"test-key-{self._keys}"

    def submit(self, *specs: JobSpec, key: str = "") -> tuple[int, ...]:
        """Put these jobs into the queue; their ids."""
        return self.deliver(Submission(specs, key or self.key())).ids

    def deliver(self, submission: Submission) -> Receipt:
        return self.service.submit(submission)

    def run(self, text: str, **fields: Any) -> JobRow:
        """Submit a job and wait for its end."""
        return self.done(*self.submit(self.sh(text, **fields)))[0]

    def rows(self, *selectors: str) -> tuple[JobRow, ...]:
        return self.service.jobs(JobQuery(selectors))

    def row(self, job_id: int) -> JobRow:
        return self.rows(str(job_id))[0]

    def status(self) -> ServerStatus:
        return self.service.status()

    # waiting

    def until(self, what: str, done: Callable[[], T | None], timeout_s: float = PATIENCE_S) -> T:
        """Look again whenever the server says that something has changed or an agent has beaten."""
        end = time.monotonic() + timeout_s
        service = self.service
        while True:
            agents = [agent.id for agent in service.status().agents]
            topics = ("jobs", *(f"{kind}:{agent}" for kind in ("agent", "beat") for agent in agents))
            position = service.changed(topics, 0, 0)
            found = done()
            if found:
                return found
            left = end - time.monotonic()
            assert left > 0, f"{what} has not come after {timeout_s:.0f} s; {self.picture()}"
            service.changed(topics, position, min(left, 1.0))

    def when(self, what: str, done: Callable[[], T | None], timeout_s: float = PATIENCE_S) -> T:
        """Look again and again, for what nobody publishes."""
        end = time.monotonic() + timeout_s
        while True:
            found = done()
            if found:
                return found
            assert time.monotonic() < end, f"{what} has not come after {timeout_s:.0f} s; {self.picture()}"
            select.select([], [], [], LOOK_S)

    def done(self, *ids: int, timeout_s: float = PATIENCE_S) -> tuple[JobRow, ...]:
        """Wait for the end of these jobs."""
        wanted = tuple(map(str, ids))

        def over() -> tuple[JobRow, ...] | None:
            rows = self.rows(*wanted)
            return rows if all(row.state == "done" for row in rows) else None

        return self.until(f"the end of {', '.join(wanted)}", over, timeout_s)

    def running(self, *ids: int) -> tuple[JobRow, ...]:
        """Wait until these jobs run."""
        wanted = tuple(map(str, ids))

        def up() -> tuple[JobRow, ...] | None:
            rows = self.rows(*wanted)
            return rows if all(row.state == "running" for row in rows) else None

        return self.until(f"the start of {', '.join(wanted)}", up)

    def runner(self, pid: int) -> int:
        """The runner that holds the job whose command has this pid."""
        found = processes.parent(pid)
        assert processes.name(found) == "ry-runner", processes.name(found)
        return found

    def picture(self) -> str:
        """Where everything stands, for a test that fails."""
        with suppress(Unavailable):
            rows = [(row.id, row.word, row.reason) for row in self.connect().jobs(JobQuery(order="-id", limit=20))]
            return f"jobs: {rows}; problems: {self.connect().status().problems}"
        return f"no server; its log: {self.log('server')[-2000:]}"


class Bell:
    """A pipe with a name, through which jobs tell the test something: one line each."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._rest = b""

    def wait(self, count: int = 1, timeout_s: float = PATIENCE_S) -> list[str]:
        """The next lines."""
        lines: list[str] = []
        end = time.monotonic() + timeout_s
        while len(lines) < count:
            line, newline, rest = self._rest.partition(b"\n")
            if newline:
                lines.append(line.decode())
                self._rest = rest
                continue
            left = max(0.0, end - time.monotonic())
            assert select.select([self._descriptor], [], [], left)[0], f"{len(lines)} of {count} lines: {lines}"
            self._rest += os.read(self._descriptor, 65536)
        return lines

    def close(self) -> None:
        os.close(self._descriptor)


class Gate:
    """A pipe with a name at which jobs wait (`read x < gate`); `open` lets so many of them go."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def open(self, count: int = 1) -> None:
        """Let `count` of those who wait, or will, go on. (Each reads one byte: a line of its own.)"""
        os.write(self._descriptor, b"\n" * count)

    def close(self) -> None:
        os.close(self._descriptor)


def commands_left(home: str, tokens: Iterable[str] = ()) -> list[int]:
    """Processes of jobs that still live in this home (with one of these tokens, if some are given)."""
    found = [pid for pid in processes.of_home(home) if not processes.ours(pid)]
    wanted = [f"RUNYARD_TOKEN={token}" for token in tokens]
    return [pid for pid in found if not wanted or any(process.environ_has(pid, mark) for mark in wanted)]


def environment(values: Mapping[str, str]) -> bytes:
    """A job's environment as a blob."""
    return json.dumps(dict(values)).encode("utf-8")

"""A process engine over a home of its own, and ways to wait for what it tells. Nothing here waits on seconds."""

from __future__ import annotations

import contextlib
import hashlib
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from runyard.engines.process import ProcessEngine
from runyard.foreign import process
from runyard.model.attempt import AttemptKey, Result
from runyard.model.beat import Observed, Order, StopOrder, Terms
from runyard.runtime import runfile
from runyard.runtime.cgroup import CgroupTree
from runyard.runtime.groups import sweep
from runyard.runtime.rundir import RunDir, RunDirs
from runyard.runtime.runfile import Records
from runyard.settings import Home

PATIENCE_S = 30.0
LOOK_S = 0.01
HOST = "host-1"


class Rig:
    """One yard's home, its engine, and what the engine has told. Started commands are given short names for what they
    need: `out` is a directory of the test's."""

    def __init__(self, root: Path, warm: int = 1) -> None:
        self.home = Home(str(root / "home"))
        self.out = root / "out"
        self.out.mkdir()
        self.dirs = RunDirs(self.home.runs, HOST)
        self.warm = warm
        self.boot_id = process.boot_id()
        self.seen: dict[AttemptKey, Observed] = {}
        self.told: list[Observed] = []
        self.engine = self._engine()
        self.engine.adopt()

    def _engine(self) -> ProcessEngine:
        return ProcessEngine(self.home, HOST, self.boot_id, self.warm)

    # attempts

    def order(self, *command: str, job: int = 1, number: int = 1, **more: Any) -> Order:
        more.setdefault("grace_s", 5.0)
        more.setdefault("workdir", str(self.out))
        return Order(self.key(job, number), command, **more)

    def key(self, job: int, number: int = 1) -> AttemptKey:
        """The attempt. What has its token is ended with it, so each home has others."""
        return AttemptKey(job, number, f"token-{job}-{number}-{hashlib.md5(self.home.root.encode()).hexdigest()}")

    def start(self, *command: str, environment: str = "", script: str = "", **more: Any) -> AttemptKey:
        order = self.order(*command, **more)
        self.engine.start(order, environment, script)
        return order.key

    def sh(self, text: str, **more: Any) -> AttemptKey:
        return self.start(text, shell="sh", **more)

    def run(self, *command: str, **more: Any) -> Result:
        return self.result(self.start(*command, **more))

    def stop(self, key: AttemptKey, why: str = "cancelled", number: int = signal.SIGTERM, **more: Any) -> None:
        self.engine.stop(StopOrder(key, why, number, **more))

    def adjust(self, key: AttemptKey, limit_s: float | None = None, paused: bool = False) -> None:
        self.engine.adjust(Terms(key, limit_s, paused))

    # waiting

    def take(self, timeout_s: float = PATIENCE_S) -> None:
        """What the engine tells next."""
        select.select([self.engine.fileno()], [], [], timeout_s)
        for observed in self.engine.poll():
            self.told.append(observed)
            self.seen[observed.key] = observed

    def wait(self, done: Callable[[], Any], what: object = "it") -> Any:
        """Let the engine work until this is true."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            result = done()
            if result:
                return result
            if time.monotonic() > deadline:
                raise AssertionError(f"{what} did not happen; told: {self.told}; zygote: {self.zygote_log()}")
            self.take(0.05)

    def stage(self, key: AttemptKey, *stages: str) -> Observed:
        def reached() -> Observed | None:
            seen = self.seen.get(key)
            return seen if seen is not None and seen.stage in stages else None

        seen: Observed = self.wait(reached, f"{stages} of {key}")
        return seen

    def started(self, key: AttemptKey) -> Observed:
        return self.stage(key, "started")

    def ended(self, key: AttemptKey) -> Observed:
        return self.stage(key, "ended", "revoked")

    def result(self, key: AttemptKey) -> Result:
        result = self.ended(key).result
        assert result is not None
        return result

    def file(self, name: str) -> Path:
        """A file of the test's, as soon as it is there and not empty."""
        path = self.out / name
        self.wait(lambda: path.exists() and path.stat().st_size, name)
        return path

    def pid(self, name: str = "pid") -> int:
        """The pid that a command has written to this file, with a newline."""
        path = self.file(name)
        self.wait(lambda: path.read_text().endswith("\n"), name)
        return int(path.read_text())

    def dead(self, pid: int) -> None:
        """This process is no more."""
        self.wait(lambda: not alive(pid), f"the death of {pid}")

    def open_gate(self, text: object = 0) -> None:
        """Give this to the command that waits at its gate, a pipe (`mkfifo gate; ... read x < gate`)."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                descriptor = os.open(self.out / "gate", os.O_WRONLY | os.O_NONBLOCK)
                break
            except OSError:  # nobody has it open yet
                assert time.monotonic() < deadline, f"nobody is at the gate; zygote: {self.zygote_log()}"
                select.select([], [], [], LOOK_S)
        with open(descriptor, "w", encoding="utf-8") as gate:
            gate.write(f"{text}\n")

    # looking

    def records(self, key: AttemptKey) -> Records:
        return runfile.look(self.run_dir(key).run)[1]

    def run_dir(self, key: AttemptKey) -> RunDir:
        live, done = self.dirs.live(key.job_id, key.number), self.dirs.done(key.job_id, key.number)
        found = next((place for place in (live, done, live) if os.path.isdir(place.path)), None)
        assert found is not None
        return found

    def output_path(self, key: AttemptKey) -> str:
        """The file that the command writes to."""
        where = self.run_dir(key)
        named = Path(where.output_link)
        return os.fsdecode(named.read_bytes()) if named.exists() else where.output

    def output(self, key: AttemptKey) -> str:
        return Path(self.output_path(key)).read_text()

    def runner(self, key: AttemptKey) -> int:
        """The pid of the runner that claimed this attempt."""
        claim = self.records(key).claim
        assert claim is not None
        return claim.pid

    def idle(self) -> list[int]:
        """The pids of the runners that wait for an order; the last one takes the next."""
        return [link.member.pid for link in self.engine._pool._idle if link.member is not None]

    def zygote(self, key: AttemptKey) -> int:
        claim = self.records(key).claim
        assert claim is not None
        return claim.zygote

    def zygote_log(self) -> str:
        try:
            return Path(self.home.log("zygote")).read_text()
        except FileNotFoundError:
            return ""

    # the life of the agent

    def leave(self) -> None:
        """The agent goes; attempts run on."""
        self.engine.close()

    def come_back(self, boot_id: str = "") -> list[Observed]:
        """Another agent comes, perhaps after a reboot of the host."""
        self.boot_id = boot_id or self.boot_id
        self.told, self.seen = [], {}
        self.engine = self._engine()
        adopted = self.engine.adopt()
        self.seen = {observed.key: observed for observed in adopted}
        return adopted

    def restart(self) -> list[Observed]:
        self.leave()
        return self.come_back()

    def processes(self) -> list[int]:
        """All processes of this yard: whoever was born with its home in the environment."""
        mark = f"RUNYARD_HOME={self.home.root}"
        return [pid for pid in process.processes() if alive(pid) and process.environ_has(pid, mark)]

    def clean(self) -> list[int]:
        """End everything; who was still there besides our own processes."""
        self.engine.close()
        left = [pid for pid in self.processes() if not is_ours(pid)]
        while found := self.processes():
            for pid in found:
                kill(pid)
            for pid in found:
                wait_dead(pid)
        reap()
        sweep(CgroupTree.find())
        return left


def is_ours(pid: int) -> bool:
    """A zygote (perhaps without its name yet) or a runner, not a command."""
    words = process.command_line(pid).lstrip("[")
    return not words or words.startswith("ry-") or "runyard.runtime.zygote" in words


def alive(pid: int) -> bool:
    stat = process.read_stat(pid)
    return stat is not None and not stat.dead


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def wait_dead(pid: int, timeout_s: float = PATIENCE_S) -> None:
    """Until this process is dead, reaped or not."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([fd], [], [], timeout_s)[0], f"{pid} lives"
    finally:
        os.close(fd)


def reap() -> None:
    """Our dead children: zygotes."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def lines(path: Path) -> Iterator[str]:
    yield from path.read_text().splitlines()

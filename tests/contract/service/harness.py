"""One yard for the contract's tests, near or behind a real socket, and an agent that is driven by hand.

`Yard` is the service under test with what stands around it: a clock that the test moves, output in memory. A `Hand`
says hello and beats like an agent, but only when it is told to.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from runyard.api import Chunk, GrepQuery, JobRow, Receipt, Service, StopCall, Submission
from runyard.client.remote import RemoteService
from runyard.client.transport import UnixTransport
from runyard.errors import InvalidSpec, NotFound
from runyard.model.attempt import AttemptKey, Result
from runyard.model.beat import OVER, Answer, Hello, Observed, Order, Report, Terms, Welcome
from runyard.model.code import Code, CodeRecord, Look, Part, Snapshot
from runyard.model.comparing import Comparison, Side
from runyard.model.filter import JobQuery
from runyard.model.host import Device, Host
from runyard.model.links import found_in
from runyard.model.spec import ArraySpec, JobSpec
from runyard.server.app import Backend, make_app
from runyard.server.run import Moments, Server, bind
from runyard.service.blobs import Blobs
from runyard.service.coding import CodeDesk
from runyard.service.controller import Controller, Surroundings
from runyard.service.local import LocalService
from runyard.service.verbs import About, Caller
from runyard.service.verbs import Yard as Shared
from runyard.store.base import Store

ME = Caller("me", 1000)
COMMIT = "c" * 40
START = 1_000_000.0


class Clock:
    """Wall time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> float:
        return self.at


class Outputs:
    """The `Files` of attempts that were never run."""

    def __init__(self) -> None:
        self.written: dict[tuple[int, int], bytes] = {}
        self.removed: set[int] = set()

    def _data(self, job_id: int, number: int) -> bytes:
        try:
            return self.written[job_id, number]
        except KeyError:
            raise NotFound(f"attempt {job_id}.{number} has no output") from None

    def range(self, job_id: int, number: int, offset: int, length: int) -> Chunk:
        data = self._data(job_id, number)
        start = max(0, len(data) + offset) if offset < 0 else offset
        return Chunk(start, data[start : start + length], len(data))

    def tail(self, job_id: int, number: int, lines: int) -> Chunk:
        data = self._data(job_id, number)
        kept = b"".join(data.splitlines(keepends=True)[-lines:]) if lines else b""
        return Chunk(len(data) - len(kept), kept, len(data))

    def head(self, job_id: int, number: int, lines: int) -> Chunk:
        data = self._data(job_id, number)
        return Chunk(0, b"".join(data.splitlines(keepends=True)[:lines]), len(data))

    def grep(self, job_id: int, number: int, query: GrepQuery) -> Iterator[bytes]:
        """As a generator: what is wrong with the query shows when the first piece is asked for."""
        if query.pattern == "(":
            raise InvalidSpec("unmatched parenthesis", "pattern")
        for line in self._data(job_id, number).splitlines(keepends=True):
            if query.pattern.encode() in line:
                yield line


class Shelves:
    """Code at some directories, which a test changes. (What lies below /frozen cannot be frozen.)"""

    def __init__(self) -> None:
        self.trees = {"/code/one": "tree-1"}
        self.looks: list[Code] = []

    def find(self, workdir: str) -> Code | None:
        return Code(workdir, COMMIT, "main") if workdir in self.trees else None

    def freeze(self, workdir: str, wanted: str) -> Snapshot:
        code = self.find(workdir)
        if wanted == "nowhere":
            raise InvalidSpec("there is no branch or commit 'nowhere'", "snapshot")
        if code is None:
            return Snapshot(None, "nothing is frozen")
        return Snapshot(replace(code, key="ab12", frozen=(Part("", workdir, "tree-1"),)), "frozen")

    def holds(self, code: Code, workdir: str) -> bool:
        return code.key == "ab12" and code.root == workdir

    def look(self, code: Code) -> Look:
        self.looks.append(code)
        tree = self.trees[code.root]
        return Look(CodeRecord(START, tree, ("M train.py",), (tree,)), b"the patch of " + tree.encode())

    def compare(self, sides: tuple[Side, Side]) -> Comparison:
        first, second = (side.tree for side in sides)
        return Comparison(("M train.py",) if first != second else (), patch=f"{first} -> {second}")


@dataclass
class Yard:
    """What a test holds."""

    service: Service
    shared: Shared
    clock: Clock
    outputs: Outputs
    connect: Callable[[], Service]
    keys: Iterator[int] = field(default_factory=itertools.count)

    @property
    def controller(self) -> Controller:
        return self.shared.controller

    @property
    def shelves(self) -> Shelves:
        found = self.shared.code.repositories
        assert isinstance(found, Shelves)
        return found

    def look(self) -> None:
        """Let the next place of code be looked at that is to be."""
        self.shared.code.step(rested=False)

    @property
    def store(self) -> Store:
        return self.shared.controller.store

    def submit(self, *specs: JobSpec, array: ArraySpec | None = None) -> tuple[int, ...]:
        """The ids of these jobs, with a fresh key."""
        return self.receipt(*specs, array=array).ids

    def receipt(self, *specs: JobSpec, array: ArraySpec | None = None) -> Receipt:
        """The receipt of these jobs, the first of which may be an array."""
        arrays = {1: array} if array is not None else {}
        return self.service.submit(Submission(specs or (job(),), f"test-key-{next(self.keys)}", arrays))

    def row(self, job_id: int) -> JobRow:
        return self.service.jobs(JobQuery((str(job_id),)))[0]

    def words(self) -> dict[int, str]:
        return {row.id: row.word for row in self.service.jobs(JobQuery())}

    def sleep(self, seconds: float) -> None:
        """Time passes, and the yard thread notices."""
        self.clock.at += seconds
        self.controller.call(lambda turn: None)
        self.controller.call(lambda turn: setattr(turn, "dirty", True))

    def agent(self, host: Host | None = None, greet: bool = True) -> Hand:
        """An agent on a host with 4 CPUs, which has said hello and told that it has nothing."""
        hand = Hand(self, host or a_host())
        if greet:
            hand.hello()
            hand.beat(whole=True)
        return hand


class Hand:
    """An agent, by hand. It applies each answer that it gets, in memory: `orders`, `stops`, `forgotten`."""

    def __init__(self, yard: Yard, host: Host, name: str = "") -> None:
        self.service = yard.service
        self.clock = yard.clock
        self.host = host
        self.name = name or f"{host.id}-{ME.uid}"
        self.incarnation = 0
        self.applied = 0
        self.number = 0
        self.welcome: Welcome | None = None
        self.here: dict[AttemptKey, Observed] = {}
        self.orders: dict[AttemptKey, Order] = {}
        self.stops: dict[AttemptKey, str] = {}
        self.terms: dict[AttemptKey, Terms] = {}
        self.forgotten: set[AttemptKey] = set()

    def hello(self, **about: object) -> Welcome:
        told = Hello(self.name, self.host, ME.user, ME.uid, 4242, self.host.boot_id, "test")
        self.welcome = self.service.hello(replace(told, **about))  # type: ignore[arg-type]
        self.incarnation, self.applied, self.number = self.welcome.incarnation, 0, 0
        return self.welcome

    def report(self, *observed: Observed, whole: bool = False, **more: object) -> Report:
        """The next report; not sent yet."""
        self.number += 1
        everything = tuple(self.here) if whole else None
        told = Report(self.name, self.incarnation, self.applied, self.number, observed, everything)
        return replace(told, **more)  # type: ignore[arg-type]

    def send(self, report: Report) -> Answer:
        """Beat, and do what the answer says."""
        return self.apply(self.service.beat(report))

    def beat(self, *observed: Observed, whole: bool = False, **more: object) -> Answer:
        return self.send(self.report(*observed, whole=whole, **more))

    def apply(self, answer: Answer) -> Answer:
        self.applied = max(self.applied, answer.number)
        self.orders.update({order.key: order for order in answer.start})
        self.stops.update({order.key: order.why for order in answer.stop})
        self.terms.update({terms.key: terms for terms in answer.terms})
        self.forgotten.update(answer.forget)
        for key in answer.forget:
            if key in self.here and self.here[key].stage in OVER:
                del self.here[key]
        return answer

    def key(self, job_id: int) -> AttemptKey:
        """The last attempt of this job that was ordered here."""
        return max(key for key in self.orders if key.job_id == job_id)

    def see(self, key: AttemptKey, stage: str, **more: object) -> Observed:
        """Something is observed here; not told yet."""
        seen = replace(self.here.get(key, Observed(key, stage)), stage=stage, **more)  # type: ignore[arg-type]
        self.here[key] = seen
        return seen

    def starts(self, job_id: int, pid: int = 77) -> Answer:
        """The job's attempt has started."""
        return self.beat(self.see(self.key(job_id), "started", pid=pid, started_at=self.clock.now()))

    def ends(self, job_id: int, status: int = 0, why: str = "", detail: str = "") -> Answer:
        """The job's attempt has ended."""
        result = Result("runner", status, why, detail)
        return self.beat(self.see(self.key(job_id), "ended", ended_at=self.clock.now(), result=result))

    def revokes(self, job_id: int, why: str = "") -> Answer:
        """The claim of the job's attempt was taken: it never starts."""
        return self.beat(self.see(self.key(job_id), "revoked", why=why))


def job(*command: str, **fields: object) -> JobSpec:
    """A job that nobody runs."""
    return replace(JobSpec(command or ("true",), workdir="/tmp"), **fields)  # type: ignore[arg-type]


def stop_of(*ids: int) -> StopCall:
    """The plain wish that these jobs end."""
    return StopCall(ids)


def a_host(name: str = "one", cpus: int = 4, gpus: int = 0) -> Host:
    devices = tuple(Device(f"GPU-{name}-{index}", index, "H200", 1000) for index in range(gpus))
    return Host(name, f"{name}.example", f"boot-of-{name}", cpus, 16_000, devices, START)


def build(store: Store, directory: Path) -> tuple[Shared, Clock, Outputs]:
    """A yard over this store, not begun yet."""
    clock, outputs, tokens = Clock(), Outputs(), itertools.count(1)
    controller = Controller(store, Surroundings(clock.now, lambda: f"token-{next(tokens)}"))
    blobs = Blobs(str(directory / "blobs"))
    shared = Shared(
        controller=controller,
        files=outputs,
        blobs=blobs,
        about=About("1.2.3", "/home/of/yard", "memory:", "/home/of/yard/config.toml", clock.now()),
        now=clock.now,
        free_mb=lambda: 1_000,
        collect=lambda dry: (7, 8, 9) if dry else (7, 8),
        remove_output=outputs.removed.update,
        adopt_output=lambda job, path: None,
        code=CodeDesk(Shelves(), blobs, controller, clock.now),
        links=lambda job: found_in(outputs.written.get((job.id, job.attempt.number if job.attempt else 0), b"")),
    )
    return shared, clock, outputs


@contextmanager
def running(store: Store, directory: Path) -> Iterator[Yard]:
    """A yard with its thread, called directly."""
    shared, clock, outputs = build(store, directory)
    service = LocalService(shared, ME)
    shared.controller.start()
    try:
        yield Yard(service, shared, clock, outputs, lambda: service)
    finally:
        shared.controller.changes.end()
        shared.controller.stop()


class Stage:
    """One real application on a real socket, kept for all tests (it takes long to end): the yards take turns on it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.shared: Shared | None = None

    @property
    def present(self) -> Shared:
        assert self.shared is not None
        return self.shared

    def service_for(self, uid: int) -> Service:
        return LocalService(self.present, ME)

    @property
    def position(self) -> int:
        return self.present.controller.changes.position

    def publish(self, topics: Iterable[str]) -> None:
        self.present.controller.changes.publish(topics)

    def since(self, topics: Iterable[str], after: int) -> bool:
        return self.present.controller.changes.since(topics, after)

    def watch(self, topics: Iterable[str], after: int, wake: Callable[[], object]) -> Callable[[], None]:
        return self.present.controller.changes.watch(topics, after, wake)

    @contextmanager
    def plays(self, yard: Yard) -> Iterator[Yard]:
        """This yard, behind the socket."""
        transports: list[UnixTransport] = []

        def connect() -> Service:
            transports.append(UnixTransport(self.path))
            return RemoteService(transports[-1])

        self.shared = yard.shared
        try:
            yield replace(yard, service=connect(), connect=connect)
        finally:
            yard.controller.changes.end()
            for transport in transports:
                transport.close()


@contextmanager
def serving(backend: Backend, path: str) -> Iterator[None]:
    """The application on a socket, in a thread."""
    ready = threading.Event()
    listener = bind(path)
    server = Server(make_app(backend), Moments(ready.set, lambda: None))
    thread = threading.Thread(target=server.run, args=([listener],), name="server")
    thread.start()
    try:
        assert ready.wait(30)
        yield
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()

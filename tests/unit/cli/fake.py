"""A Service that answers from lists, and the harness that runs the command line on it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from io import BytesIO
from operator import attrgetter
from typing import Any

from click.testing import CliRunner, Result

from runyard.api import (
    ChangeResult,
    Chunk,
    Explanation,
    GrepQuery,
    JobDetail,
    JobRow,
    QueueRow,
    Receipt,
    ServerStatus,
    Service,
    StopCall,
    Submission,
)
from runyard.cli.app import root
from runyard.cli.context import App, Far
from runyard.cli.render.output import Output
from runyard.client.duplex import Duplex
from runyard.errors import Conflict, NotFound, Unavailable
from runyard.model.attaching import AttachCall, Ticket
from runyard.model.beat import Answer, Hello, Report, Welcome
from runyard.model.comparing import Comparison, Variable
from runyard.model.editing import Draft, MoveCall, RetryCall
from runyard.model.filter import JobQuery, Selector, is_pattern, parse_selector
from runyard.model.group import Group, GroupQuery, GroupRow, SweepChange
from runyard.model.host import Agent, Host
from runyard.model.job import JobState
from runyard.model.landing import Place
from runyard.model.metrics import Measured
from runyard.model.notice import HookRow, Told
from runyard.model.queue import Queue
from runyard.model.spec import JobSpec
from runyard.model.template import NumbersCall, Template
from runyard.model.transfer import Cargo, Unloaded
from runyard.model.usage import UsageQuery, UsageRow
from runyard.service.finding import narrowed, needs_rows
from runyard.settings import Home, Settings

NOW = 1_700_000_000.0
USER = "ada"
HOST = Host("h", "box", "boot", 16, 65_536)
ENVIRON = {"HOME": "/home/ada", "PATH": "/usr/bin:/bin", "RUNYARD_HOME": "/yard"}


def row(job_id: int, **fields: Any) -> JobRow:
    """A waiting job, with these fields instead."""
    state = fields.get("state", "pending")
    given: dict[str, Any] = {
        "name": f"job{job_id}",
        "state": state,
        "word": {"pending": "queued", "assigned": "starting"}.get(state, state),
        "outcome": None,
        "exit_code": None,
        "reason": "",
        "attempt": 0,
        "host": "",
        "gpus": (),
        "queue": "default",
        "user": USER,
        "command": "true",
        "workdir": "/",
        "submitted_at": NOW - 60,
        "started_at": None,
        "ended_at": None,
    }
    return JobRow(id=job_id, **{**given, **fields})


def running(job_id: int, **fields: Any) -> JobRow:
    """A job that has run for ten seconds."""
    more = {"state": "running", "attempt": 1, "host": "box", "started_at": NOW - 10, "pid": 4_000 + job_id, **fields}
    return row(job_id, **more)


def ended(job_id: int, outcome: str = "succeeded", exit_code: int | None = 0, **fields: Any) -> JobRow:
    """A job that ran for ten seconds and ended five seconds ago."""
    more = {
        "state": "done", "word": outcome, "outcome": outcome, "exit_code": exit_code, "attempt": 1, "host": "box",
        "started_at": NOW - 15, "ended_at": NOW - 5, **fields,
    }  # fmt: skip
    return row(job_id, **more)


STATUS = ServerStatus(
    pid=77,
    version="0.1.0.dev0",
    yard="f00d",
    epoch=3,
    started_at=NOW - 3_600,
    home="/yard",
    store="sqlite:////yard/store/yard.sqlite",
    config="/yard/config.toml",
    agents=(Agent("box.ada", "box", USER, 1_000, 2, "boot", "0.1.0.dev0", 78, NOW - 1),),
    running=(),
    waiting=2,
    paused=(),
    draining=False,
    stop_on_fail=(),
)


@dataclass
class FakeService:
    """Answers from its fields and notes what it was asked to do.

    `story` are calls, one of which is made at each `changed`: how time passes.
    """

    rows: dict[int, JobRow] = field(default_factory=dict)
    outputs: dict[tuple[int, int], bytes] = field(default_factory=dict)
    queue_rows: dict[str, QueueRow] = field(default_factory=lambda: {"default": QueueRow(Queue(version=1))})
    host_list: tuple[Host, ...] = (HOST,)
    status_told: ServerStatus = STATUS
    explanation: Explanation | None = None
    details: dict[int, JobDetail] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    hook_rows: tuple[HookRow, ...] = ()
    unloaded: Unloaded | None = None
    submissions: list[Submission] = field(default_factory=list)
    stops: list[StopCall] = field(default_factory=list)
    queries: list[JobQuery] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    measured: dict[int, tuple[Measured, ...]] = field(default_factory=dict)
    used: tuple[UsageRow, ...] = ()
    usage_asked: list[UsageQuery] = field(default_factory=list)
    story: list[Callable[[], object]] = field(default_factory=list)
    existing: tuple[int, ...] = ()
    cleaned: tuple[int, ...] = ()
    remarks: tuple[str, ...] = ()
    held: list[int] = field(default_factory=list)
    template_list: dict[str, Template] = field(default_factory=dict)
    group_rows: list[GroupRow] = field(default_factory=list)
    twins: tuple[int, ...] = ()
    last_number: int = 0
    paused: list[int] = field(default_factory=list)
    edits: list[Draft] = field(default_factory=list)
    moves: list[MoveCall] = field(default_factory=list)
    retries: list[RetryCall] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    position: int = 1

    def add(self, *rows: JobRow) -> FakeService:
        self.rows.update({one.id: one for one in rows})
        return self

    @property
    def spec(self) -> JobSpec:
        """The one job that was submitted last."""
        return self.submissions[-1].specs[0]

    def environment(self, spec: JobSpec | None = None) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.blobs[(spec or self.spec).environment])
        return found

    def submit(self, submission: Submission) -> Receipt:
        self.submissions.append(submission)
        if self.failures:
            raise self.failures.pop(0)
        if self.existing:
            return Receipt(self.existing, self.existing)
        places = [
            place
            for place in range(1, len(submission.specs) + 1)
            for _ in (submission.arrays[place].indices if place in submission.arrays else (0,))
        ]
        first = max(self.rows, default=0) + 1
        for job_id, place in enumerate(places, first):
            spec = submission.specs[place - 1]
            gpus = spec.resources.gpus.count
            reason = f"starts when {'a GPU is free' if gpus else 'there is room'}"
            self.rows.setdefault(job_id, row(job_id, name=spec.label, gpus_wanted=gpus, reason=reason))
        return Receipt(tuple(range(first, first + len(places))), remarks=self.remarks)

    def jobs(self, query: JobQuery) -> tuple[JobRow, ...]:
        self.queries.append(query)
        selectors = [parse_selector(text) for text in query.selectors]
        found = [one for one in self.rows.values() if not selectors or any(self._means(s, one) for s in selectors)]
        for selector, text in zip(selectors, query.selectors, strict=True):
            if not selector.spreads and not any(self._means(selector, one) for one in found):
                raise NotFound(f"there is no job {text}")
        if needs_rows(query):
            return narrowed([found], query, NOW)
        name, down = query.order.removeprefix("-"), query.order.startswith("-")
        time_of = attrgetter(f"{name}_at" if name in ("started", "ended") else "id")
        found.sort(key=lambda one: (time_of(one) is None, time_of(one), one.id), reverse=down)
        return tuple(found[: query.limit] if query.limit else found)

    def _means(self, selector: Selector, one: JobRow) -> bool:
        if selector.last is not None:
            return one.id == sorted(self.rows)[-1 - selector.last]
        if selector.ids is not None:
            return selector.ids[0] <= one.id <= selector.ids[1]
        names = any(fnmatchcase(one.name, name) if is_pattern(name) else one.name == name for name in selector.names)
        words = one.word in selector.words or JobState(one.state) in selector.states
        if selector.group is not None:
            return one.group == selector.group
        return selector.everything or names or words or one.queue == selector.queue or one.user == selector.user

    def job(self, job_id: int) -> JobDetail:
        return self.details.get(job_id) or JobDetail(self.rows[job_id], JobSpec(("true",)), (), ())

    def templates(self) -> tuple[Template, ...]:
        return tuple(self.template_list.values())

    def save_template(self, template: Template) -> Template:
        saved = replace(template, version=template.version + 1)
        self.template_list[saved.name] = saved
        return saved

    def remove_template(self, name: str) -> None:
        del self.template_list[name]

    def numbers(self, call: NumbersCall) -> int:
        first = max(self.last_number + 1, call.least)
        self.last_number = first + call.count - 1
        return first

    def groups(self, query: GroupQuery) -> tuple[GroupRow, ...]:
        return tuple(self.group_rows)

    def change_sweep(self, change: SweepChange) -> Group:
        return change.made_of(self.group_rows[0].group)

    def alike(self, spec: JobSpec) -> tuple[int, ...]:
        return self.twins

    def compare(self, first: int, second: int) -> Comparison:
        return Comparison(("M train.py",), patch="+x", environment=(Variable("LR", "#12", "#34"),))

    def explain(self, job_id: int) -> Explanation:
        return self.explanation or Explanation(job_id, "resources", "All GPUs are in use.")

    def stop(self, call: StopCall) -> ChangeResult:
        self.stops.append(call)
        return self._change(call.ids)

    def hold(self, ids: tuple[int, ...]) -> ChangeResult:
        self.held += ids
        return self._change(ids)

    def release(self, ids: tuple[int, ...]) -> ChangeResult:
        self.held += [-job_id for job_id in ids]
        return self._change(ids)

    def pause(self, ids: tuple[int, ...]) -> ChangeResult:
        self.paused += ids
        return self._change(ids)

    def resume(self, ids: tuple[int, ...]) -> ChangeResult:
        self.paused += [-job_id for job_id in ids]
        return self._change(ids)

    def drafts(self, ids: tuple[int, ...]) -> tuple[Draft, ...]:
        return tuple(Draft(job_id, self.job(job_id).spec, 1) for job_id in ids)

    def edit(self, drafts: tuple[Draft, ...]) -> ChangeResult:
        self.edits += drafts
        return self._change(tuple(draft.id for draft in drafts))

    def move(self, call: MoveCall) -> ChangeResult:
        self.moves.append(call)
        return self._change(call.ids)

    def retry(self, call: RetryCall) -> ChangeResult:
        self.retries.append(call)
        return self._change(call.ids)

    def remove(self, ids: tuple[int, ...]) -> ChangeResult:
        told = self._change(ids)
        for job_id in told.changed:
            del self.rows[job_id]
        return told

    def drain(self, on: bool) -> bool:
        before = self.status_told.draining
        self.status_told = replace(self.status_told, draining=on)
        return before != on

    def _change(self, ids: tuple[int, ...]) -> ChangeResult:
        refused = {job_id: self.refused[job_id] for job_id in ids if job_id in self.refused}
        return ChangeResult(tuple(job_id for job_id in ids if job_id not in refused), refused)

    def queues(self) -> tuple[QueueRow, ...]:
        return tuple(self.queue_rows.values())

    def save_queue(self, queue: Queue) -> Queue:
        if self.failures:
            raise self.failures.pop(0)
        saved = replace(queue, version=queue.version + 1)
        self.queue_rows[queue.name] = QueueRow(saved)
        return saved

    def remove_queue(self, name: str) -> None:
        del self.queue_rows[name]

    def hosts(self) -> tuple[Host, ...]:
        return self.host_list

    def status(self) -> ServerStatus:
        return self.status_told

    def places(self, paths: tuple[str, ...]) -> tuple[Place, ...]:
        return tuple(Place(path, "", False, path) for path in paths)

    def pack(self, ids: tuple[int, ...]) -> Cargo:
        raise NotFound("this service keeps no stories")

    def unload(self, cargo: Cargo) -> Unloaded:
        if self.unloaded is None:
            raise Conflict("this service takes nothing in")
        return self.unloaded

    def hooks(self) -> tuple[HookRow, ...]:
        return self.hook_rows

    def test_hook(self, name: str) -> None:
        self.hook_rows = tuple(
            replace(row, last=(*row.last, Told("test", name, "test", NOW))) if row.name == name else row
            for row in self.hook_rows
        )

    def put_blob(self, data: bytes) -> str:
        name = hashlib.sha256(data).hexdigest()
        self.blobs[name] = data
        return name

    def blob(self, name: str) -> bytes:
        return self.blobs[name]

    def output(self, job_id: int, number: int, offset: int, length: int) -> Chunk:
        data, final = self._output(job_id, number)
        start = offset if offset >= 0 else max(0, len(data) + offset)
        piece = data[start : start + length]
        return Chunk(start, piece, len(data), final and start + len(piece) >= len(data))

    def tail(self, job_id: int, number: int, lines: int) -> Chunk:
        data, final = self._output(job_id, number)
        piece = b"".join(BytesIO(data).readlines()[-lines:]) if lines else b""
        return Chunk(len(data) - len(piece), piece, len(data), final)

    def head(self, job_id: int, number: int, lines: int) -> Chunk:
        data, _ = self._output(job_id, number)
        return Chunk(0, b"".join(BytesIO(data).readlines()[:lines]), len(data))

    def _output(self, job_id: int, number: int) -> tuple[bytes, bool]:
        one = self.rows[job_id]
        if not one.attempt:
            raise Conflict(f"job {job_id} has not started yet: it is {one.word}")
        number = number or one.attempt
        return self.outputs.get((job_id, number), b""), number < one.attempt or one.state != "running"

    def grep(self, job_id: int, number: int, query: GrepQuery) -> Iterator[bytes]:
        lines = self._output(job_id, number)[0].splitlines(keepends=True)
        found = [line for line in lines if query.pattern.encode() in line]
        yield from ([str(len(found)).encode() + b"\n"] if query.count and found else found)

    def attach(self, call: AttachCall) -> Ticket:
        raise Conflict(f"job {call.job_id} has no terminal")

    def metrics(self, job_id: int) -> tuple[Measured, ...]:
        return self.measured.get(job_id, ())

    def usage(self, query: UsageQuery) -> tuple[UsageRow, ...]:
        self.usage_asked.append(query)
        return self.used

    def clean(self, dry: bool = False) -> tuple[int, ...]:
        return self.cleaned

    def changed(self, topics: tuple[str, ...], after: int, timeout_s: float) -> int:
        if after > 0:
            if not self.story:
                raise AssertionError(f"waits for {topics} although nothing more will happen")
            self.story.pop(0)()
        self.position += 1
        return self.position

    def hello(self, hello: Hello) -> Welcome:
        raise NotImplementedError

    def beat(self, report: Report) -> Answer:
        raise NotImplementedError


class FakeWiring:
    """A server that runs or not, as it is told."""

    def __init__(self, service: FakeService, runs: bool = True) -> None:
        self.service = service
        self.runs = runs
        self.connects = 0

    def connect(self, settings: Settings) -> FakeService:
        self.connects += 1
        self.runs = True
        return self.service

    def reach(self, settings: Settings) -> FakeService | None:
        return self.service if self.runs else None

    def far(self, settings: Settings, tell: Callable[[str], None], asks: bool) -> Far:
        raise NotImplementedError

    def start_server(self, settings: Settings, accept_older_store: bool = False) -> int:
        self.runs = True
        return 77

    def stop_server(self, settings: Settings, account: str = "") -> bool:
        ran, self.runs = self.runs, False
        return ran

    def run_server(self, settings: Settings) -> None:
        raise Unavailable("the port is taken")

    def home(self, settings: Settings) -> Home:
        return Home(settings.home)

    def stream(self, service: Service, ticket: str) -> Duplex:
        raise NotFound("this ticket is none, or no longer")


class Cli:
    """`cli("ls", "--json")` runs the command line and gives click's Result."""

    def __init__(
        self, service: FakeService | None = None, environ: Mapping[str, str] = ENVIRON, runs: bool = True
    ) -> None:
        self.service = service or FakeService()
        self.wiring = FakeWiring(self.service, runs)
        self.environ = environ
        self.slept: list[float] = []

    def __call__(
        self, *args: str, terminal: bool = False, answers: Sequence[str] | None = None, text: str | bytes = b""
    ) -> Result:
        """`terminal`: standard output is one; `answers`: a person is there and says this."""
        output = Output(terminal=terminal, asks=answers is not None)
        app = App(lambda: self.wiring, output, self.environ, now=lambda: NOW, sleep=self.slept.append)
        given = "".join(f"{answer}\n" for answer in answers) if answers else text
        return CliRunner().invoke(root, list(args), input=given, obj=app, prog_name="ry")

    def complete(self, environ: Mapping[str, str]) -> str:
        """What the shell's completion is answered."""
        app = App(lambda: self.wiring, Output(False, False), self.environ, now=lambda: NOW)
        return CliRunner().invoke(root, [], env=environ, obj=app, prog_name="ry").stdout

    def json(self, *args: str, text: str = "") -> Any:
        return json.loads(self(*args, "--json", text=text).stdout)

    def ok(self, *args: str, terminal: bool = False, text: str = "") -> str:
        """Standard output of a command that must succeed."""
        result = self(*args, terminal=terminal, text=text)
        assert result.exit_code == 0, result.output
        return result.stdout

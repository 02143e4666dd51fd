"""The verbs: what every face calls and every transport carries.

`Service` is implemented near (`service.local`) and far (`client.remote`); callers cannot tell. Verbs never wait; the
one waiting call is `changed`. Times are wall time (seconds since the epoch), memory is in MB. Errors are those of
`runyard.errors`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import TYPE_CHECKING, Optional, Protocol

from runyard import model
from runyard.errors import InvalidSpec
from runyard.model.filter import JobQuery
from runyard.model.group import Group, GroupQuery, GroupRequest, GroupRow, SweepChange
from runyard.model.host import Agent, Host
from runyard.model.output import Chunk as Chunk
from runyard.model.output import GrepQuery as GrepQuery
from runyard.model.queue import Queue
from runyard.model.record import dataclass
from runyard.model.row import JobRow as JobRow
from runyard.model.spec import ArraySpec, JobSpec

if TYPE_CHECKING:
    from runyard.model.attaching import AttachCall, Ticket
    from runyard.model.beat import Answer, Hello, Report, Welcome
    from runyard.model.comparing import Comparison
    from runyard.model.editing import Draft, MoveCall, RetryCall
    from runyard.model.landing import Place
    from runyard.model.metrics import Measured
    from runyard.model.notice import HookRow
    from runyard.model.template import NumbersCall, Template
    from runyard.model.transfer import Cargo, Unloaded
    from runyard.model.usage import UsageQuery, UsageRow

PROTOCOL = 1
"""What a client from another machine has to speak; raised when one that does not know of a change could misread us."""

SIGNAL_MAX = 64
GRACE_MAX_S = 86_400.0


@dataclass(frozen=True)
class Submission:
    """New jobs. The same `key` again returns the same ids.

    A negative id in a dependency means the n-th spec of this submission (-1 is the first). `arrays` says by the same
    numbers (1 is the first) which specs are arrays: such a one becomes a job for each index, all of them one group, and
    who waits for it waits for all of them. With `group` all of the specs are jobs of that sweep or pipeline.
    """

    specs: tuple[JobSpec, ...]
    key: str
    arrays: dict[int, ArraySpec] = field(default_factory=dict)
    group: Optional[GroupRequest] = None


@dataclass(frozen=True)
class Receipt:
    """The ids in the order of the specs; those of an array stand in its place, in the order of its indices.

    `existing` are those that `unique` found instead of making a new job; `remarks` are for the user.
    """

    ids: tuple[int, ...]
    existing: tuple[int, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class JobDetail:
    """Everything about one job. `limits` says how CPUs and memory are enforced on its host; `output` where it goes.

    `environment` lists names of variables, never values. `code` is what was seen of its code when it was submitted,
    `told` the last notices of it that hooks got, or did not. `links` are pages of tracking services that show its
    present or last attempt.
    """

    row: JobRow
    spec: JobSpec
    attempts: tuple[model.attempt.Attempt, ...]
    events: tuple[model.events.Recorded, ...]
    dependants: tuple[int, ...] = ()
    limits: str = ""
    environment: tuple[str, ...] = ()
    code: Optional[model.code.CodeRecord] = None
    told: tuple[model.notice.Told, ...] = ()
    links: tuple[model.link.Link, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """Why a job waits.

    `sentence` says what is missing, who holds it and what stands before it. `starts_from` and `starts_to` are the wall
    times between which it may start, with the `basis` of that estimate ("" if there is none).
    """

    id: int
    code: str
    sentence: str
    before: int = 0
    blockers: tuple[int, ...] = ()
    starts_from: Optional[float] = None
    starts_to: Optional[float] = None
    basis: str = ""


@dataclass(frozen=True)
class StopCall:
    """End these jobs. `signal` 9 kills at once; None takes the job's own grace."""

    ids: tuple[int, ...]
    signal: int = 15
    grace_s: Optional[float] = None

    def __post_init__(self) -> None:
        if not 1 <= self.signal <= SIGNAL_MAX:
            raise InvalidSpec(f"a signal from 1 to {SIGNAL_MAX}, please", "signal")
        if self.grace_s is not None and not 0 <= self.grace_s <= GRACE_MAX_S:
            raise InvalidSpec("from 0 to a day, please", "grace")


@dataclass(frozen=True)
class ChangeResult:
    """Which jobs were changed, and for each other one why not. `also` are others that came along: skipped because of
    one that is retried now."""

    changed: tuple[int, ...]
    refused: dict[int, str] = field(default_factory=dict)
    also: tuple[int, ...] = ()


@dataclass(frozen=True)
class QueueRow:
    """A queue and how many of its jobs wait and run."""

    queue: Queue
    waiting: int = 0
    running: int = 0


@dataclass(frozen=True)
class RunningRow:
    """A job on a host now. `stage` is starting, running, paused, stopping or unkillable."""

    id: int
    attempt: int
    name: str
    stage: str
    pid: Optional[int]
    host: str
    agent: str
    started_at: Optional[float]


@dataclass(frozen=True)
class ServerStatus:
    """The server and all that it looks after. `stop_on_fail` names queues."""

    pid: int
    version: str
    yard: str
    epoch: int
    started_at: float
    home: str
    store: str
    config: str
    agents: tuple[Agent, ...]
    running: tuple[RunningRow, ...]
    waiting: int
    paused: tuple[str, ...]
    draining: bool
    stop_on_fail: tuple[str, ...]
    problems: tuple[str, ...] = ()


class Files(Protocol):
    """The output of attempts, by range; bytes throughout, bounded memory."""

    def range(self, job_id: int, number: int, offset: int, length: int) -> Chunk:
        """At most `length` bytes from `offset`."""

    def tail(self, job_id: int, number: int, lines: int) -> Chunk:
        """The last lines (cut to a few MB)."""

    def head(self, job_id: int, number: int, lines: int) -> Chunk:
        """The first lines (cut to a few MB)."""

    def grep(self, job_id: int, number: int, query: GrepQuery) -> Iterator[bytes]:
        """What grep prints, in pieces. Ends with nothing at all if no line was found."""


class Service(Protocol):
    """The verbs, as one caller (a user or an agent) sees them."""

    def submit(self, submission: Submission) -> Receipt:
        """Accept jobs; when this returns they are on disk."""

    def jobs(self, query: JobQuery) -> tuple[JobRow, ...]:
        """The jobs of a query. A selector by id or name that finds nothing raises NotFound."""

    def job(self, job_id: int) -> JobDetail:
        """All about one job."""

    def explain(self, job_id: int) -> Explanation:
        """Why it waits and when it may start."""

    def compare(self, first: int, second: int) -> Comparison:
        """How code, environment and installed packages of the second job differ from those of the first."""

    def alike(self, spec: JobSpec) -> tuple[int, ...]:
        """Jobs of the caller that wait, run or have succeeded with the same code, command and parameters as this one
        would have now, the latest first. Only where code is under version control, and can be looked at quickly."""

    def stop(self, call: StopCall) -> ChangeResult:
        """End jobs: waiting ones at once, running ones by signal, grace, kill."""

    def hold(self, ids: tuple[int, ...]) -> ChangeResult:
        """Keep waiting jobs back."""

    def release(self, ids: tuple[int, ...]) -> ChangeResult:
        """Let held jobs go."""

    def pause(self, ids: tuple[int, ...]) -> ChangeResult:
        """Have running jobs stand still, with all that they hold; their time limit stands still too."""

    def resume(self, ids: tuple[int, ...]) -> ChangeResult:
        """Let paused jobs go on."""

    def drafts(self, ids: tuple[int, ...]) -> tuple[Draft, ...]:
        """What these jobs are, to be changed; those that do not exist are left out."""

    def edit(self, drafts: tuple[Draft, ...]) -> ChangeResult:
        """Change jobs: waiting ones in everything, running and ended ones in what can still change."""

    def move(self, call: MoveCall) -> ChangeResult:
        """Give waiting jobs another place in line, and where need be the priority of that place."""

    def retry(self, call: RetryCall) -> ChangeResult:
        """Another attempt of jobs that have ended; those that were skipped because of them come along."""

    def remove(self, ids: tuple[int, ...]) -> ChangeResult:
        """Remove jobs with their events and output: not one that is on a host, nor one that another waits for."""

    def drain(self, on: bool) -> bool:
        """Finish what runs and start nothing new, also after a restart; False goes on. Whether that is news."""

    def queues(self) -> tuple[QueueRow, ...]:
        """All queues."""

    def save_queue(self, queue: Queue) -> Queue:
        """Make or change a queue (its `version` must be the one that was read; 0 makes a new one)."""

    def remove_queue(self, name: str) -> None:
        """Remove an empty queue."""

    def templates(self) -> tuple[Template, ...]:
        """All templates by name."""

    def save_template(self, template: Template) -> Template:
        """Make or change a template (its `version` must be the one that was read; 0 makes a new one)."""

    def remove_template(self, name: str) -> None:
        """Remove a template; jobs and sweeps that were made of it stay what they are."""

    def numbers(self, call: NumbersCall) -> int:
        """Numbers for runs of a template, which nobody else gets; the first of them."""

    def groups(self, query: GroupQuery) -> tuple[GroupRow, ...]:
        """Groups and where their jobs stand, the newest first."""

    def change_sweep(self, change: SweepChange) -> Group:
        """Change the limit or the rules of a sweep."""

    def hosts(self) -> tuple[Host, ...]:
        """All hosts with their devices, as last looked at."""

    def status(self) -> ServerStatus:
        """The server itself."""

    def places(self, paths: tuple[str, ...]) -> tuple[Place, ...]:
        """What is at these absolute paths, for who submits from another machine. At most `landing.PATHS_MAX`."""

    def pack(self, ids: tuple[int, ...]) -> Cargo:
        """These jobs as their events, with their groups and queues, for an export. NotFound names one that is not."""

    def unload(self, cargo: Cargo) -> Unloaded:
        """Take jobs of another yard in: all of them or none, and once for each export. Conflict says why not."""

    def hooks(self) -> tuple[HookRow, ...]:
        """Who is told what happens, and how that went."""

    def test_hook(self, name: str) -> None:
        """Have a hook told that this is a test; the topic `hooks` says when it was. NotFound if there is none."""

    def put_blob(self, data: bytes) -> str:
        """Keep an environment or a script; returns its hash (SHA-256, hex)."""

    def blob(self, name: str) -> bytes:
        """The blob of this hash."""

    def output(self, job_id: int, number: int, offset: int, length: int) -> Chunk:
        """A range of an attempt's output (number 0: the latest); a negative offset counts from the end."""

    def tail(self, job_id: int, number: int, lines: int) -> Chunk:
        """The last lines of an attempt's output."""

    def head(self, job_id: int, number: int, lines: int) -> Chunk:
        """The first lines of an attempt's output."""

    def grep(self, job_id: int, number: int, query: GrepQuery) -> Iterator[bytes]:
        """Search an attempt's output."""

    def attach(self, call: AttachCall) -> Ticket:
        """A way to the terminal of a job that runs: the ticket of a stream of frames (`model.frames`).

        Conflict for a job that has no terminal or does not run, Unavailable while its agent is away.
        """

    def metrics(self, job_id: int) -> tuple[Measured, ...]:
        """All that its attempts have reported, oldest attempt first, with histories."""

    def usage(self, query: UsageQuery) -> tuple[UsageRow, ...]:
        """Jobs and GPU hours by user and queue."""

    def clean(self, dry: bool = False) -> tuple[int, ...]:
        """Collect the output of old jobs now; the ids whose output went (`dry`: would go)."""

    def changed(self, topics: tuple[str, ...], after: int, timeout_s: float) -> int:
        """Wait until a topic (`job:12`, `jobs`, `agent:x`) may have changed since `after`; the new position.

        Returns `after` itself when the time runs out. `after` 0 returns the present position at once.
        """

    def hello(self, hello: Hello) -> Welcome:
        """An agent has started."""

    def beat(self, report: Report) -> Answer:
        """An agent reports and gets its orders. Never waits: the transport does, by `changed` on the agent's topic."""

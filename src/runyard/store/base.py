"""The store's protocol and its contract. One suite of tests runs over every implementation.

All writing is done by one thread, inside `transaction()`; reads may come from any thread and see committed state only
(the writer sees its own changes). `commit` is the only way to change a job. Times are wall time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from runyard.model.attempt import Attempt
from runyard.model.events import Change, Event, Recorded, Refused
from runyard.model.filter import Selector
from runyard.model.group import Group, Sweep
from runyard.model.host import Agent, Host
from runyard.model.job import Job
from runyard.model.metrics import Measured, Reading
from runyard.model.queue import Queue
from runyard.model.spec import JobSpec
from runyard.model.view import View


@dataclass(frozen=True)
class YardId:
    """The identity of this store. `epoch` rises with every start of a controller on it."""

    id: str
    epoch: int


@dataclass(frozen=True)
class NewGroup:
    """The `size` jobs from the place `first` (0 is the first) become one group; `parallel` is its limit (0: none).

    With `into`, the id of a group that there is, they are added to that one, and the rest counts for nothing.
    """

    kind: str
    name: str
    first: int
    size: int
    parallel: int = 0
    sweep: Sweep | None = None
    into: int = 0


@dataclass(frozen=True)
class NewJobs:
    """Jobs to add in one transaction. Negative ids in dependencies count within `specs` (-1 is the first).

    `groups` are in the order of their jobs and share none. `key` is the submission key of this `user` (empty: none).
    """

    specs: Sequence[JobSpec]
    key: str
    user: str
    at: float
    groups: tuple[NewGroup, ...] = ()


@dataclass(frozen=True)
class Added:
    """The ids in order. `existing` are those among them that `unique` found instead of a new job being made."""

    ids: tuple[int, ...]
    existing: tuple[int, ...] = ()


@dataclass(frozen=True)
class Criteria:
    """What `jobs` looks for: the union of the selectors (none: everything), narrowed.

    `user` is whose `@` and `all` are meant ("": everybody's), and with `mine` only this user's jobs are kept. Names are
    those of lists (`JobSpec.label`). `recent` keeps all that are not done, and of the done ones among these the last
    `recent_done` to end. `order` is a name of `filter.ORDERS`, with `-` for descending; what has no such time comes
    last (descending: first), and the id decides between equals. Without `cells` jobs of sweeps and pipelines are left
    out. `limit` 0 means no limit; `after_id` pages by id: only higher ones (by `-id`: lower ones).
    """

    selectors: tuple[Selector, ...] = ()
    user: str = ""
    mine: bool = False
    recent: bool = False
    recent_done: int = 20
    order: str = "id"
    limit: int = 0
    after_id: int = 0
    cells: bool = True


@dataclass(frozen=True)
class Committed:
    """What `commit` did: every job that changed, also by consequences, as it now is, and what it refused. `back` were
    skipped and wait again because another one is retried."""

    jobs: dict[int, Job]
    refused: tuple[Refused, ...] = ()
    back: tuple[int, ...] = ()


class Standing(NamedTuple):
    """A pending job in line."""

    id: int
    priority: int
    place: float
    queue: str

    @property
    def rank(self) -> tuple[int, float, int]:
        """Smaller comes first (see `Head.rank`)."""
        return (-self.priority, self.place, self.id)


class Line(NamedTuple):
    """Pending jobs, ready or not, in the order of priority and place: of this queue ("": of all), those after `beside`
    (None: from the first on), at most so many. `back` goes the other way: those before it, the nearest first."""

    queue: str = ""
    beside: Standing | None = None
    back: bool = False
    most: int = 1


class Tale(NamedTuple):
    """What happened to a job after it was submitted; `waiting_on` dependencies were open then."""

    waiting_on: int
    events: tuple[Event, ...]


class Cell(NamedTuple):
    """A job of a group: its word in lists, when its present attempt started and it ended, and how."""

    id: int
    word: str
    started_at: float | None
    ended_at: float | None
    exit_code: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Usage:
    """Jobs of one user in one queue and one state, with one outcome (None: not ended), and their GPU seconds."""

    user: str
    queue: str
    state: str
    outcome: str | None
    jobs: int
    gpu_s: float


class Store(Protocol):
    """Jobs, events, queues, hosts, agents, groups and documents of one yard."""

    def yard(self) -> YardId:
        """Who this store is."""

    def raise_epoch(self) -> YardId:
        """A new controller begins; returns the identity with the next epoch. (Inside a transaction.)"""

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing: commits at the end, rolls back on an exception. Durable when it has ended.

        `StorageFull` when the disk is full, `Unavailable` when it fails otherwise.
        """

    def savepoint(self) -> AbstractContextManager[None]:
        """A part of the transaction that is rolled back alone when it raises."""

    def add(self, new: NewJobs) -> Added:
        """Add jobs. A submission key seen before returns the ids of that time and adds nothing.

        A dependency on a job that does not exist raises InvalidSpec naming it. One that is already decided counts as
        met, or the job is skipped at once. An active job of the same user and `unique` key is returned instead of a new
        one. Jobs of one call never depend in a circle (the caller has checked), but may name later ones.
        """

    def reserve(self, count: int) -> int:
        """Give so many ids to jobs that will be restored, and to no others; the first of them."""

    def restore(self, new: NewJobs, tales: Sequence[Tale], first: int) -> Added:
        """Add jobs that have a story already: theirs, from then on, is replayed and changes no other job. Their ids,
        from `first` on, and those of their dependencies were reserved. IllegalMove where a story cannot be.
        """

    def job(self, job_id: int) -> Job:
        """One job, or NotFound."""

    def jobs(self, criteria: Criteria) -> list[Job]:
        """Jobs by criteria."""

    def ids(self, criteria: Criteria) -> list[int]:
        """The ids of what `jobs` gives, in its order; for many it takes a small part of the memory."""

    def attempts(self, job_id: int) -> list[Attempt]:
        """All attempts of a job, oldest first."""

    def events(self, job_id: int) -> list[Recorded]:
        """The story of a job, oldest first: replaying it gives the job."""

    def dependants(self, job_id: int) -> list[tuple[int, str]]:
        """Which jobs wait or waited for this one, with the kind of dependency."""

    def waiting_for(self, ids: Collection[int]) -> dict[int, list[tuple[int, str]]]:
        """For each of these jobs that has any: its dependants."""

    def active(self, agent: str = "") -> list[Job]:
        """All assigned and running jobs (those with a placement on this agent that has not ended)."""

    def due(self, now: float) -> list[int]:
        """Pending jobs whose `wake_at` has come."""

    def next_due(self) -> float | None:
        """The earliest `wake_at` of a pending job."""

    def view(self, now: float) -> View:
        """What the planner may see: at most HEADS_MAX heads of each of at most SHAPES_MAX shapes.

        The shape of the best job comes first. An attempt that has not started yet is taken to start `now` in `ends_by`.
        `usual_s`, `draining`, `foreign_mb` and `unkillable` are left to the caller.
        """

    def load(self, ids: Iterable[int]) -> dict[int, Job]:
        """These jobs by id; ids that do not exist are left out."""

    def commit(self, changes: Iterable[Change]) -> Committed:
        """Apply changes in order by `lifecycle.advance`: row, event, attempt and placements, and the consequences for
        dependants, transitively. A change that does not apply is returned and changes nothing.
        """

    def shape_of(self, job_id: int) -> int:
        """The id of a job's shape."""

    def counts(self) -> dict[str, dict[str, int]]:
        """Queue name to (state name to number of jobs), done ones left out."""

    def position(self, job_id: int) -> int:
        """How many ready jobs of the same queue stand before this one by priority and place in line."""

    def line(self, part: Line) -> list[Standing]:
        """A part of the line in which pending jobs wait."""

    def last_id(self) -> int:
        """The highest id that was ever given to a job."""

    def alike(self, spec: JobSpec) -> list[Job]:
        """The latest jobs with code that run the same as this one (see `codes.are_alike`), the last first."""

    def snapshots(self, only_open: bool = False) -> set[str]:
        """The keys of the snapshots that jobs run (jobs that are not done)."""

    def usual_runtimes(self, fingerprint: str, most: int = 20) -> list[float]:
        """Run times in seconds of the last jobs of this command (see `fingerprint_of`) that succeeded."""

    def keep_readings(self, readings: Iterable[Reading], at: float) -> None:
        """What attempts have reported, heard `at`. Told again it changes nothing; see `metrics.merged`."""

    def measured(self, job_id: int) -> list[Measured]:
        """All that the attempts of a job have reported, oldest attempt first, metrics by name."""

    def latest(self, ids: Collection[int]) -> dict[int, Measured]:
        """Of these jobs what the latest attempt has reported that has reported anything, without histories."""

    def usage(self, since: float, now: float) -> list[Usage]:
        """How many jobs there are, and how long they had GPUs, by user, queue, state and outcome.

        Of the ended ones those that ended from `since` on. All attempts count, those that run until `now`, each only
        with its time from `since` on.
        """

    def hosts(self) -> list[Host]:
        """All hosts."""

    def save_host(self, host: Host) -> None:
        """Make or replace a host."""

    def agents(self) -> list[Agent]:
        """All agents."""

    def save_agent(self, agent: Agent) -> None:
        """Make or replace an agent."""

    def queues(self) -> list[Queue]:
        """All queues by name; `default` always exists."""

    def save_queue(self, queue: Queue) -> Queue:
        """Make (version 0) or replace a queue, returned with its new version; Conflict if it is not the stored one."""

    def remove_queue(self, name: str) -> None:
        """Conflict if jobs in it are not done, or if it is the default."""

    def groups(self, ids: Iterable[int]) -> list[Group]:
        """These groups."""

    def groups_of(self, kind: str, name: str = "") -> list[Group]:
        """All groups of this kind (of this name, if one is given), the oldest first."""

    def save_group(self, group: Group) -> None:
        """Replace a group that there is: its limit, its rules. NotFound if there is none of its id."""

    def cells(self, groups: Iterable[int]) -> dict[int, list[Cell]]:
        """The jobs of these groups, in the order of their ids."""

    def group_open(self, group: int) -> bool:
        """Whether a job of this group is not done."""

    def document(self, kind: str, key: str) -> Any | None:
        """A JSON document, or None."""

    def save_document(self, kind: str, key: str, value: Any) -> None:
        """Make or replace a document."""

    def documents(self, kind: str, after: str = "", most: int = 0) -> dict[str, Any]:
        """The documents of a kind by key, in its order: those behind the key `after`, at most so many (0: all)."""

    def remove_document(self, kind: str, key: str) -> None:
        """Remove a document; nothing happens where there is none."""

    def lease(self, name: str, holder: str, token: int) -> bool:
        """Take or keep a named lease with a rising token: False if another holder has a token as high or higher."""

    def feed(self) -> int:
        """The number of the last event that was ever committed."""

    def prune(self, before: float) -> int:
        """Remove jobs that ended before this time and on which nothing open depends; how many. Their ids stay used.

        At most PRUNE_MAX go at a time, those that ended first. Groups go with their last job, submission keys older
        than `before` with theirs.
        """

    def remove(self, ids: Iterable[int]) -> None:
        """Remove these jobs, which have ended, with their attempts and events. Their ids stay used."""

    def close(self) -> None:
        """Let go of everything."""


HEADS_MAX = 64
"""How many jobs of one shape a view holds."""

SHAPES_MAX = 1_000
"""How many shapes a view holds."""

PRUNE_MAX = 1_000
"""How many jobs one call of `prune` removes, so that nobody waits long for it."""


def fingerprint_of(spec: JobSpec) -> str:
    """What makes two jobs runs of the same command: where it runs, its program and words (numbers left out)."""
    words = " ".join("#" if _is_number(word) else word for word in spec.command)
    return f"{spec.user}\0{spec.workdir}\0{words[:400]}"


def _is_number(word: str) -> bool:
    return word.replace(".", "", 1).replace("-", "", 2).replace("e", "", 1).isdigit()


def is_typical(job: Job) -> bool:
    """Whether its run time tells how long such jobs run: it has succeeded, and never stood still."""
    return job.succeeded and not (job.attempt is not None and job.attempt.paused_s)

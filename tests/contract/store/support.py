"""Words for the tests of stores: specs, what happens to a job, and everything that a store shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from runyard.model.attempt import Attempt, AttemptKey, Placement, Result
from runyard.model.events import Assigned, Change, Ended, Event, Promoted, Revoked, Started, StopRequested
from runyard.model.filter import parse_selector
from runyard.model.host import Agent, Device, Host
from runyard.model.job import Job, StopRequest
from runyard.model.lifecycle import replay
from runyard.model.spec import Dependency, JobSpec
from runyard.store.base import Added, Committed, Criteria, NewGroup, NewJobs, Store, fingerprint_of

SUCCESS = 0
FAILURE = 1 << 8


def spec(*after: int | tuple[int, str], user: str = "ann", **fields: Any) -> JobSpec:
    """A job of ann's. `after` are the ids of those that it waits for, by afterok where no kind is given."""
    links = tuple(Dependency(*link) if isinstance(link, tuple) else Dependency(link) for link in after)
    return JobSpec(fields.pop("command", ("true",)), user=user, after=links, **fields)


def new(*specs: JobSpec, key: str = "", at: float = 1.0, user: str = "ann", **fields: Any) -> NewJobs:
    """A call of `add`; with `group_kind` all of its jobs are one group."""
    if "group_kind" in fields:
        kind, name, parallel = fields.pop("group_kind"), fields.pop("group_name", ""), fields.pop("parallel", 0)
        fields["groups"] = (NewGroup(kind, name, 0, len(specs), parallel),)
    return NewJobs(specs, key, user, at, **fields)


def add(store: Store, *specs: JobSpec, **fields: Any) -> tuple[int, ...]:
    """Add in a transaction of its own; the ids."""
    return added(store, new(*specs, **fields)).ids


def added(store: Store, jobs: NewJobs) -> Added:
    """Add in a transaction of its own."""
    with store.transaction():
        return store.add(jobs)


def commit(store: Store, *changes: Change) -> Committed:
    """Commit in a transaction of its own."""
    with store.transaction():
        return store.commit(changes)


def change(job_id: int, event: Event, version: int | None = None) -> Change:
    return Change(job_id, event, version)


def key(job_id: int, number: int = 1, token: str = "") -> AttemptKey:
    return AttemptKey(job_id, number, token or f"token-{job_id}.{number}")


def place(agent: str = "ann@a", host: str = "a", **fields: Any) -> Placement:
    return Placement(agent, host, **fields)


def assign(job_id: int, number: int = 1, *places: Placement, at: float = 2.0, version: int | None = None) -> Change:
    attempt = Attempt(number, key(job_id, number).token, at, places or (place(),))
    return Change(job_id, Assigned(at, attempt), version)


def start(job_id: int, number: int = 1, rank: int = 0, at: float = 3.0) -> Change:
    return Change(job_id, Started(at, key(job_id, number), rank, pid=4000 + job_id))


def end(job_id: int, number: int = 1, status: int | None = SUCCESS, at: float = 4.0, **fields: Any) -> Change:
    result = Result("runner", status, fields.pop("why", ""))
    return Change(job_id, Ended(at, key(job_id, number), result, **fields))


def revoke(job_id: int, number: int = 1, at: float = 4.0, **fields: Any) -> Change:
    return Change(job_id, Revoked(at, key(job_id, number), **fields))


def promote(job_id: int, number: int = 1, at: float = 4.0, follows: str = "") -> Change:
    return Change(job_id, Promoted(at, key(job_id, number), follows))


def stop(job_id: int, at: float = 4.0, by: str = "ann") -> Change:
    return Change(job_id, StopRequested(at, StopRequest(at, by)))


def run(store: Store, *ids: int, status: int = SUCCESS, at: float = 4.0) -> None:
    """Assign, start and end these jobs."""
    for job_id in ids:
        job = store.job(job_id)
        number = job.attempt.number + 1 if job.attempt else 1
        told = commit(store, assign(job_id, number), start(job_id, number), end(job_id, number, status, at=at))
        assert not told.refused


def selectors(*texts: str) -> tuple[Any, ...]:
    return tuple(map(parse_selector, texts))


def ids(jobs: Iterable[Job]) -> list[int]:
    return [job.id for job in jobs]


HOST = Host("a", "anna", "boot", 8, 16_000, (Device("GPU-1", 0, "A100", 40_000),))
AGENT = Agent("ann@a", "a", "ann", 1000, 1, "boot", "1", 77, 5.0)

QUERIES: Sequence[Criteria] = (
    Criteria(),
    Criteria(order="-id"),
    Criteria(order="name", limit=5),
    Criteria(order="-priority"),
    Criteria(order="started"),
    Criteria(order="-started", limit=3),
    Criteria(order="ended"),
    Criteria(order="-ended", limit=4),
    Criteria(order="user"),
    Criteria(order="queue", after_id=3),
    Criteria(order="-id", after_id=5, limit=2),
    Criteria(order="-submitted", limit=2, after_id=1),
    Criteria(recent=True, recent_done=2),
    Criteria(recent=True, recent_done=3, order="-id", limit=4, after_id=6),
    Criteria(recent=True, recent_done=0),
    Criteria(user="ann", mine=True, recent=True, recent_done=1, order="-ended"),
    Criteria(selectors("@"), user="ann"),
    Criteria(selectors("@~1", "@~3"), user="bob"),
    Criteria(selectors("2-4", "7"), order="-id"),
    Criteria(selectors("job-[1-3]", "tr*")),
    Criteria(selectors("t?ue")),
    Criteria(selectors("all"), user="bob"),
    Criteria(selectors("user:bob", "queue:fast"), user="ann", mine=True),
    Criteria(selectors("group:1")),
    Criteria(selectors("note:WORD", "note:a?b")),
    Criteria(selectors("state:held,waiting,queued")),
    Criteria(selectors("state:running,starting,stopping"), order="-started"),
    Criteria(selectors("state:pending", "state:assigned")),
    Criteria(selectors("state:done"), recent=True, recent_done=2),
    Criteria(selectors("state:failed,skipped,cancelled,lost,succeeded"), order="ended"),
)
"""One of each kind of question about jobs."""


def visible(store: Store, queries: Sequence[Criteria] = QUERIES, now: float = 100.0) -> dict[str, Any]:
    """Everything that a store shows (of questions about jobs, the answers to these)."""
    jobs = store.jobs(Criteria())
    view = store.view(now)
    every = [job.id for job in jobs]
    return {
        "yard": store.yard().epoch,
        "feed": store.feed(),
        "jobs": jobs,
        "loaded": store.load([*every, 10_000]),
        "attempts": {job_id: store.attempts(job_id) for job_id in every},
        "events": {job_id: store.events(job_id) for job_id in every},
        "dependants": {job_id: store.dependants(job_id) for job_id in every},
        "shape_of": {job_id: store.shape_of(job_id) for job_id in every},
        "position": {job_id: store.position(job_id) for job_id in every},
        "view": view,
        "active": store.active(),
        "active of": {agent: store.active(agent) for agent in ("ann@a", "bob@b")},
        "due": {at: store.due(at) for at in (0.0, 10.0, 50.0, now)},
        "next_due": store.next_due(),
        "counts": store.counts(),
        "runtimes": [store.usual_runtimes(fingerprint_of(job.spec), 3) for job in jobs],
        "groups": store.groups(range(30)),
        "queues": store.queues(),
        "hosts": store.hosts(),
        "agents": store.agents(),
        "documents": {kind: store.documents(kind) for kind in ("notes", "templates", "quarantine")},
        "measured": {job_id: store.measured(job_id) for job_id in every},
        "latest": store.latest(every),
        "usage": {since: store.usage(since, now) for since in (0.0, 20.0)},
        "queries": [store.jobs(criteria) for criteria in queries],
    }


def check_stories(store: Store) -> None:
    """Replaying each job's events gives the job."""
    for job in store.jobs(Criteria()):
        story = store.events(job.id)
        assert [recorded.number for recorded in story] == list(range(1, job.version + 1))
        assert replay(job.id, [recorded.event for recorded in story]) == job

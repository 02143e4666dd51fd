"""From records to what the planner sees: the part of `view` that every store shares."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import attrgetter

from runyard.model.host import Agent, Host
from runyard.model.job import Job, JobState
from runyard.model.view import Head, HostView, Occupied, ShapeView
from runyard.store.base import SHAPES_MAX, Line, Standing


def head_of(job: Job) -> Head:
    """A ready job as the planner sees it."""
    return Head(job.id, job.version, job.spec.priority, job.attempt.number + 1 if job.attempt else 1, job.place)


def in_line(jobs: Iterable[Job], part: Line) -> list[Standing]:
    """The pending ones of these jobs that are meant."""
    standing = (
        Standing(job.id, job.spec.priority, job.place, job.spec.queue)
        for job in jobs
        if job.state is JobState.PENDING and part.queue in ("", job.spec.queue)
    )
    mark = part.beside.rank if part.beside is not None else None
    found = [one for one in standing if mark is None or (one.rank < mark if part.back else one.rank > mark)]
    return sorted(found, key=attrgetter("rank"), reverse=part.back)[: part.most]


def shape_views(shapes: Iterable[ShapeView]) -> tuple[ShapeView, ...]:
    """Those with jobs, the shape of the very first job first, as many as a view holds."""
    return tuple(sorted((shape for shape in shapes if shape.heads), key=lambda s: s.heads[0].rank)[:SHAPES_MAX])


def occupied(job: Job, shape: int, now: float) -> list[Occupied]:
    """What an assigned or running job holds, or will take over: its placements that have not ended.

    What has not started yet is taken to start now.
    """
    if job.attempt is None:
        return []
    limit_s = None if job.paused or job.spec.time_limit_s is None else job.spec.time_limit_s + job.attempt.paused_s
    return [
        Occupied(
            job_id=job.id,
            number=job.attempt.number,
            queue=job.spec.queue,
            user=job.spec.user,
            shape=shape,
            placement=placement,
            group=job.group or 0,
            ends_by=None if limit_s is None else (placement.started_at or now) + limit_s + job.spec.grace_s,
            paused=job.paused,
        )
        for placement in job.attempt.placements
        if placement.result is None
    ]


def groups_of(shapes: Iterable[ShapeView], held: Iterable[Occupied]) -> set[int]:
    """The groups whose limits matter to a view."""
    return {shape.shape.group for shape in shapes} | {item.group for item in held} - {0}


def host_views(hosts: Iterable[Host], agents: Sequence[Agent]) -> tuple[HostView, ...]:
    """Each host with its agents; of several of one user the one that beat last counts."""
    users: dict[str, dict[str, str]] = defaultdict(dict)
    unknown: dict[str, list[str]] = defaultdict(list)
    for agent in sorted(agents, key=lambda agent: (agent.last_beat_at, agent.id)):
        users[agent.host][agent.user] = agent.id
        unknown[agent.host] += agent.unknown
    return tuple(HostView(host, users[host.id], tuple(unknown[host.id])) for host in hosts)

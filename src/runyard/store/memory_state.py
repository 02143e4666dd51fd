"""All that a memory store holds."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

from runyard.model.attempt import Attempt
from runyard.model.events import Recorded
from runyard.model.group import Group
from runyard.model.host import Agent, Host
from runyard.model.job import Job
from runyard.model.metrics import Measured
from runyard.model.queue import Queue
from runyard.model.view import Shape
from runyard.store.base import Added, YardId

Links = tuple[tuple[int, str], ...]


@dataclass
class State:
    """Everything. The values in the dicts are never changed in place, so a shallow copy is a snapshot."""

    yard: YardId
    feed: int = 0
    last_job: int = 0
    last_group: int = 0
    jobs: dict[int, Job] = field(default_factory=dict)
    past: dict[int, tuple[Attempt, ...]] = field(default_factory=dict)
    story: dict[int, tuple[Recorded, ...]] = field(default_factory=dict)
    dependants: dict[int, Links] = field(default_factory=dict)
    job_shapes: dict[int, int] = field(default_factory=dict)
    shapes: dict[Shape, int] = field(default_factory=dict)
    submissions: dict[tuple[str, str], tuple[float, Added]] = field(default_factory=dict)
    measured: dict[int, dict[int, Measured]] = field(default_factory=dict)
    groups: dict[int, Group] = field(default_factory=dict)
    queues: dict[str, Queue] = field(default_factory=dict)
    hosts: dict[str, Host] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    documents: dict[tuple[str, str], str] = field(default_factory=dict)
    leases: dict[str, tuple[str, int]] = field(default_factory=dict)

    def snapshot(self) -> State:
        twin = copy.copy(self)
        for name, table in vars(self).items():
            if isinstance(table, dict):
                setattr(twin, name, table.copy())
        return twin

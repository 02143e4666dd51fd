"""One round of the yard thread: what its items may use. Everything that is to be told goes out after the commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from runyard.model.events import Change, Promoted
from runyard.model.job import Job, JobState
from runyard.model.outcome import Outcome
from runyard.service.notices import note
from runyard.service.orders import key_of, stop_order, terms_of
from runyard.store.base import Committed

if TYPE_CHECKING:
    from runyard.service.controller import Controller


class Turn:
    """One round of the yard thread: what its items may use. `next` is work that goes on in another one."""

    def __init__(self, controller: Controller, now: float) -> None:
        self.store = controller.store
        self.dispatch = controller.dispatch
        self.yard = controller.yard
        self.now = now
        self.dirty = False
        self.draining = controller.draining
        self.topics: set[str] = set()
        self.after: list[Callable[[], None]] = []
        self.next: list[Callable[[Turn], None]] = []
        self.groups_moved: set[int] = set()
        self.joined: set[str] = set()
        self.left: set[str] = set()
        self._controller = controller

    def commit(self, changes: Iterable[Change]) -> Committed:
        """Change jobs; whoever waits for them is woken after the commit."""
        changes = list(changes)
        committed = self.store.commit(changes)
        if self._controller.hooks:
            note(self, self._controller.hooks, changes, committed.jobs.values())
        for job in committed.jobs.values():
            self.topics.update((f"job:{job.id}", "jobs"))
            if job.group is not None and (
                job.state is JobState.DONE or (job.state is JobState.PENDING and job.attempt)
            ):
                self.groups_moved.add(job.group)
                if job.outcome is Outcome.LOST:  # those that wait for it do so until somebody decides
                    self.topics.add(f"group:{job.group}")
        self.dirty = self.dirty or bool(committed.jobs)
        return committed

    def follow_up(self, gone: Mapping[str, str]) -> list[Change]:
        """These attempts ("12.1") are over, with what they followed themselves: how whoever follows them moves up."""
        followers = self._controller.followers
        changes = []
        for name, followed in gone.items():
            if str(followers.get(followed)) == name:
                del followers[followed]
        for name, followed in gone.items():
            follower = followers.pop(name, None)
            if follower is None or str(follower) in gone:
                continue
            while followed in gone:
                followed = gone[followed]
            changes.append(Change(follower.job_id, Promoted(self.now, follower, followed)))
            if followed:
                followers[followed] = follower
        return changes

    def tell_stop(self, job: Job) -> None:
        """Have the agents of a job that somebody wants to end told so."""
        if job.stop is None:
            return
        order = stop_order(job, job.stop)
        for placement in job.attempt.placements if job.attempt else ():
            self.after.append(lambda agent=placement.agent: self.dispatch.stop(agent, order))  # type: ignore[misc]
            self.topics.add(f"agent:{placement.agent}")

    def tell_terms(self, job: Job) -> None:
        """Have the agents of a job that was given a place told how it goes on from now: after a change of its time
        limit, a pause, its end."""
        if job.attempt is None or job.state not in (JobState.ASSIGNED, JobState.RUNNING):
            return
        terms = terms_of(job)
        for placement in job.attempt.placements:
            self.after.append(lambda agent=placement.agent: self.dispatch.terms(agent, terms))  # type: ignore[misc]
            self.topics.add(f"agent:{placement.agent}")

    def take_back(self, job: Job) -> None:
        """Have an attempt that was named ahead revoked, unless it has begun."""
        for placement in job.attempt.placements if job.attempt else ():
            self.after.append(lambda agent=placement.agent: self.dispatch.revoke(agent, key_of(job)))  # type: ignore[misc]
            self.topics.add(f"agent:{placement.agent}")

    def ran(self, job: Job, seconds: float) -> None:
        """A job of this shape ran this long."""
        self._controller.learn(job, seconds)

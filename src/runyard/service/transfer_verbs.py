"""The verbs by which jobs leave a yard and come into another.

Nothing comes to life by an import: what was running there ends as lost, what waited is held. Ids are always new, and
what names jobs (dependencies, keys of attempts) follows them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass, replace
from itertools import groupby
from typing import Any

from runyard.errors import Conflict, IllegalMove, NotAllowed, NotFound
from runyard.model import codec
from runyard.model.attempt import AttemptKey, Result
from runyard.model.events import DependencyMet, Ended, Event, Held, Submitted
from runyard.model.job import Job, JobState
from runyard.model.lifecycle import replay, verdict
from runyard.model.metrics import Reading
from runyard.model.record import changed
from runyard.model.spec import Dependency, JobSpec
from runyard.model.transfer import Cargo, Story, Unloaded
from runyard.service.turn import Turn
from runyard.service.verbs import Verbs
from runyard.store.base import NewGroup, NewJobs, Tale

IMPORTS = "import"
"""Kind of the documents that tell what became of a cargo, by its export id."""

BY = "import"


class TransferVerbs(Verbs):
    """Export and import."""

    def pack(self, ids: tuple[int, ...]) -> Cargo:
        store = self._store
        found = store.load(ids)
        for job_id in ids:
            if job_id not in found:
                raise NotFound(f"there is no job {job_id}")
        stories = tuple(Story(job_id, tuple(store.events(job_id))) for job_id in ids)
        queues = {spec.queue for story in stories for spec in _specs(story)}
        return Cargo(
            "",
            self._controller.yard.id,
            self._yard.now(),
            stories,
            tuple(store.groups({job.group for job in found.values() if job.group is not None})),
            tuple(queue for queue in store.queues() if queue.name in queues),
            readings=tuple(reading for job in found.values() for reading in self._readings(job)),
        )

    def _readings(self, job: Job) -> Iterator[Reading]:
        """What its attempts have reported."""
        measured = self._store.measured(job.id) if job.attempt is not None else []
        tokens = {one.number: one.token for one in self._store.attempts(job.id)} if measured else {}
        for one in measured:
            yield Reading(AttemptKey(job.id, one.number, tokens.get(one.number, "")), one.progress, one.metrics)

    def unload(self, cargo: Cargo) -> Unloaded:
        if self._controller.halted:
            raise Conflict(self._controller.halted)
        if cargo.outputs and self._caller.uid not in (0, os.getuid()):
            raise NotAllowed("only the account of the server may name files that it is to read")

        def work(turn: Turn) -> Unloaded:
            before = turn.store.document(IMPORTS, cargo.export_id)
            if before is not None:
                return replace(codec.decode(Unloaded, before), before=True)
            unloaded = Unloading(turn, cargo, self._yard.blobs.has, self._caller.user).run()
            turn.store.save_document(IMPORTS, cargo.export_id, codec.encode(unloaded))
            turn.dirty = True
            turn.topics.add("jobs")
            return unloaded

        done = self._controller.call(work)
        for old, path in cargo.outputs.items():
            self._yard.adopt_output(done.ids[old], path)
        return done


class Unloading:
    """One cargo on its way into the store."""

    def __init__(self, turn: Turn, cargo: Cargo, has_blob: Callable[[str], bool], user: str) -> None:
        self._store = turn.store
        self._now = turn.now
        self._cargo = cargo
        self._has_blob = has_blob
        self._user = user
        self._groups: dict[int, int] = {}
        self._stories = sorted(cargo.stories, key=lambda story: story.id)
        first = turn.store.last_id() + 1
        self._ids = {story.id: first + place for place, story in enumerate(self._stories)}
        self._ends: dict[int, Job] = {}
        self._lost: list[int] = []
        self._held: list[int] = []

    def run(self) -> Unloaded:
        made = self._make_queues()
        self._ends = {story.id: _end(story) for story in self._stories}
        for at, run in groupby(self._stories, key=lambda story: story.events[0].event.at):
            self._add(at, list(run))
        self._store.keep_readings([self._mapped(reading) for reading in self._cargo.readings], self._cargo.at)
        lacking = [
            self._ids[story.id]
            for story in self._stories
            if any(blob and not self._has_blob(blob) for blob in _blobs(self._ends[story.id].spec))
        ]
        return Unloaded(self._ids, self._groups, made, tuple(self._lost), tuple(self._held), tuple(lacking))

    def _make_queues(self) -> tuple[str, ...]:
        there = {queue.name for queue in self._store.queues()}
        wanted = {queue.name: queue for queue in self._cargo.queues}
        named = dict.fromkeys(job.queue for story in self._stories for job in _specs(story))
        missing = [name for name in dict.fromkeys((*wanted, *named)) if name not in there]
        for name in missing:
            if name not in wanted:
                raise Conflict(f"the import names a queue {name!r} that it does not bring and that is not here")
            self._store.save_queue(replace(wanted[name], version=0))
        return tuple(missing)

    def _add(self, at: float, stories: list[Story]) -> None:
        specs, tales = [], []
        for story in stories:
            first = story.events[0].event
            assert isinstance(first, Submitted)
            events = [self._mapped(recorded.event) for recorded in story.events[1:]]
            specs.append(self._mapped(first.spec))
            tales.append(Tale(first.waiting_on, (*events, *self._finish(story))))
        new = NewJobs(specs, "", "", at, tuple(self._grouped(stories)))
        try:
            ids = self._store.restore(new, tales).ids
        except IllegalMove as error:
            raise Conflict(f"the import cannot be taken: {error.message}") from None
        for story, job in zip(stories, self._store.load(ids).values(), strict=True):
            old = self._ends[story.id].group
            if old is not None and job.group is not None:
                self._groups.setdefault(old, job.group)

    def _grouped(self, stories: list[Story]) -> Iterator[NewGroup]:
        """Each run of jobs of one group: the first makes it, later ones join it."""
        known = {group.id: group for group in self._cargo.groups}
        place = 0
        for number, run in groupby(stories, key=lambda story: self._ends[story.id].group):
            size = len(list(run))
            group = known.get(number) if number is not None else None
            if group is not None and number is not None:
                into = self._groups.get(number, 0)
                sweep = None if into or group.sweep is None else replace(group.sweep, canary=0)
                yield NewGroup(group.kind, group.name, place, size, group.parallel, into=into, sweep=sweep)
            place += size

    def _finish(self, story: Story) -> Iterator[Event]:
        """What happens to a job because it was moved."""
        job, new_id, at = self._ends[story.id], self._ids[story.id], self._cargo.at
        if job.state in (JobState.ASSIGNED, JobState.RUNNING) and job.attempt is not None:
            self._lost.append(new_id)
            why = f"it was {job.word} when it was exported from the yard {self._cargo.yard}"
            key = AttemptKey(new_id, job.attempt.number, job.attempt.token)
            for placement in job.attempt.placements:
                if placement.result is None:
                    yield Ended(at, key, Result("operator", None, "lost", why), placement.rank)
        elif job.state is JobState.PENDING:
            for _ in range(min(job.waiting_on, len(job.spec.after)) - self._open(job)):
                yield DependencyMet(at, 0)
            if not job.held and not self._cargo.release:
                yield Held(self._now, BY)
            if job.held or not self._cargo.release:
                self._held.append(new_id)

    def _open(self, job: Job) -> int:
        """How many of the jobs that it waits for come along and are not decided."""
        links = {(wanted.job_id, wanted.kind) for wanted in job.spec.after}
        count = 0
        for on, kind in links:
            end = self._ends.get(on)
            if end is not None:
                count += end.outcome is None or verdict(kind, end.outcome) is None
        return min(count, job.waiting_on)

    def _mapped(self, value: Any) -> Any:
        """The same with the ids of here. What names a job that did not come along names none."""
        if isinstance(value, AttemptKey):
            return changed(value, job_id=self._ids.get(value.job_id, 0))
        if isinstance(value, JobSpec):
            come = [wanted for wanted in value.after if wanted.job_id in self._ids]
            after = tuple(Dependency(self._ids[wanted.job_id], wanted.kind) for wanted in come)
            return changed(value, after=after, code=None, user=value.user or self._user)
        if isinstance(value, tuple):
            return tuple(map(self._mapped, value))
        if not is_dataclass(value) or isinstance(value, type):
            return value
        held = {field.name: self._mapped(getattr(value, field.name)) for field in fields(value)}
        if isinstance(held.get("on"), int):
            held["on"] = self._ids.get(held["on"], 0)
        return changed(value, **held)


def _end(story: Story) -> Job:
    """The job that the story makes, as it was there."""
    try:
        return replay(story.id, (recorded.event for recorded in story.events))
    except IllegalMove as error:
        raise Conflict(f"the import cannot be taken: {error.message}") from None


def _specs(story: Story) -> Iterable[JobSpec]:
    """Every spec that it ever had."""
    for recorded in story.events:
        spec = getattr(recorded.event, "spec", None)
        if isinstance(spec, JobSpec):
            yield spec


def _blobs(spec: JobSpec) -> tuple[str, str]:
    return spec.environment, spec.script

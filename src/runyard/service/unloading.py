"""Jobs of another yard on their way into the store, some in each turn of the yard thread.

Nothing comes to life by an import: what was running there ends as lost, what waited is held. Ids are always new, and
what names jobs (dependencies, keys of attempts) follows them. All ids are given before the first job is there, and how
far an import has come is a document, written with the jobs: one that was broken off goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from itertools import groupby
from typing import Any

from runyard.errors import Conflict, IllegalMove
from runyard.model import codec
from runyard.model.attempt import AttemptKey, Result
from runyard.model.events import Change, DependencyMet, Ended, Event, Held, Submitted
from runyard.model.job import Job, JobState
from runyard.model.lifecycle import consequences, replay, verdict
from runyard.model.metrics import Reading
from runyard.model.record import changed
from runyard.model.spec import Dependency, JobSpec
from runyard.model.transfer import Cargo, Story, Unloaded
from runyard.service.turn import Turn
from runyard.store.base import NewGroup, NewJobs, Store, Tale

IMPORTS, IMPORTING = "import", "importing"
"""Kinds of the documents that tell, by export id, what became of a cargo, and how far one has come."""

BY = "import"

TOGETHER = 250
"""How many jobs are taken in at a time: that takes a turn of a tenth of a second."""


@dataclass(frozen=True)
class Stage:
    """How far it has come: so many of `size` jobs are in, which have the ids from `first` on."""

    first: int
    size: int
    taken: int = 0
    groups: dict[int, int] = field(default_factory=dict)
    queues: tuple[str, ...] = ()
    lost: tuple[int, ...] = ()
    held: tuple[int, ...] = ()


class Unloading:
    """One cargo on its way. Conflict, before anything is taken in, where a story cannot be."""

    def __init__(self, cargo: Cargo, has_blob: Callable[[str], bool], user: str) -> None:
        self._cargo = cargo
        self._user = user
        self._stories = sorted(cargo.stories, key=lambda story: story.id)
        self._ends = {story.id: _end(story) for story in self._stories}
        lacking = {blob for job in self._ends.values() for blob in _blobs(job.spec) if blob and not has_blob(blob)}
        self._lacking = [old for old, job in self._ends.items() if lacking.intersection(_blobs(job.spec))]
        self._readings: dict[int, list[Reading]] = {}
        for reading in cargo.readings:
            self._readings.setdefault(reading.key.job_id, []).append(reading)
        self._ids: dict[int, int] = {}
        self._groups: dict[int, int] = {}
        self._lost: list[int] = []
        self._held: list[int] = []

    def step(self, turn: Turn) -> Unloaded | None:
        """Take some in (in a turn); what became of all of them when there are no more."""
        store, name = turn.store, self._cargo.export_id
        before = store.document(IMPORTS, name)
        if before is not None:
            return replace(codec.decode(Unloaded, before), before=True)
        kept = store.document(IMPORTING, name)
        stage = codec.decode(Stage, kept) if kept is not None else self._begun(store)
        if stage.size != len(self._stories):
            raise Conflict(f"an import of this export was broken off, and had {stage.size} jobs: take the same file")
        self._ids = {story.id: stage.first + place for place, story in enumerate(self._stories)}
        self._groups, self._lost, self._held = dict(stage.groups), [*stage.lost], [*stage.held]
        some = self._stories[stage.taken : stage.taken + TOGETHER]
        for at, run in groupby(some, key=lambda story: story.events[0].event.at):
            self._add(turn, at, list(run))
        self._catch_up(turn, some)
        readings = [self._mapped(one) for story in some for one in self._readings.get(story.id, ())]
        store.keep_readings(readings, self._cargo.at)
        turn.dirty = True
        turn.topics.add("jobs")
        return self._kept(store, replace(stage, taken=stage.taken + len(some)))

    def _begun(self, store: Store) -> Stage:
        queues = self._make_queues(store)
        return Stage(store.reserve(len(self._stories)), len(self._stories), queues=queues)

    def _kept(self, store: Store, stage: Stage) -> Unloaded | None:
        """Remember how far it is; the result at the end."""
        name, told = self._cargo.export_id, (tuple(self._lost), tuple(self._held))
        if stage.taken < stage.size:
            stage = replace(stage, groups=self._groups, lost=told[0], held=told[1])
            store.save_document(IMPORTING, name, codec.encode(stage))
            return None
        lacking = tuple(self._ids[old] for old in self._lacking)
        unloaded = Unloaded(self._ids, self._groups, stage.queues, *told, lacking)
        store.save_document(IMPORTS, name, codec.encode(unloaded))
        store.remove_document(IMPORTING, name)
        return unloaded

    def _make_queues(self, store: Store) -> tuple[str, ...]:
        there = {queue.name for queue in store.queues()}
        wanted = {queue.name: queue for queue in self._cargo.queues}
        named = dict.fromkeys(job.queue for story in self._stories for job in story.specs)
        missing = [name for name in dict.fromkeys((*wanted, *named)) if name not in there]
        for name in missing:
            if name not in wanted:
                raise Conflict(f"the import names a queue {name!r} that it does not bring and that is not here")
            store.save_queue(replace(wanted[name], version=0))
        return tuple(missing)

    def _add(self, turn: Turn, at: float, stories: list[Story]) -> None:
        specs, tales = [], []
        for story in stories:
            first = story.events[0].event
            assert isinstance(first, Submitted)
            events = [self._mapped(recorded.event) for recorded in story.events[1:]]
            specs.append(self._mapped(first.spec))
            tales.append(Tale(first.waiting_on, (*events, *self._finish(story, turn.now))))
        new = NewJobs(specs, "", "", at, tuple(self._grouped(stories)))
        try:
            ids = turn.store.restore(new, tales, self._ids[stories[0].id]).ids
        except IllegalMove as error:
            raise Conflict(f"the import cannot be taken: {error.message}") from None
        for story, job in zip(stories, turn.store.load(ids).values(), strict=True):
            old = self._ends[story.id].group
            if old is not None and job.group is not None:
                self._groups.setdefault(old, job.group)

    def _catch_up(self, turn: Turn, stories: Sequence[Story]) -> None:
        """What these wait for may have been decided here, since it was taken in."""
        waited_for = {
            wanted.job_id
            for story in stories
            for wanted in self._ends[story.id].spec.after
            if wanted.job_id in self._ends and self._ends[wanted.job_id].state is JobState.PENDING
        }
        decided = [job for job in turn.store.load(map(self._ids.__getitem__, waited_for)).values() if job.outcome]
        if not decided:
            return
        ours = {self._ids[story.id] for story in stories}
        links = turn.store.waiting_for([job.id for job in decided])
        turn.commit(
            Change(who, event)
            for job in decided
            for who, event in consequences(job, [link for link in links[job.id] if link[0] in ours], turn.now)
        )

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

    def _finish(self, story: Story, now: float) -> Iterator[Event]:
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
                yield Held(now, BY)
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


def _blobs(spec: JobSpec) -> tuple[str, str]:
    return spec.environment, spec.script

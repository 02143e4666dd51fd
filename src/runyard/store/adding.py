"""From new specs to what has to be written: the part of `add` that every store shares.

It gives ids, finds what `unique` makes superfluous, resolves dependencies and judges those that are decided already.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from runyard.errors import InvalidSpec
from runyard.model.events import Change
from runyard.model.group import Group
from runyard.model.job import Job
from runyard.model.lifecycle import consequences, verdict
from runyard.model.record import changed
from runyard.model.spec import Dependency, JobSpec
from runyard.store.base import Added, NewGroup, NewJobs


class Source(Protocol):
    """What `admit` needs from a store."""

    def load(self, ids: Collection[int]) -> dict[int, Job]:
        """These jobs."""

    def active_unique(self, user: str, unique: str) -> int | None:
        """The id of this user's job with this unique key that is not done."""

    def groups(self, ids: Collection[int]) -> list[Group]:
        """These groups."""


class Entry(NamedTuple):
    """One new job. `links` are its dependencies that count: (job id, kind); `waiting_on` those not met yet.

    `group` is the id of its group; `apart` says that the planner sees the jobs of this group apart from others.
    """

    id: int
    spec: JobSpec
    links: tuple[tuple[int, str], ...] = ()
    waiting_on: int = 0
    group: int | None = None
    apart: bool = False


@dataclass(frozen=True)
class Admission:
    """The new jobs, the groups that are new or have grown, and what decided dependencies do to them at once."""

    added: Added
    entries: list[Entry]
    effects: list[Change]
    groups: list[Group] = field(default_factory=list)


def admit(new: NewJobs, first_id: int, first_group: int, source: Source) -> Admission:
    """What these jobs become when the next free ids are `first_id` and, of groups, `first_group`."""
    if any(spec.after or spec.unique for spec in new.specs):
        admission = _admit_one_by_one(new, first_id, source)
    else:
        entries = [Entry(first_id + place, spec) for place, spec in enumerate(new.specs)]
        admission = Admission(Added(tuple(range(first_id, first_id + len(entries)))), entries, [])
    return _grouped(new, admission, first_id, first_group, source) if new.groups else admission


def _admit_one_by_one(new: NewJobs, first_id: int, source: Source) -> Admission:
    added = _number(new.specs, first_id, source)
    known = source.load({d.job_id for spec in new.specs for d in spec.after if d.job_id > 0})
    named = _Named(added.ids, known)
    entries, effects, next_id = [], [], first_id
    for spec, job_id in zip(new.specs, added.ids, strict=True):
        if job_id != next_id:
            continue
        next_id += 1
        entry, decided = _resolve(Entry(job_id, spec), named)
        entries.append(entry)
        for before, kind in decided:
            effects += [Change(who, event) for who, event in consequences(before, [(job_id, kind)], new.at)]
    return Admission(added, entries, effects)


def _grouped(new: NewJobs, admission: Admission, first_id: int, first_group: int, source: Source) -> Admission:
    """The same with its groups: those of which any job is new. A job that `unique` found twice is of the first."""
    entries, ids = list(admission.entries), admission.added.ids
    groups: list[Group] = []
    for wanted in new.groups:
        group = _joined(wanted, source) if wanted.into else _made(wanted, first_group + len(groups), new)
        mine = ids[wanted.first : wanted.first + wanted.size]
        fresh = [place for job_id in mine if (place := job_id - first_id) >= 0 and entries[place].group is None]
        for place in fresh:
            entry = entries[place]
            entries[place] = Entry(entry.id, entry.spec, entry.links, entry.waiting_on, group.id, group.apart)
        if fresh:
            groups.append(replace(group, size=group.size + len(fresh)) if wanted.into else group)
    return Admission(admission.added, entries, admission.effects, groups)


def _made(wanted: NewGroup, number: int, new: NewJobs) -> Group:
    return Group(
        number, wanted.kind, wanted.name, new.user, wanted.size, wanted.parallel,
        made_at=new.at, sweep=wanted.sweep, key=new.key,
    )  # fmt: skip


def _joined(wanted: NewGroup, source: Source) -> Group:
    """The group that there is; one that was removed with its last job takes nobody in."""
    found = source.groups([wanted.into])
    if not found:
        raise InvalidSpec(f"there is no group {wanted.into}", "group")
    return found[0]


def _number(specs: Sequence[JobSpec], first_id: int, source: Source) -> Added:
    """An id for each, new or found by `unique` (also among the specs themselves)."""
    next_id = first_id
    ids, taken = [], dict[tuple[str, str], int]()
    for spec in specs:
        key = (spec.user, spec.unique)
        found = (taken.get(key) or source.active_unique(*key)) if spec.unique else None
        job_id = found or next_id
        next_id += not found
        ids.append(job_id)
        if spec.unique:
            taken[key] = job_id
    return Added(tuple(ids), tuple(dict.fromkeys(job_id for job_id in ids if job_id < first_id)))


class _Named:
    """Dependencies by ids that are given: `ids` are those of the specs, `known` are jobs that were there before. Many
    jobs wait for the same ones, so each dependency is made once."""

    def __init__(self, ids: Sequence[int], known: Mapping[int, Job]) -> None:
        self.known = known
        self._ids = ids
        self._made: dict[tuple[int, str], Dependency] = {}

    def of(self, wanted: Dependency) -> Dependency:
        key = (wanted.job_id, wanted.kind)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = Dependency(self._find(wanted.job_id), wanted.kind)
        return made

    def _find(self, wanted: int) -> int:
        if wanted > 0 and wanted in self.known:
            return wanted
        if wanted < 0 and -wanted <= len(self._ids):
            return self._ids[-wanted - 1]
        raise InvalidSpec(f"there is no job {wanted}" + (" in this submission" if wanted < 0 else ""), "after")


def _resolve(entry: Entry, named: _Named) -> tuple[Entry, list[tuple[Job, str]]]:
    """The entry with its dependencies named by id, and those of them that have failed already."""
    if not entry.spec.after:
        return entry, []
    after = tuple(map(named.of, entry.spec.after))
    links = tuple(dict.fromkeys((d.job_id, d.kind) for d in after))
    waiting_on, failed = 0, []
    for on, kind in links:
        before = named.known.get(on)
        met = verdict(kind, before.outcome) if before is not None and before.outcome is not None else None
        waiting_on += not met
        if before is not None and met is False:
            failed.append((before, kind))
    return Entry(entry.id, changed(entry.spec, after=after), links, waiting_on), failed

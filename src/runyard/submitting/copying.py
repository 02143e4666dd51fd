"""Jobs once more: from what they are to the submission of their copies.

Who waited for one of these jobs waits for its copy. An array that is among them as a whole is an array again, unless
its jobs differ by now, or one of these jobs waits for some of them alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from runyard.api import JobRow, Service, Submission
from runyard.model.editing import Draft
from runyard.model.group import ARRAY, GroupQuery
from runyard.model.record import changed
from runyard.model.spec import ArraySpec, Dependency, JobSpec


class Array(NamedTuple):
    """The ids of all jobs of an array, and how many of them may run at a time (0: no limit)."""

    ids: frozenset[int]
    parallel: int = 0


def arrays_among(service: Service, rows: Iterable[JobRow]) -> list[Array]:
    """The arrays of which every job is among these."""
    members: dict[int, set[int]] = defaultdict(set)
    for row in rows:
        if row.group is not None and row.array_index is not None:
            members[row.group].add(row.id)
    groups = [found.group for number in members for found in service.groups(GroupQuery(ARRAY, id=number))]
    return [
        Array(frozenset(members[group.id]), group.parallel) for group in groups if group.size == len(members[group.id])
    ]


def copies_of(drafts: Sequence[Draft], arrays: Iterable[Array], key: str) -> Submission:
    """What is submitted."""
    whole = [array for array in arrays if _is_one(drafts, array)]
    first = {job_id: min(array.ids) for array in whole for job_id in array.ids}
    kept = [draft for draft in drafts if first.get(draft.id, draft.id) == draft.id]
    places = {draft.id: place for place, draft in enumerate(kept, 1)}
    copied = {draft.id: -places[first.get(draft.id, draft.id)] for draft in drafts}
    specs = {draft.id: _waiting(draft.spec, copied) for draft in kept}
    again = {}
    for array in whole:
        start = min(array.ids)
        specs[start] = changed(specs[start], array_index=None)
        indices = [draft.spec.array_index for draft in drafts if draft.id in array.ids]
        again[places[start]] = ArraySpec(tuple(index for index in indices if index is not None), array.parallel)
    return Submission(tuple(specs.values()), key, again)


def _is_one(drafts: Sequence[Draft], array: Array) -> bool:
    """Whether its jobs are alike, and whoever waits for one of them waits for all."""
    specs = [changed(draft.spec, array_index=None) for draft in drafts if draft.id in array.ids]
    if any(spec != specs[0] for spec in specs):
        return False
    for draft in drafts:
        for kind in {wanted.kind for wanted in draft.spec.after}:
            waits_for = {wanted.job_id for wanted in draft.spec.after if wanted.kind == kind}
            if array.ids & waits_for not in (frozenset(), array.ids):
                return False
    return True


def _waiting(spec: JobSpec, copied: Mapping[int, int]) -> JobSpec:
    """The same, waiting for copies where there are some."""
    if not spec.after:
        return spec
    after = dict.fromkeys((copied.get(wanted.job_id, wanted.job_id), wanted.kind) for wanted in spec.after)
    return changed(spec, after=tuple(Dependency(job_id, kind) for job_id, kind in after))

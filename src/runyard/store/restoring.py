"""Jobs that come with their whole story: the part of `restore` that every store shares.

The story is replayed by the lifecycle, which refuses one that cannot be; what it did to others is told in their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from runyard.model.events import Recorded, Submitted
from runyard.model.lifecycle import advance, begin
from runyard.store.adding import Admission, Entry
from runyard.store.applying import Applied, links_of
from runyard.store.base import NewJobs, Tale


def bare(new: NewJobs) -> NewJobs:
    """The same jobs, without what `admit` would judge anew: that is in their tales."""
    return replace(new, specs=[replace(spec, after=(), unique="") for spec in new.specs])


def told(new: NewJobs, admission: Admission, tales: Sequence[Tale]) -> tuple[Admission, Applied]:
    """The jobs as they were submitted, and all that happened then. IllegalMove where that cannot be."""
    entries, applied = [], Applied()
    for entry, spec, tale in zip(admission.entries, new.specs, tales, strict=True):
        entries.append(Entry(entry.id, spec, links_of(spec), tale.waiting_on, entry.group, entry.apart))
        job = before = begin(entry.id, Submitted(new.at, spec, entry.group, tale.waiting_on))
        for event in tale.events:
            after = advance(job, event)
            if job.attempt is not None and after.attempt is not None and job.attempt.number != after.attempt.number:
                applied.past.append((job.id, job.attempt))
            job = after
            applied.recorded.append(Recorded(job.id, job.version, event))
        if tale.events:
            applied.before[job.id], applied.jobs[job.id] = before, job
    return replace(admission, entries=entries), applied

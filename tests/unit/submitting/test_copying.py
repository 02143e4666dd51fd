"""What is submitted for copies: arrays again, and links among copies."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from runyard.model.editing import Draft
from runyard.model.record import changed
from runyard.model.spec import ArraySpec, Dependency, JobSpec
from runyard.submitting.copying import Array, copies_of

PART = JobSpec(command=("train",), name="part")


def part(job: int, index: int, spec: JobSpec = PART) -> Draft:
    return Draft(job, changed(spec, array_index=index))


def after(job: int, *wanted: int) -> Draft:
    return Draft(job, JobSpec(command=("report",), after=tuple(Dependency(one, "afterok") for one in wanted)))


ARRAY = [part(11, 0), part(12, 4), part(13, 5)]


def submitted(drafts: Iterable[Draft]) -> tuple[list[list[int]], dict[int, ArraySpec]]:
    """For whom each waits, and the arrays."""
    submission = copies_of(list(drafts), [Array(frozenset((11, 12, 13)), 2)], "a-key-of-ours")
    return [[one.job_id for one in spec.after] for spec in submission.specs], dict(submission.arrays)


def test_a_whole_array_is_one_again() -> None:
    submission = copies_of(ARRAY, [Array(frozenset((11, 12, 13)), 2)], "a-key-of-ours")
    assert submission.specs == (PART,)
    assert submission.arrays == {1: ArraySpec((0, 4, 5), 2)}


def test_who_waits_for_all_of_it_waits_for_all_of_the_copy() -> None:
    drafts = [after(10, 7), *ARRAY, after(14, 11, 12, 13, 10), after(15, 9)]
    assert submitted(drafts) == ([[7], [], [-2, -1], [9]], {2: ArraySpec((0, 4, 5), 2)})


@pytest.mark.parametrize(
    "drafts",
    [
        [*ARRAY, after(14, 12)],
        [*ARRAY[:2], part(13, 5, changed(PART, priority=1))],
    ],
)
def test_what_cannot_be_one_array_is_single_jobs(drafts: list[Draft]) -> None:
    assert submitted(drafts) == ([[], [], [], [-2]][: len(drafts)], {})


def test_an_array_that_waits() -> None:
    waiting = changed(PART, after=(Dependency(10, "afterok"),))
    assert submitted([after(10), *(part(job, job, waiting) for job in (11, 12, 13))])[0] == [[], [-1]]

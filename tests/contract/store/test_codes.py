"""Jobs by their code: who runs the same, and which snapshots are still needed."""

from __future__ import annotations

from dataclasses import replace

from runyard.model.code import Code, Part
from runyard.model.events import Change, StopRequested
from runyard.model.job import StopRequest
from runyard.model.spec import JobSpec
from runyard.store.base import NewJobs, Store
from runyard.store.codes import MOST, TOGETHER, likeness_of

IN_PLACE = Code("/code", "c" * 40)
FROZEN = Code("/code", "c" * 40, key="ab12", frozen=(Part("", "/code", "t" * 40),))
SPEC = JobSpec(("python", "train.py"), workdir="/code", user="ann", code=IN_PLACE, params=(("lr", "0.1"),))


def add(store: Store, *specs: JobSpec) -> list[int]:
    with store.transaction():
        return list(store.add(NewJobs(specs, "", "ann", 5.0)).ids)


def alike(store: Store, spec: JobSpec) -> list[int]:
    return [job.id for job in store.alike(spec)]


def end(store: Store, job_id: int) -> None:
    with store.transaction():
        store.commit([Change(job_id, StopRequested(6.0, StopRequest(6.0)))])


def test_the_same_words_and_parameters_are_alike(store: Store) -> None:
    first, second = add(store, SPEC, replace(SPEC, code=FROZEN, name="another", priority=3))
    add(
        store,
        replace(SPEC, command=("python", "train.py", "-x")),
        replace(SPEC, params=(("lr", "0.2"),)),
        replace(SPEC, workdir="/code/b"),
        replace(SPEC, user="bob"),
        replace(SPEC, array_index=1),
        replace(SPEC, code=None),
    )
    assert alike(store, SPEC) == [second, first]
    end(store, second)
    assert alike(store, SPEC) == [second, first]


def test_words_that_only_look_alike_are_not(store: Store) -> None:
    add(store, replace(SPEC, command=("a b",)), replace(SPEC, command=("a", "b")))
    assert alike(store, replace(SPEC, command=("a", "b"))) == [2]


def test_the_latest_come_first_and_not_all(store: Store) -> None:
    ids = add(store, *[SPEC] * (MOST + 5))
    assert alike(store, SPEC) == ids[::-1][:MOST]


def test_of_very_many_together_only_snapshots_are_known(store: Store) -> None:
    add(store, *[replace(SPEC, code=FROZEN)] * (TOGETHER + 1))
    assert store.snapshots() == {"ab12"}


def test_snapshots_that_are_needed(store: Store) -> None:
    other = replace(FROZEN, key="cd34")
    first, second, _ = add(store, replace(SPEC, code=FROZEN), replace(SPEC, code=other), SPEC)
    assert store.snapshots() == store.snapshots(only_open=True) == {"ab12", "cd34"}
    end(store, first)
    assert store.snapshots(only_open=True) == {"cd34"}
    assert store.snapshots() == {"ab12", "cd34"}
    with store.transaction():
        store.prune(100.0)
    assert store.snapshots() == {"cd34"}
    assert [job.id for job in store.alike(SPEC)] == [3, second]


def test_a_likeness_is_a_number_that_every_database_has() -> None:
    assert 0 <= likeness_of(replace(SPEC, command=("\udcff",))) < 1 << 32

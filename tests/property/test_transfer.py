"""Export -> import: whatever has happened to jobs, they are the same in another yard, but for their ids.

Jobs live through random histories in one store; their stories are taken in by another. What was running is lost there,
what waited is held; all else, to the last event and attempt, comes back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runyard.errors import Conflict
from runyard.model import codec
from runyard.model.events import Change, Held, Recorded, Released
from runyard.model.job import Job, JobState
from runyard.model.outcome import Outcome
from runyard.model.queue import Queue
from runyard.model.transfer import Cargo, Story, Unloaded
from runyard.service import unloading as module
from runyard.service.controller import Controller, Surroundings
from runyard.service.turn import Turn
from runyard.service.unloading import Unloading
from runyard.store.base import Store
from runyard.store.memory import MemoryStore
from tests.contract.store.support import FAILURE, SUCCESS, add, assign, check_stories, commit, end, revoke, spec
from tests.contract.store.support import start as started
from tests.contract.store.support import stop as stopped


@pytest.fixture(scope="module", autouse=True)
def few_at_a_time() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "TOGETHER", 3)
        yield


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "array", "hold", "release", "assign", "start", "end", "fail", "retry", "revoke",
                               "stop"]), st.integers(0, 9), st.integers(0, 9)),
    min_size=1, max_size=40,
)  # fmt: skip


def live(store: Store, steps: list[tuple[str, int, int]]) -> None:
    """These steps, as far as they can be done."""
    add(store, spec(name="first"))
    for place, (what, one, other) in enumerate(steps, 2):
        at = float(place)
        job_id = one % store.last_id() + 1
        job = store.job(job_id)
        number = job.attempt.number if job.attempt else 1
        if what == "add":
            add(store, spec(*{(job_id, "afterok"), (other % store.last_id() + 1, "afterany")}, name="n"), at=at)
        elif what == "array":
            add(store, spec(name="a"), spec(-1, name="a"), at=at, group_kind="array", group_name="a")
        else:
            commit(store, *_changes(what, job_id, number, job, at))


def _changes(what: str, job_id: int, number: int, job: Job, at: float) -> list[Change]:
    return {
        "hold": [Change(job_id, Held(at, "ann"))],
        "release": [Change(job_id, Released(at, "ann"))],
        "assign": [assign(job_id, number + (job.attempt is not None), at=at)],
        "start": [started(job_id, number, at=at)],
        "end": [end(job_id, number, SUCCESS, at=at)],
        "fail": [end(job_id, number, FAILURE, at=at)],
        "retry": [end(job_id, number, FAILURE, at=at, again_at=at)],
        "revoke": [revoke(job_id, number, at=at)],
        "stop": [stopped(job_id, at=at)],
    }[what]


def packed(store: Store, ids: list[int], **fields: object) -> Cargo:
    """These jobs as they travel: through JSON."""
    stories = tuple(Story(job_id, tuple(store.events(job_id))) for job_id in ids)
    groups = store.groups({job.group for job in store.load(ids).values() if job.group is not None})
    cargo = Cargo("x", "there", 99.0, stories, tuple(groups), tuple(store.queues()))
    return codec.loads(Cargo, codec.dumps(replace(cargo, **fields)))  # type: ignore[arg-type]


def unload(store: Store, cargo: Cargo) -> Unloaded:
    """A few at a time."""
    controller = Controller(store, Surroundings(lambda: 100.0, lambda: "t"))
    unloading, done = Unloading(cargo, lambda name: True, "me"), None
    while done is None:
        with store.transaction():
            done = unloading.step(Turn(controller, 100.0))
    return done


def as_text(value: object, ids: dict[int, int], groups: dict[int, int]) -> str:
    """A record as JSON, ids of jobs and groups as those of the other yard."""
    text = codec.dumps(value)
    text = re.sub(r'("(?:job_id|on)":)(\d+)', lambda m: m[1] + str(ids.get(int(m[2]), 0)), text)
    return re.sub(r'("group":)(\d+)', lambda m: m[1] + str(groups.get(int(m[2]), 0)), text)


@settings(deadline=None, max_examples=150)
@given(STEPS, st.integers(0, 3))
def test_what_was_exported_is_what_is_imported(steps: list[tuple[str, int, int]], already: int) -> None:
    there, here = MemoryStore(), MemoryStore()
    live(there, steps)
    for _ in range(already):
        add(here, spec(name="of here"))
    ids = list(range(1, there.last_id() + 1))
    done = unload(here, packed(there, ids))
    assert list(done.ids) == ids and sorted(done.ids.values()) == list(range(already + 1, already + len(ids) + 1))
    check_stories(here)
    for old, new in done.ids.items():
        before, after = there.job(old), here.job(new)
        told = [as_text(recorded.event, done.ids, done.groups) for recorded in there.events(old)]
        heard = [codec.dumps(recorded.event) for recorded in here.events(new)]
        assert heard[: len(told)] == told
        if before.state is JobState.DONE:
            assert heard == told
            assert replace(after, id=old, spec=before.spec, group=before.group, place=before.place) == before
            assert here.attempts(new) == there.attempts(old)
        elif before.state is JobState.PENDING:
            assert after.held and new in done.held
            assert (after.waiting_on, after.wake_at, after.attempt) == (
                before.waiting_on,
                before.wake_at,
                before.attempt,
            )
        else:
            assert after.outcome is Outcome.LOST and new in done.lost
            assert "exported from the yard there" in after.reason
        assert {(done.ids.get(on.job_id), on.kind) for on in before.spec.after} == {
            (on.job_id, on.kind) for on in after.spec.after
        }
        assert [(done.ids[who], kind) for who, kind in there.dependants(old)] == here.dependants(new)
    assert not here.active()


@settings(deadline=None, max_examples=80)
@given(STEPS, st.data())
def test_a_selection_waits_for_nobody_who_stayed(steps: list[tuple[str, int, int]], data: st.DataObject) -> None:
    there, here = MemoryStore(), MemoryStore()
    live(there, steps)
    ids = sorted(data.draw(st.sets(st.integers(1, there.last_id()), min_size=1)))
    done = unload(here, packed(there, ids, release=True))
    for old, new in done.ids.items():
        after = here.job(new)
        open_ones = [on for on in after.spec.after if here.job(on.job_id).outcome is None]
        lost = [on for on in after.spec.after if here.job(on.job_id).outcome is Outcome.LOST]
        if after.state is JobState.PENDING:
            assert after.waiting_on <= len(open_ones) + len(lost)
            assert after.held == there.job(old).held


def test_a_story_that_cannot_be_is_refused_and_nothing_is_taken() -> None:
    there, here = MemoryStore(), MemoryStore()
    add(there, spec(), spec())
    cargo = packed(there, [1, 2])
    torn = Recorded(2, 2, end(2, at=3.0).event)
    broken = replace(cargo, stories=(cargo.stories[0], Story(2, (*cargo.stories[1].events, torn))))
    with pytest.raises(Conflict, match="the import cannot be taken: job 2"):
        unload(here, broken)
    assert here.last_id() == 0


def test_a_queue_comes_along_or_is_there() -> None:
    there, here = MemoryStore(), MemoryStore()
    with there.transaction():
        there.save_queue(Queue("night", parallel=3))
    add(there, spec(queue="night"))
    cargo = packed(there, [1])
    with pytest.raises(Conflict, match="a queue 'night' that it does not bring"):
        unload(here, replace(cargo, queues=()))
    assert unload(here, cargo).queues == ("night",)
    assert {queue.name: queue.parallel for queue in here.queues()} == {"default": 0, "night": 3}

"""An import that takes several turns: what happens in between, and after it was broken off."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runyard.errors import Conflict
from runyard.model.events import Recorded, Submitted
from runyard.model.spec import Dependency, JobSpec
from runyard.model.transfer import Cargo, Story, Unloaded
from runyard.service import unloading as module
from runyard.service.controller import Controller, Surroundings
from runyard.service.turn import Turn
from runyard.service.unloading import Unloading
from runyard.store.memory import MemoryStore
from tests.contract.store.support import add, commit, run, spec, stop


def story(job_id: int, *after: int) -> Story:
    waits_for = tuple(Dependency(one, "afterok") for one in after)
    submitted = Submitted(5.0, JobSpec(("true",), workdir="/", after=waits_for), None, len(after))
    return Story(job_id, (Recorded(job_id, 1, submitted),))


CARGO = Cargo("x", "there", 9.0, (story(1), story(2), story(3, 1), story(4, 2)), release=True)


@pytest.fixture(autouse=True)
def two_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOGETHER", 2)


def step(store: MemoryStore, unloading: Unloading) -> Unloaded | None:
    with store.transaction():
        return unloading.step(Turn(Controller(store, Surroundings(lambda: 100.0, lambda: "t")), 100.0))


def unloading(cargo: Cargo = CARGO) -> Unloading:
    return Unloading(cargo, lambda name: True, "me")


def test_what_happens_in_between(store: MemoryStore) -> None:
    """Another job comes, and what was taken in is decided before those are there that wait for it."""
    one = unloading()
    assert step(store, one) is None
    assert add(store, spec(name="of here")) == (5,)
    run(store, 1)
    commit(store, stop(2))
    done = step(store, one)
    assert done is not None and done.ids == {1: 1, 2: 2, 3: 3, 4: 4}
    assert (store.job(3).word, store.job(4).word) == ("queued", "skipped")


def test_what_was_broken_off_goes_on_and_is_never_doubled(store: MemoryStore) -> None:
    assert step(store, unloading()) is None
    assert sorted(store.load(range(9))) == [1, 2]
    with pytest.raises(Conflict, match="had 4 jobs: take the same file"):
        step(store, unloading(replace(CARGO, stories=CARGO.stories[:3])))
    done = step(store, unloading())
    again = step(store, unloading())
    assert done is not None and again == replace(done, before=True)
    assert sorted(store.load(range(9))) == [1, 2, 3, 4] and store.last_id() == 4


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore("yard")

"""However jobs are moved and edited, over both stores, they stand in one total order: that of a list."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from runyard.model.editing import MoveCall
from runyard.model.filter import JobQuery
from runyard.service.lining import LEAST_STEP, between, line_up
from runyard.store.base import Line, Standing, Store
from runyard.store.memory import MemoryStore
from runyard.store.sql import SqlStore
from tests.contract.service.harness import Yard, job, running

JOBS = st.integers(1, 8)
PRIORITIES = st.integers(-1, 1)
ENDS = st.sampled_from(["first", "last"])
STEPS = st.one_of(
    st.tuples(st.just("submit"), st.just(()), PRIORITIES),
    st.tuples(st.just("edit"), st.tuples(JOBS), PRIORITIES),
    st.tuples(ENDS, st.lists(JOBS, min_size=1, max_size=4, unique=True).map(tuple), st.just(0)),
    st.tuples(
        st.sampled_from(["before", "after"]), st.lists(JOBS, min_size=1, max_size=4, unique=True).map(tuple), JOBS
    ),
)
Step = tuple[str, tuple[int, ...], int]


class Model:
    """The line as a list of ids, and what priority each has."""

    def __init__(self) -> None:
        self.line: list[int] = []
        self.priority: dict[int, int] = {}

    def insert(self, ids: Sequence[int], place: int) -> None:
        self.line[place:place] = ids

    def submit(self, job_id: int, priority: int) -> None:
        self.priority[job_id] = priority
        place = next((i for i, other in enumerate(self.line) if self.priority[other] < priority), len(self.line))
        self.insert([job_id], place)

    def move(self, where: str, ids: Sequence[int], beside: int) -> None:
        moved = [job_id for job_id in self.line if job_id in ids]
        rest = [job_id for job_id in self.line if job_id not in ids]
        if not rest or not moved:
            return
        anchor = {"first": rest[0], "last": rest[-1]}.get(where, beside)
        self.line = rest
        self.insert(moved, rest.index(anchor) + (where in ("last", "after")))
        self.priority.update(dict.fromkeys(moved, self.priority[anchor]))


def line(yard: Yard) -> list[int]:
    rows = yard.service.jobs(JobQuery())
    return [row.id for row in sorted(rows, key=lambda row: (-row.priority, row.place, row.id))]


def step(yard: Yard, model: Model, one: Step) -> None:
    word, ids, number = one
    ids = tuple(job_id for job_id in ids if job_id in model.priority)
    if word == "submit":
        (job_id,) = yard.submit(job(hold=True, priority=number))
        model.submit(job_id, number)
    elif word == "edit" and ids:
        (found,) = yard.service.drafts(ids)
        assert yard.service.edit((replace(found, spec=replace(found.spec, priority=number)),)).changed == ids
        model.priority[ids[0]] = number
        others = [job_id for job_id in model.line if job_id != ids[0]]
        model.line = line(yard)
        assert [job_id for job_id in model.line if job_id != ids[0]] == others
    elif ids and (word in ("first", "last") or (number in model.priority and number not in ids)):
        beside = number if word in ("before", "after") else 0
        yard.service.move(MoveCall(ids, word, beside))
        model.move(word, ids, beside)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 5), st.lists(STEPS, max_size=14))
def test_moves_and_edits_keep_the_order_of_a_list(first: int, steps: list[Step]) -> None:
    for kind in ("memory", "sqlite"):
        with ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            store: Store = MemoryStore() if kind == "memory" else SqlStore(f"sqlite:///{directory}/yard.sqlite")
            stack.callback(store.close)
            yard, model = stack.enter_context(running(store, directory)), Model()
            for one in [("submit", (), 0)] * first + steps:
                step(yard, model, one)
                assert line(yard) == model.line
                assert [standing.id for standing in store.line(Line(most=100))] == model.line
            assert {row.id: row.priority for row in yard.service.jobs(JobQuery())} == model.priority


class Lined(MemoryStore):
    """A line alone: the places of jobs of one priority."""

    def __init__(self, places: dict[int, float]) -> None:
        super().__init__()
        self.places = places

    def last_id(self) -> int:
        return max(self.places)

    def line(self, part: Line) -> list[Standing]:
        standing = sorted(
            (Standing(job_id, 0, place, "") for job_id, place in self.places.items()), key=lambda s: s.rank
        )
        assert part.beside is not None
        place = standing.index(part.beside)
        return (standing[:place][::-1] if part.back else standing[place + 1 :])[: part.most]

    def at(self, job_id: int) -> Standing:
        return Standing(job_id, 0, self.places[job_id], "")


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6), st.booleans()), max_size=300))
def test_there_is_always_room(moves: list[tuple[int, int, bool]]) -> None:
    """However often the same gap is halved."""
    store = Lined({job_id: float(job_id) for job_id in range(1, 7)})
    order = list(range(1, 7))
    for job_id, beside, behind in moves:
        if job_id != beside:
            store.places.update(line_up(store, [job_id], store.at(beside), behind=behind))
            order.remove(job_id)
            order.insert(order.index(beside) + behind, job_id)
        assert sorted(store.places, key=lambda one: (store.places[one], one)) == order
        assert max(store.places.values()) < 7


def test_two_that_change_places_for_ever_find_room() -> None:
    store = Lined({job_id: float(job_id) for job_id in range(1, 5)})
    for turn in range(1_000):
        store.places.update(line_up(store, [2 + turn % 2], store.at(1), behind=True))
        assert min(store.places, key=lambda one: store.places[one]) == 1


@given(st.one_of(st.none(), st.floats(-1e6, 1e6)), st.floats(-1e6, 1e6), st.integers(1, 50))
def test_places_lie_between(low: float | None, high: float, count: int) -> None:
    places = between(low, high, count)
    assert places == sorted(set(places))
    assert all((low is None or low < place) and place < high for place in places)
    if low is None or high - low >= LEAST_STEP * (count + 1):
        assert len(places) == count

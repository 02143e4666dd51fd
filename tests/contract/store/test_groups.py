"""Groups that grow, and change while their jobs run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runyard.errors import InvalidSpec, NotFound
from runyard.model.events import StopRequested
from runyard.model.group import Group, Sweep
from runyard.model.job import StopRequest
from runyard.model.rule import Rule
from runyard.model.template import Parameter, Template
from runyard.store.base import Cell, NewGroup, NewJobs, Store
from tests.contract.store.support import add, added, change, check_stories, commit, new, spec

SWEEP = Sweep(
    Template("train", ("train",), parameters=(Parameter("lr", "float", "0.1"),), options={"gpus": ("1",)}),
    ("lr",),
    (Rule("acc", ">=", 0.99), Rule("loss", ">", 2.0, 100)),
)


def sweep(store: Store, *numbers: str, name: str = "lr", parallel: int = 0) -> tuple[int, ...]:
    """A sweep with cells of these parameters; their ids."""
    specs = [spec(params=(("lr", number),)) for number in numbers]
    group = NewGroup("sweep", name, 0, len(specs), parallel, SWEEP)
    return added(store, NewJobs(specs, "", "ann", 1.0, (group,))).ids


def save(store: Store, group: Group) -> None:
    with store.transaction():
        store.save_group(group)


def grow(store: Store, group: int, *fields: str) -> tuple[int, ...]:
    return add(
        store, *(spec(params=(("lr", lr),)) for lr in fields), groups=(NewGroup("", "", 0, len(fields), into=group),)
    )


def test_it_keeps_what_it_is(store: Store) -> None:
    sweep(store, "1", "2", parallel=1)
    assert store.groups([1]) == [Group(1, "sweep", "lr", "ann", 2, 1, 1.0, None, SWEEP)]


def test_found_by_kind_and_name(store: Store) -> None:
    sweep(store, "1")
    add(store, spec(), group_kind="array", group_name="lr")
    sweep(store, "1", name="größe")
    sweep(store, "2")
    assert [group.id for group in store.groups_of("sweep")] == [1, 3, 4]
    assert [group.id for group in store.groups_of("sweep", "lr")] == [1, 4]
    assert [group.id for group in store.groups_of("sweep", "größe")] == [3]
    assert store.groups_of("sweep", "nothing") == []


def test_its_jobs_are_a_shape_of_their_own_so_that_a_limit_can_come_later(store: Store) -> None:
    made = sweep(store, "1", "2")
    other = add(store, spec())
    assert store.shape_of(made[0]) == store.shape_of(made[1]) != store.shape_of(other[0])
    assert store.view(1.0).limits == {}
    save(store, replace(store.groups([1])[0], parallel=3))
    assert store.view(1.0).limits == {1: 3}
    save(store, replace(store.groups([1])[0], parallel=0))
    assert store.view(1.0).limits == {}


def test_a_group_that_is_not_there_is_not_changed(store: Store) -> None:
    with pytest.raises(NotFound), store.transaction():
        store.save_group(Group(7, "sweep", "x", "ann", 1))
    assert store.groups([7]) == []


def test_a_change_that_is_rolled_back_is_none(store: Store) -> None:
    sweep(store, "1")
    with pytest.raises(ZeroDivisionError), store.transaction():
        store.save_group(replace(store.groups([1])[0], parallel=3))
        raise ZeroDivisionError
    assert store.groups([1])[0].parallel == 0


def test_it_grows(store: Store) -> None:
    """The next group still gets the next number."""
    first = sweep(store, "1", "2")
    other = sweep(store, "1", name="other")
    more = grow(store, 1, "3", "4", "5")
    assert [store.job(job_id).group for job_id in (*first, *other, *more)] == [1, 1, 2, 1, 1, 1]
    assert [(group.id, group.size) for group in store.groups([1, 2])] == [(1, 5), (2, 1)]
    assert store.groups([1])[0].sweep == SWEEP
    assert store.shape_of(more[0]) == store.shape_of(first[0])
    assert store.job(sweep(store, "9", name="third")[0]).group == 3
    check_stories(store)


def test_a_group_that_is_gone_does_not_grow(store: Store) -> None:
    with pytest.raises(InvalidSpec, match="no group 4"):
        grow(store, 4, "1")
    assert store.load([1]) == {}


def test_the_same_call_twice_grows_it_once(store: Store) -> None:
    sweep(store, "1")
    call = new(spec(), key="the-same-key", groups=(NewGroup("", "", 0, 1, into=1),))
    assert added(store, call).ids == added(store, call).ids == (2,)
    assert store.groups([1])[0].size == 2


def test_its_cells_and_whether_any_is_open(store: Store) -> None:
    sweep(store, "1", "2")
    assert store.group_open(1)
    assert store.cells([1, 5]) == {1: [Cell(1, "queued", None, None), Cell(2, "queued", None, None)], 5: []}
    for number, at in ((2, 5.0), (1, 7.0)):
        assert store.group_open(1)
        commit(store, change(number, StopRequested(at, StopRequest(at, "größe"))))
    assert not store.group_open(1)
    why = store.job(1).reason
    assert "größe" in why
    ends = [Cell(1, "cancelled", None, 7.0, None, why), Cell(2, "cancelled", None, 5.0, None, why)]
    assert store.cells([1]) == {1: ends}
    assert not store.group_open(99)


def test_a_document_is_removed(store: Store) -> None:
    with store.transaction():
        store.save_document("template", "a", 1)
        store.save_document("template", "b", 2)
        store.remove_document("template", "a")
        store.remove_document("template", "never")
    assert store.documents("template") == {"b": 2}
    assert store.document("template", "a") is None

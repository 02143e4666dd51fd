"""Sweeps: cells that come together, change while they run, and end as one."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from runyard.api import StopCall, Submission
from runyard.errors import InvalidSpec, NotFound, UsageError
from runyard.model.editing import RetryCall
from runyard.model.filter import JobQuery
from runyard.model.group import GroupQuery, GroupRequest, GroupRow, Sweep, SweepChange
from runyard.model.job import Job
from runyard.model.rule import Rule
from runyard.model.spec import ArraySpec, Dependency, JobSpec
from runyard.model.template import Template
from runyard.service import sweeps
from runyard.service.sweeps import Reported, heard
from tests.contract.service.harness import Yard, job

KEYS = itertools.count()
TRAIN = Sweep(Template("train", ("train",)), ("lr",))


def cell(lr: int, *after: int, **fields: Any) -> JobSpec:
    return job(
        "train", name="lr", params=(("lr", str(lr)),), array_index=lr, after=tuple(map(Dependency, after)), **fields
    )


def sweep(yard: Yard, *specs: JobSpec, name: str = "lr", sweep: Sweep = TRAIN, **fields: Any) -> tuple[int, ...]:
    request = GroupRequest(name, sweep, **fields)
    return yard.service.submit(Submission(specs, f"sweep-key-{next(KEYS)}", group=request)).ids


def row(yard: Yard, name: str = "lr") -> GroupRow:
    return yard.service.groups(GroupQuery(name=name))[0]


def grow(yard: Yard, group: int, *specs: JobSpec) -> tuple[int, ...]:
    return yard.service.submit(Submission(specs, f"sweep-key-{next(KEYS)}", group=GroupRequest("", into=group))).ids


def ids(yard: Yard, *selectors: str, **fields: Any) -> list[int]:
    return [one.id for one in yard.service.jobs(JobQuery(selectors, **fields))]


def test_one_row(yard: Yard) -> None:
    made = sweep(yard, cell(0), cell(1), cell(2), parallel=1)
    told = row(yard)
    assert (told.group.name, told.group.user, told.group.size, told.group.parallel) == ("lr", "me", 3, 1)
    assert (told.first, told.last, told.done, told.total, told.strip) == (made[0], made[-1], 0, 3, "...")
    assert told.group.sweep == TRAIN and told.group.made_at == yard.clock.at
    hand = yard.agent()
    assert [key.job_id for key in hand.orders] == [made[0]]
    hand.starts(made[0])
    assert row(yard).strip == "r.."
    hand.ends(made[0], 256)
    hand.starts(made[1])
    hand.ends(made[1])
    yard.service.stop(StopCall(made[2:]))
    told = row(yard)
    assert (told.strip, told.done, told.total) == ("xo-", 2, 2) or hand.key(made[2])
    assert told.counts["failed"] == told.counts["succeeded"] == 1


def test_selected_by_name_the_latest_of_it(yard: Yard) -> None:
    first, other, second = sweep(yard, cell(0)), sweep(yard, cell(0), name="b"), sweep(yard, cell(0), cell(1))
    assert ids(yard, "sweep:lr") == list(second)
    assert ids(yard, "sweep:b", "sweep:lr") == [*other, *second]
    assert ids(yard, "sweep:1") == list(first)
    with pytest.raises(NotFound, match="no sweep 'c'"):
        ids(yard, "sweep:c")
    assert [one.group.id for one in yard.service.groups(GroupQuery(name="lr"))] == [3, 1]
    assert [one.group.id for one in yard.service.groups(GroupQuery(id=2))] == [2]
    assert yard.service.groups(GroupQuery(id=9)) == ()


def test_lists_can_do_without_cells(yard: Yard) -> None:
    plain = yard.submit(job())
    cells = sweep(yard, cell(0), cell(1))
    array = yard.submit(job(), array=ArraySpec((0, 1)))
    assert ids(yard) == [*plain, *cells, *array]
    assert ids(yard, cells=False) == ids(yard, cells=False, mine=True, recent=True) == [*plain, *array]
    assert ids(yard, cells=False, order="-ended") == [*array[::-1], *plain]


def test_the_limit_changes_while_it_runs(yard: Yard) -> None:
    made = sweep(yard, *map(cell, range(4)), parallel=1)
    hand = yard.agent()
    assert [key.job_id for key in hand.orders] == [made[0]]
    assert yard.service.change_sweep(SweepChange(row(yard).group.id, parallel=2)).parallel == 2
    hand.apply(hand.beat())
    assert sorted(key.job_id for key in hand.orders) == list(made[:2])
    assert yard.row(made[2]).reason == "its group runs 2 of 2"
    yard.service.change_sweep(SweepChange(row(yard).group.id, parallel=0, rules=(Rule("acc", ">=", 0.9),)))
    told = row(yard).group
    assert told.parallel == 0 and told.sweep is not None and told.sweep.rules == (Rule("acc", ">=", 0.9),)


def test_what_is_no_sweep_is_not_changed(yard: Yard) -> None:
    yard.submit(job(), array=ArraySpec((0, 1)))
    for number in (1, 7):
        with pytest.raises(NotFound):
            yard.service.change_sweep(SweepChange(number, parallel=1))
        with pytest.raises(NotFound):
            grow(yard, number, cell(0))
    assert len(yard.words()) == 2


def test_a_canary(yard: Yard) -> None:
    made = sweep(yard, cell(0), cell(1, -1), cell(2, -1), canary=True)
    assert row(yard).group.sweep.canary == made[0]  # type: ignore[union-attr]
    hand = yard.agent()
    assert [key.job_id for key in hand.orders] == [made[0]]
    hand.starts(made[0])
    hand.ends(made[0], 256)
    told = row(yard)
    assert (told.strip, told.done, told.total) == ("x--", 1, 3)
    assert told.group.ended_at == yard.clock.at


def test_it_ends_once_its_last_cell_has_and_goes_on_when_it_grows(yard: Yard) -> None:
    made = sweep(yard, cell(0), cell(1))
    number = row(yard).group.id
    position = yard.service.changed((f"group:{number}",), 0, 0)
    yard.service.stop(StopCall(made[:1]))
    assert row(yard).group.ended_at is None
    yard.sleep(5)
    yard.service.stop(StopCall(made[1:]))
    assert row(yard).group.ended_at == yard.clock.at
    assert yard.service.changed((f"group:{number}",), position, 5) > position
    more = grow(yard, number, cell(2), cell(3))
    told = row(yard)
    assert (told.group.ended_at, told.group.size, told.last, told.strip) == (None, 4, more[-1], "--..")
    yard.sleep(5)
    yard.service.stop(StopCall(more))
    assert row(yard).group.ended_at == yard.clock.at


def test_it_goes_on_when_a_cell_is_tried_again(yard: Yard) -> None:
    made = sweep(yard, cell(0), cell(1, -1))
    hand = yard.agent()
    hand.starts(made[0])
    hand.ends(made[0], 256)
    assert row(yard).group.ended_at == yard.clock.at and row(yard).ended_at == yard.clock.at
    yard.service.retry(RetryCall(made[:1]))
    told = row(yard)
    assert told.group.ended_at is None and told.ended_at is None and told.done == 0


def test_the_same_submission_twice_is_one_sweep(yard: Yard) -> None:
    call = Submission((cell(0), cell(1)), "the-same-key", group=GroupRequest("lr", TRAIN))
    assert yard.service.submit(call).ids == yard.service.submit(call).ids
    assert len(yard.service.groups(GroupQuery())) == 1


def test_no_arrays_in_a_sweep(yard: Yard) -> None:
    with pytest.raises(UsageError):
        yard.service.submit(Submission((cell(0),), "a-fine-key", {1: ArraySpec((1, 2))}, GroupRequest("lr", TRAIN)))
    with pytest.raises(InvalidSpec):
        GroupRequest("lr")


def report(yard: Yard, job_id: int, metric: str, *values: float, step: float = 0) -> None:
    """A cell reports these values of a metric."""
    told = Reported(metric, values[-1], min(values), max(values), step)

    def work(turn: Any) -> None:
        one: Job = turn.store.job(job_id)
        heard(turn, [(one, [told])])

    yard.controller.call(work)


class TestRules:
    def test_good_enough_ends_the_rest(self, yard: Yard) -> None:
        made = sweep(yard, *map(cell, range(3)), sweep=Sweep(TRAIN.template, ("lr",), (Rule("acc", ">=", 0.9),)))
        hand = yard.agent()
        hand.starts(made[0])
        report(yard, made[0], "acc", 0.5, 0.89)
        report(yard, made[0], "loss", 9.0)
        assert "cancelled" not in yard.words().values()
        report(yard, made[0], "acc", 0.95, 0.7)
        words = yard.words()
        assert words[made[0]] == "running" and {words[made[1]], words[made[2]]} <= {"cancelled", "stopping"}
        assert row(yard).group.sweep.stopped == f"acc >= 0.9: job {made[0]} (lr[0])"  # type: ignore[union-attr]

    def test_a_large_sweep_ends_some_at_a_time(self, yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
        """Those that wait first; others have their turns in between."""
        monkeypatch.setattr(sweeps, "TOGETHER", 2)
        rules = (Rule("acc", ">=", 0.9),)
        made = sweep(yard, *map(cell, range(7)), sweep=Sweep(TRAIN.template, ("lr",), rules), parallel=2)
        hand = yard.agent()
        hand.starts(made[0])
        hand.starts(made[1])
        report(yard, made[0], "acc", 0.95)
        seen = []
        for _ in range(4):
            yard.controller.call(lambda turn: seen.append([turn.store.job(one).word for one in made]))
        assert seen[-1] == ["running", "stopping", *["cancelled"] * 5]
        assert yard.store.documents(sweeps.ENDING) == {}

    def test_too_bad_ends_that_cell(self, yard: Yard) -> None:
        rules = (Rule("loss", ">", 2.0, 100),)
        made = sweep(yard, *map(cell, range(3)), sweep=Sweep(TRAIN.template, ("lr",), rules))
        hand = yard.agent()
        hand.starts(made[0])
        report(yard, made[0], "loss", 5.0, step=99)
        assert yard.words()[made[0]] == "running"
        report(yard, made[0], "loss", 5.0, 1.0, step=100)
        assert yard.words()[made[0]] == "running"
        report(yard, made[0], "loss", 1.0, 5.0, step=101)
        words = yard.words()
        assert words[made[0]] == "stopping" and words[made[1]] != "cancelled"
        assert row(yard).group.sweep.stopped == ""  # type: ignore[union-attr]

    def test_without_rules_nothing_happens(self, yard: Yard) -> None:
        made = sweep(yard, cell(0), cell(1))
        alone = yard.submit(job())
        for job_id in (*made, *alone):
            report(yard, job_id, "acc", 1.0)
        assert "cancelled" not in yard.words().values()

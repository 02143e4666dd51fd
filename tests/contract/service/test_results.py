"""What jobs report, from a beat to lists; who stalls; and GPU hours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runyard.errors import InvalidSpec, NotFound
from runyard.model.filter import JobQuery
from runyard.model.metrics import Metric, Progress, Reading
from runyard.model.spec import GpuRequest, Resources
from runyard.model.usage import UsageQuery, UsageRow
from tests.contract.service.harness import Hand, Yard, a_host, job

TWO_GPUS = Resources(gpus=GpuRequest(2))


def acc(value: float, count: int = 1) -> Metric:
    return Metric("acc", count, value, value, value, float(count), 5.0, ((count, float(count), 5.0, value),))


def tells(hand: Hand, job_id: int, *metrics: Metric, **progress: float) -> Reading:
    """The agent has read this of the job's attempt."""
    now = hand.clock.now()
    known = {"reports": 1, "at": now, "first_at": now, **progress}
    reading = Reading(hand.key(job_id), Progress("train", **known), metrics)  # type: ignore[arg-type]
    hand.beat(readings=(reading,))
    return reading


def names(yard: Yard, **query: Any) -> list[str]:
    return [row.name for row in yard.service.jobs(JobQuery(**query))]


def test_what_a_job_reports_is_listed_and_found(yard: Yard) -> None:
    made, other = yard.submit(job(name="a"), job(name="b"))
    hand = yard.agent()
    hand.starts(made)
    tells(hand, made, acc(0.9), done=20.0, total=100.0, from_at=yard.clock.at - 10)
    row = yard.row(made)
    assert (row.metrics, row.stage, row.done, row.total, row.left_s) == ({"acc": 0.9}, "train", 20.0, 100.0, 40.0)
    yard.clock.at += 30
    assert yard.row(made).left_s == 10.0
    assert [row.name for row in yard.service.jobs(JobQuery(where="acc > 0.8 and progress >= 20 and left < 11s"))] == [
        "a"
    ]
    assert [row.name for row in yard.service.jobs(JobQuery(sort=("-acc",)))] == ["a", "b"]
    (measured,) = yard.service.metrics(made)
    assert measured.metrics == (acc(0.9),) and yard.service.metrics(other) == ()
    hand.ends(made)
    row = yard.row(made)
    assert (row.metrics, row.stage, row.done, row.left_s) == ({"acc": 0.9}, "", None, None)
    with pytest.raises(NotFound):
        yard.service.metrics(99)


def test_the_last_lines_come_with_the_end(yard: Yard) -> None:
    (made,) = yard.submit()
    hand = yard.agent()
    hand.starts(made)
    seen = hand.see(hand.key(made), "ended", ended_at=yard.clock.at)
    hand.beat(seen, readings=(Reading(hand.key(made), Progress(reports=1), (acc(0.7),)),))
    assert yard.row(made).state == "done" and yard.row(made).metrics == {"acc": 0.7}


def test_what_is_told_twice_late_or_of_others_changes_nothing(yard: Yard) -> None:
    (made,) = yard.submit()
    hand = yard.agent()
    hand.starts(made)
    early = tells(hand, made, acc(0.1))
    late = tells(hand, made, acc(0.2, count=2), reports=2)
    hand.beat(readings=(early, late))
    stranger = replace(late.key, token="another")
    hand.beat(readings=(replace(late, key=stranger, metrics=(acc(0.9, count=9),)),))
    hand.beat(readings=(replace(late, key=replace(late.key, job_id=99)),))
    assert yard.row(made).metrics == {"acc": 0.2}
    assert yard.service.metrics(made)[0].metrics[0].count == 2


def test_the_next_attempt_begins_anew_and_shows_the_last_results_until_it_has_some(yard: Yard) -> None:
    (made,) = yard.submit(job(retry=replace(job().retry, limit=1)))
    hand = yard.agent()
    hand.starts(made)
    tells(hand, made, acc(0.5), done=5.0, total=10.0)
    hand.ends(made, 256)
    hand.beat()
    hand.starts(made)
    row = yard.row(made)
    assert (row.attempt, row.metrics, row.done, row.stage) == (2, {"acc": 0.5}, None, "")
    tells(hand, made, acc(0.6))
    assert yard.row(made).metrics == {"acc": 0.6}
    assert [one.number for one in yard.service.metrics(made)] == [1, 2]


def test_who_reports_nothing_for_far_too_long_is_flagged(yard: Yard) -> None:
    (made,) = yard.submit()
    hand = yard.agent()
    hand.starts(made)
    for reports in range(1, 7):
        tells(hand, made, acc(0.5, reports), reports=reports, first_at=yard.clock.at - 2 * reports, longest_s=3.0)
        yard.clock.at += 2
    assert yard.row(made).flags == ()
    yard.clock.at += 61
    hand.beat()
    assert yard.row(made).flags == ("stalled",)
    assert [row.id for row in yard.service.jobs(JobQuery(where="flags = stalled"))] == [made]
    tells(hand, made, acc(0.6, 7), reports=7)
    assert yard.row(made).flags == ()
    yard.clock.at += 1_000
    assert yard.row(made).flags == ("unreachable",), "nobody knows whether it reports"


def test_metrics_wake_who_waits_for_them(yard: Yard) -> None:
    (made,) = yard.submit()
    hand = yard.agent()
    hand.starts(made)
    topics = (f"metrics:{made}",)
    position = yard.service.changed(topics, 0, 0)
    tells(hand, made, acc(0.5))
    assert yard.service.changed(topics, position, 5.0) > position


def test_usage(yard: Yard) -> None:
    first, second, third = yard.submit(*[job(resources=TWO_GPUS) for _ in range(3)])
    hand = yard.agent(a_host(gpus=4))
    hand.starts(first)
    hand.starts(second)
    yard.clock.at += 1_800
    hand.ends(first)
    (row,) = yard.service.usage(UsageQuery())
    assert row == UsageRow("me", "default", active=2, waiting=0, ended={"succeeded": 1}, gpu_hours=2.0)
    (row,) = yard.service.usage(UsageQuery(since="900s"))
    assert row.gpu_hours == 1.0
    yard.clock.at += 1
    (row,) = yard.service.usage(UsageQuery(since="now"))
    assert (row.ended, row.gpu_hours) == ({}, 0.0)
    assert third
    with pytest.raises(InvalidSpec):
        yard.service.usage(UsageQuery("soon"))


def test_all_are_looked_through_a_few_at_a_time(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runyard.service.job_verbs.TOGETHER", 2)
    yard.submit(*(job(name=f"n{place}", priority=priority) for place, priority in enumerate([3, 1, 3, 2, 3, 1])))

    def found(*selectors: str, **query: Any) -> list[str]:
        return [row.name for row in yard.service.jobs(JobQuery(selectors, **query))]

    assert found(sort=("-priority",)) == ["n0", "n2", "n4", "n3", "n1", "n5"]
    assert found(sort=("-priority",), limit=4) == ["n0", "n2", "n4", "n3"]
    assert found(sort=("priority", "-id"), limit=3) == ["n5", "n1", "n3"]
    assert found(where="priority = 3", order="-id", limit=2) == ["n4", "n2"]
    assert found("n0", "n5", where="priority = 1") == ["n5"]
    with pytest.raises(NotFound, match="there is no job named 'n7'"):
        found("n0", "n7", where="priority = 1")

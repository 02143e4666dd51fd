"""Pipelines: jobs that need each other, as one group."""

from __future__ import annotations

from typing import Any

import pytest

from runyard.api import StopCall, Submission
from runyard.errors import InvalidSpec, NotFound, UsageError
from runyard.model.editing import RetryCall
from runyard.model.filter import JobQuery
from runyard.model.group import PIPELINE, SWEEP, GroupQuery, GroupRequest, GroupRow, Members, Sweep
from runyard.model.spec import ArraySpec, Dependency
from runyard.model.template import Template
from tests.contract.service.harness import Yard, job

KEY = "the-key-of-demo"


def pipeline(yard: Yard, name: str = "demo", key: str = KEY, **fields: Any) -> tuple[int, ...]:
    """Two jobs, of which the second needs the first."""
    specs = (job("a", name="first"), job("b", name="second", after=(Dependency(-1),)))
    request = GroupRequest(name, kind=PIPELINE, **fields)
    return yard.service.submit(Submission(specs, key, group=request)).ids


def rows(yard: Yard, **query: Any) -> list[GroupRow]:
    return list(yard.service.groups(GroupQuery(**query)))


def test_one_row_with_its_jobs(yard: Yard) -> None:
    first, second = pipeline(yard, "two words")
    (told,) = rows(yard, kind=PIPELINE, name="two words", members=True)
    assert (told.group.kind, told.group.key, told.group.parallel, told.strip) == (PIPELINE, KEY, 0, "..")
    assert told.members == Members(
        (first, second), ("queued", "waiting"), (None, None), ("", ""), (None, None), (None, None)
    )
    hand = yard.agent()
    hand.starts(first)
    hand.ends(first, 3 << 8)
    (told,) = rows(yard, kind=PIPELINE, members=True)
    assert told.members is not None and told.ended_at == told.group.ended_at == yard.clock.at
    assert told.members.words == ("failed", "skipped")
    assert told.members.exit_codes == (3, None)
    assert told.members.started_at == (yard.clock.at, None)


def test_found_by_its_key_alone(yard: Yard) -> None:
    pipeline(yard)
    pipeline(yard, key="another-key-of-demo")
    assert [row.group.id for row in rows(yard, kind=PIPELINE, name="demo")] == [2, 1]
    assert [row.group.id for row in rows(yard, key=KEY)] == [1]
    assert pipeline(yard) == (1, 2), "the same key is the same pipeline"
    assert len(rows(yard, kind=PIPELINE)) == 2


def test_lists_and_selectors(yard: Yard) -> None:
    pipeline(yard)
    cells = GroupRequest("demo", Sweep(Template("train", ("train",))))
    (cell,) = yard.service.submit(Submission((job(),), "key-of-a-sweep", group=cells)).ids
    alone = yard.submit()[0]
    assert [row.group.kind for row in rows(yard)] == [SWEEP, PIPELINE]
    assert [row.id for row in yard.service.jobs(JobQuery(cells=False))] == [alone]
    assert [row.id for row in yard.service.jobs(JobQuery(("pipeline:demo",)))] == [1, 2]
    assert [row.id for row in yard.service.jobs(JobQuery(("pipeline:1",)))] == [1, 2]
    assert [row.id for row in yard.service.jobs(JobQuery(("sweep:demo",)))] == [cell]
    with pytest.raises(NotFound, match="no pipeline 'nowhere'"):
        yard.service.jobs(JobQuery(("pipeline:nowhere",)))
    assert yard.service.explain(2).sentence.endswith("It is of pipeline 'demo'.")


def test_so_many_at_a_time(yard: Yard) -> None:
    specs = tuple(job(name=f"job {number}") for number in range(3))
    yard.service.submit(Submission(specs, KEY, group=GroupRequest("demo", parallel=2, kind=PIPELINE)))
    assert len(yard.agent().orders) == 2


def test_it_is_told_when_nothing_can_begin_any_more(yard: Yard) -> None:
    first, second = pipeline(yard)
    position = yard.service.changed(("group:1",), 0, 0)
    yard.service.stop(StopCall((first,)))
    assert yard.service.changed(("group:1",), position, 5.0) > position
    yard.service.retry(RetryCall((first,)))
    assert rows(yard)[0].ended_at is None
    assert [row.word for row in yard.service.jobs(JobQuery((f"{first}-{second}",)))] == ["queued", "waiting"]


def test_what_is_no_pipeline(yard: Yard) -> None:
    for wrong in ({"canary": True}, {"into": 1}, {"sweep": Sweep(Template("train", ("train",)))}):
        with pytest.raises(InvalidSpec, match="no cells"):
            GroupRequest("demo", kind=PIPELINE, **wrong)
    for name in (" ", "two\nlines", "x" * 256):
        with pytest.raises(InvalidSpec, match="name"):
            GroupRequest(name, kind=PIPELINE)
    with pytest.raises(InvalidSpec, match="none of sweep, pipeline"):
        GroupRequest("demo", kind="array")
    with pytest.raises(UsageError, match="a pipeline has no arrays"):
        request = GroupRequest("demo", kind=PIPELINE)
        yard.service.submit(Submission((job(),), KEY, {1: ArraySpec((1, 2))}, request))

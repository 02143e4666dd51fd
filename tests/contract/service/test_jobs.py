"""Lists, selectors, one job with its story, why it waits, hold and release, output, and the small verbs."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import replace
from typing import Any

import pytest

from runyard.api import GrepQuery
from runyard.errors import Conflict, InvalidSpec, NotFound, UsageError
from runyard.model.attempt import Result
from runyard.model.events import Assigned, Ended, Started, Submitted
from runyard.model.filter import JobQuery
from runyard.model.host import Device, DeviceProcess
from runyard.model.spec import ArraySpec, Dependency, GpuRequest, Resources
from tests.contract.service.harness import Yard, a_host, job

ONE_GPU = Resources(gpus=GpuRequest(1))


def names(yard: Yard, *selectors: str, **query: object) -> list[str]:
    return [row.name for row in yard.service.jobs(JobQuery(selectors, **query))]  # type: ignore[arg-type]


# lists


def test_selectors(yard: Yard) -> None:
    ids = yard.submit(*[job(name=name) for name in ("a1", "a2", "b", "a10")])
    assert names(yard) == ["a1", "a2", "b", "a10"]
    assert names(yard, str(ids[1])) == ["a2"]
    assert names(yard, f"{ids[1]}-{ids[2]}") == ["a2", "b"]
    assert names(yard, "a*") == ["a1", "a2", "a10"]
    assert names(yard, "a[1-2]", "b") == ["a1", "a2", "b"]
    assert names(yard, "@") == ["a10"]
    assert names(yard, "@~3") == ["a1"]
    assert names(yard, "all") == ["a1", "a2", "b", "a10"]
    assert names(yard, "user:me", mine=True) == ["a1", "a2", "b", "a10"]
    assert names(yard, "user:you") == []
    assert names(yard, "state:queued", "b") == ["a1", "a2", "b", "a10"]
    assert names(yard, "state:pending,done") == ["a1", "a2", "b", "a10"]
    assert names(yard, "queue:default", order="-id", limit=2) == ["a10", "b"]
    assert names(yard, order="name") == ["a1", "a10", "a2", "b"]
    assert names(yard, after_id=ids[1]) == ["b", "a10"]


@pytest.mark.parametrize("selector", ["99", "nobody", "@", "a[7]", "queue:none"])
def test_a_selector_for_one_job_has_to_find_it(yard: Yard, selector: str) -> None:
    with pytest.raises(NotFound, match=re.escape(selector.removeprefix("queue:"))):
        yard.service.jobs(JobQuery((selector,)))


def test_as_many_ids_as_a_selection_has(yard: Yard) -> None:
    ids = yard.submit(job(), job(), job())
    many = tuple(str(number) for number in range(ids[0], 60_000, 2))
    assert [row.id for row in yard.service.jobs(JobQuery(many, limit=len(many)))] == [ids[0], ids[2]]


def test_elements_of_an_array_are_named_as_they_are_shown(yard: Yard) -> None:
    array = yard.submit(job(name="a"), array=ArraySpec((3, 4, 10)))
    single = yard.submit(job(name="a4"))
    for selector, found in {
        "a": array,
        "a[4]": array[1:2],
        "a[3-4]": (*array[:2], *single),
        "name:a[10]": array[2:],
        "user:me": (*array, *single),
    }.items():
        assert tuple(row.id for row in yard.service.jobs(JobQuery((selector,)))) == found, selector
    with pytest.raises(NotFound, match=re.escape("a[5]")):
        yard.service.jobs(JobQuery(("a[5]",)))


@pytest.mark.parametrize("selector", ["99-120", "no*", "all", "state:failed", "queue:default", "group:9", "x[1-3]"])
def test_a_selector_for_many_may_find_none(yard: Yard, selector: str) -> None:
    assert yard.service.jobs(JobQuery((selector,))) == ()


def test_a_page_does_not_miss_what_was_on_another(yard: Yard) -> None:
    ids = yard.submit(job(), job(), job())
    both = (str(ids[0]), str(ids[2]))
    assert [row.id for row in yard.service.jobs(JobQuery(both, limit=1))] == [ids[0]]
    assert [row.id for row in yard.service.jobs(JobQuery(both, after_id=ids[0]))] == [ids[2]]


@pytest.mark.parametrize("selector", ["", "-5", "@x", "9-1", "state:sleepy"])
def test_a_selector_that_is_none(yard: Yard, selector: str) -> None:
    with pytest.raises(InvalidSpec):
        yard.service.jobs(JobQuery((selector,)))


def test_where_and_sort_by_anything(yard: Yard) -> None:
    lrs = ("0.1", "0.01", "1", "")
    yard.submit(*[job(name=f"n{place}", params=(("lr", lr),) if lr else ()) for place, lr in enumerate(lrs)])
    assert names(yard, where="lr < 0.5") == ["n0", "n1"]
    assert names(yard, where="not lr < 0.5") == ["n2"]
    assert names(yard, "n[0-2]", where="name ~ n* and not name = n0", limit=1) == ["n1"]
    assert names(yard, where="lr > 0", limit=1, order="-id") == ["n2"], "the limit counts what is left"
    assert names(yard, sort=("lr",)) == ["n1", "n0", "n2", "n3"]
    assert names(yard, sort=("-lr",), limit=2) == ["n2", "n0"]
    assert names(yard, sort=("queue", "-lr", "name"), limit=9) == ["n2", "n0", "n1", "n3"]
    assert names(yard, where="submitted < -1s") == []
    yard.clock.at += 5
    assert len(names(yard, where="submitted < -1s and age > 1s and waited < 1m and state = queued")) == 4
    assert names(yard, where="submitted > now or started < now") == []


@pytest.mark.parametrize("query", [{"where": "lr >"}, {"where": "(" * 99}, {"sort": ("",)}, {"sort": ("x",) * 99}])
def test_a_filter_or_an_order_that_is_none(yard: Yard, query: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec):
        yard.service.jobs(JobQuery(**query))


def test_the_latest_of_those_that_ended(yard: Yard) -> None:
    ids = yard.submit(*[job() for _ in range(30)])
    hand = yard.agent(a_host(cpus=30))
    for made in ids[:25]:
        hand.ends(made)
        yard.clock.at += 1
    recent = [row.id for row in yard.service.jobs(JobQuery(recent=True))]
    assert recent == list(ids[5:])


# one job


def test_the_whole_story(yard: Yard) -> None:
    (made,) = yard.submit(job("train", name="a", resources=ONE_GPU))
    hand = yard.agent(a_host(gpus=2))
    hand.starts(made, pid=123)
    row = yard.row(made)
    assert (row.state, row.word, row.pid, row.host, row.gpus, row.attempt) == (
        "running",
        "running",
        123,
        "one.example",
        (0,),
        1,
    )
    yard.clock.at += 10
    hand.ends(made, 0x300, detail="")
    detail = yard.service.job(made)
    assert (detail.row.word, detail.row.outcome, detail.row.exit_code, detail.row.pid) == ("failed", "failed", 3, None)
    assert (detail.row.started_at, detail.row.ended_at) == (yard.clock.at - 10, yard.clock.at)
    assert [type(recorded.event) for recorded in detail.events] == [Submitted, Assigned, Started, Ended]
    assert [recorded.number for recorded in detail.events] == [1, 2, 3, 4]
    (attempt,) = detail.attempts
    assert attempt.token == hand.key(made).token
    assert attempt.placements[0].devices == ("GPU-one-0",)
    assert attempt.placements[0].result == Result("runner", 0x300)


def test_no_such_job(yard: Yard) -> None:
    for verb in (yard.service.job, yard.service.explain):
        with pytest.raises(NotFound):
            verb(99)


def test_only_names_of_variables_are_shown(yard: Yard) -> None:
    secret = yard.service.put_blob(json.dumps({"HOME": "/home/me", "API_TOKEN": "s3cret"}).encode())
    lost = hashlib.sha256(b"never sent").hexdigest()
    with_one, without, gone = yard.submit(job(environment=secret), job(), job(environment=lost))
    assert yard.service.job(with_one).environment == ("API_TOKEN", "HOME")
    assert yard.service.job(without).environment == ()
    assert yard.service.job(gone).environment == ()


# why


def test_why_a_job_waits(yard: Yard) -> None:
    held, later, waiting, queued = yard.submit(
        job(hold=True), job(begin_at=yard.clock.at + 60), job(name="w", after=(Dependency(-1),)), job()
    )
    explain = yard.service.explain
    assert explain(held).code == "held"
    assert f"ry release {held}" in explain(held).sentence
    assert (explain(later).code, explain(later).starts_from) == ("begin", yard.clock.at + 60)
    assert (explain(waiting).code, explain(waiting).blockers) == ("dependency", (held,))
    assert explain(queued).code == "no-agent"
    assert yard.row(queued).reason == "the agent of me is not up yet"


def test_who_stands_before_it(yard: Yard) -> None:
    first, second, third = yard.submit(*[job(name=name, resources=Resources(cpus=4)) for name in "abc"])
    hand = yard.agent()
    hand.starts(first)
    told = yard.service.explain(third)
    assert (told.code, told.before, told.blockers) == ("resources", 1, (first,))
    assert f"job {first} (a, running)" in told.sentence
    assert "1 job of its queue comes first" in told.sentence
    assert yard.service.explain(first).sentence == "It is running."
    hand.ends(first)
    assert yard.service.explain(first).sentence == "It has ended: succeeded."
    assert yard.words()[second] == "starting"


def test_what_sits_on_the_gpus_is_told(yard: Yard) -> None:
    busy = Device("GPU-x", 0, "H200", 1000, 600, processes=(DeviceProcess(31, "eve", 600),))
    hand = yard.agent(replace(a_host(), devices=(busy,)))
    (made,) = yard.submit(job(resources=ONE_GPU))
    assert yard.service.explain(made).code == "foreign"
    assert "process 31 of eve" in yard.service.explain(made).sentence
    hand.beat(host=a_host(gpus=1))
    assert yard.words()[made] == "starting"


# hold and release


def test_hold_and_release(yard: Yard) -> None:
    (made,) = yard.submit()
    assert yard.service.hold((made, 99)).refused == {99: "there is no job 99"}
    hand = yard.agent()
    assert yard.words()[made] == "held"
    assert yard.service.release((made,)).changed == (made,)
    hand.beat()
    assert made in {key.job_id for key in hand.orders}


def test_what_is_not_waiting_is_not_held(yard: Yard) -> None:
    (made,) = yard.submit()
    hand = yard.agent()
    for _ in range(3):
        result = yard.service.hold((made,))
        assert result.changed == ()
        assert made in result.refused
        hand.starts(made) if yard.words()[made] == "starting" else hand.ends(made)


def test_a_change_of_the_same_job_twice_is_one(yard: Yard) -> None:
    (made,) = yard.submit()
    assert yard.service.hold((made, made)).changed == (made,)
    assert len(yard.service.job(made).events) == 2


# output


def test_output_by_range_and_lines(yard: Yard) -> None:
    (made,) = yard.submit()
    with pytest.raises(Conflict, match="has not started"):
        yard.service.output(made, 0, 0, 10)
    hand = yard.agent()
    hand.starts(made)
    data = b"one\ntwo\xff\0\nthree\n"
    yard.outputs.written[made, 1] = data
    service = yard.service
    assert service.output(made, 0, 0, 5).data == b"one\nt"
    assert service.output(made, 1, -6, 100).data == b"three\n"
    assert service.output(made, 1, 4, 2).offset == 4
    assert not service.output(made, 0, 0, 100).final
    assert service.tail(made, 0, 1).data == b"three\n"
    assert service.head(made, 0, 2).data == b"one\ntwo\xff\0\n"
    assert service.tail(made, 0, -1).data == service.head(made, 0, -1).data == b""
    assert b"".join(service.grep(made, 0, GrepQuery("t"))) == b"two\xff\0\nthree\n"
    assert b"".join(service.grep(made, 0, GrepQuery("nothing"))) == b""
    hand.ends(made)
    whole = service.output(made, 0, 0, 100)
    assert (whole.data, whole.size, whole.final) == (data, len(data), True)
    assert not service.output(made, 0, 0, 5).final
    assert service.tail(made, 0, 1).final


def test_output_that_is_not_there(yard: Yard) -> None:
    (made,) = yard.submit()
    hand = yard.agent()
    hand.starts(made)
    yard.outputs.written[made, 1] = b"x"
    for number in (2, -1):
        with pytest.raises(NotFound):
            yard.service.tail(made, number, 1)
    with pytest.raises(NotFound):
        yard.service.head(99, 0, 1)
    with pytest.raises(InvalidSpec, match="parenthesis"):
        list(yard.service.grep(made, 0, GrepQuery("(")))
    with pytest.raises(NotFound):
        list(yard.service.grep(99, 0, GrepQuery("x")))


# the small verbs


def test_blobs(yard: Yard) -> None:
    data = os.urandom(100_000)
    name = yard.service.put_blob(data)
    assert name == hashlib.sha256(data).hexdigest()
    assert yard.service.put_blob(data) == name
    assert yard.service.blob(name) == data
    assert yard.service.put_blob(b"") == hashlib.sha256(b"").hexdigest()
    with pytest.raises(NotFound):
        yard.service.blob("0" * 64)


@pytest.mark.parametrize("name", ["x", "../yard.sqlite", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_what_is_no_blob(yard: Yard, name: str) -> None:
    with pytest.raises(UsageError):
        yard.service.blob(name)


def test_hosts_and_status(yard: Yard) -> None:
    assert yard.service.hosts() == ()
    first, second = yard.submit(job(name="a", resources=ONE_GPU), job(hold=True))
    host = a_host(gpus=2)
    hand = yard.agent(host)
    hand.starts(first, pid=55)
    assert yard.service.hosts() == (host,)
    status = yard.service.status()
    assert (status.pid, status.version, status.yard, status.epoch) == (os.getpid(), "1.2.3", yard.controller.yard.id, 1)
    assert (status.home, status.store, status.config) == ("/home/of/yard", "memory:", "/home/of/yard/config.toml")
    (agent,) = status.agents
    assert (agent.id, agent.user, agent.pid, agent.incarnation) == (hand.name, "me", 4242, 1)
    (running,) = status.running
    assert (running.id, running.stage, running.pid, running.agent) == (first, "running", 55, hand.name)
    assert (status.waiting, status.problems, status.draining) == (1, (), False)
    assert second not in {row.id for row in status.running}


def test_clean(yard: Yard) -> None:
    assert yard.service.clean() == (7, 8)
    assert yard.service.clean(dry=True) == (7, 8, 9)

"""What is accepted, what is not, and that saying it twice is saying it once."""

from __future__ import annotations

import pytest

from runyard.api import Submission
from runyard.errors import InvalidSpec, StorageFull, UsageError
from runyard.model.filter import JobQuery
from runyard.model.queue import Queue
from runyard.model.spec import ArraySpec, Dependency, GpuRequest, JobSpec, Resources
from tests.contract.service.harness import START, Yard, a_host, job


def test_ids_rise_and_the_job_is_there(yard: Yard) -> None:
    first, second = yard.submit(job("echo", "hello", name="greeting"), job("true"))
    assert second == first + 1
    row = yard.row(first)
    assert (row.name, row.command, row.queue, row.user) == ("greeting", "echo hello", "default", "me")
    assert (row.state, row.word, row.outcome, row.exit_code) == ("pending", "queued", None, None)
    assert (row.submitted_at, row.started_at, row.ended_at) == (START, None, None)
    assert yard.row(second).name == "true"


def test_the_same_key_gives_the_same_ids(yard: Yard) -> None:
    submission = Submission((job(), job()), "one-and-the-same")
    receipt = yard.service.submit(submission)
    assert yard.service.submit(submission) == receipt
    assert len(yard.service.jobs(JobQuery())) == 2


def test_a_job_belongs_to_who_submits_it(yard: Yard) -> None:
    (made,) = yard.submit(job(user="somebody-else"))
    assert yard.row(made).user == "me"


@pytest.mark.parametrize("key", ["", "short", "with a space in it", "x" * 129, "new\nline-in-it", "../../etc/passwd"])
def test_a_key_that_is_none(yard: Yard, key: str) -> None:
    with pytest.raises(InvalidSpec, match="key"):
        yard.service.submit(Submission((job(),), key))


def test_nothing_at_all(yard: Yard) -> None:
    with pytest.raises(UsageError, match="no job"):
        yard.service.submit(Submission((), "a-fine-key"))


def test_an_array(yard: Yard) -> None:
    ids = yard.submit(job("train", name="sweep"), array=ArraySpec((0, 1, 5), parallel=2))
    rows = [yard.row(made) for made in ids]
    assert [row.array_index for row in rows] == [0, 1, 5]
    assert len({row.group for row in rows}) == 1
    hand = yard.agent()
    assert sorted(key.job_id for key in hand.orders) == list(ids[:2])
    variables = dict(hand.orders[hand.key(ids[1])].variables)
    assert variables["RUNYARD_ARRAY_INDEX"] == "1"
    assert yard.row(ids[2]).reason == "its group runs 2 of 2"


@pytest.mark.parametrize("place", [0, 3, -1])
def test_an_array_of_no_job(yard: Yard, place: int) -> None:
    with pytest.raises(InvalidSpec, match="array"):
        yard.service.submit(Submission((job(),) * 2, "a-fine-key", {place: ArraySpec((1, 2))}))
    assert yard.words() == {}


def test_arrays_beside_other_jobs(yard: Yard) -> None:
    """One submission, and twice the same: two arrays with limits of their own, and one who waits for all of both."""
    specs = (
        job("a", name="a"),
        job("report", after=(Dependency(-1), Dependency(-3, "afterany"))),
        job("b", name="b"),
        job("plain"),
    )
    submission = Submission(specs, "a-key-of-arrays", {1: ArraySpec((0, 1, 2), 1), 3: ArraySpec((5, 6))})
    receipt = yard.service.submit(submission)
    assert yard.service.submit(submission) == receipt
    rows = [yard.row(made) for made in receipt.ids]
    assert [(row.name, row.array_index) for row in rows] == [
        ("a", 0), ("a", 1), ("a", 2), ("report", None), ("b", 5), ("b", 6), ("plain", None),
    ]  # fmt: skip
    first, other = rows[0].group, rows[4].group
    assert [row.group for row in rows] == [first, first, first, None, other, other, None] and first != other
    ids = receipt.ids
    waits = yard.service.job(ids[3]).spec.after
    assert [(wanted.job_id, wanted.kind) for wanted in waits] == [
        *((made, "afterok") for made in ids[:3]), *((made, "afterany") for made in ids[4:6]),
    ]  # fmt: skip
    hand = yard.agent()
    assert sorted(key.job_id for key in hand.orders) == [ids[0], *ids[4:]]
    assert yard.row(ids[1]).reason == "its group runs 1 of 1"


def test_an_array_without_indices(yard: Yard) -> None:
    with pytest.raises(InvalidSpec, match="array"):
        yard.submit(array=ArraySpec())


def test_dependencies_within_a_submission_and_on_earlier_jobs(yard: Yard) -> None:
    (earlier,) = yard.submit()
    first, second, third = yard.submit(
        job("a", after=(Dependency(-3),)),
        job("b", after=(Dependency(earlier), Dependency(-1, "afterany"))),
        job("c"),
    )
    assert yard.words() == {earlier: "queued", first: "waiting", second: "waiting", third: "queued"}
    assert yard.row(second).reason == "waits for 2 jobs"
    assert yard.service.job(third).dependants == (first,)
    assert yard.service.job(second).spec.after == (Dependency(earlier), Dependency(first, "afterany"))


@pytest.mark.parametrize("wanted", [99, 0, -2, -99])
def test_a_dependency_that_does_not_exist(yard: Yard, wanted: int) -> None:
    with pytest.raises(InvalidSpec, match="after"):
        yard.submit(job(after=(Dependency(wanted),)))
    assert yard.words() == {}


def test_a_circle_is_named(yard: Yard) -> None:
    ring = [job(name=name, after=(Dependency(-place),)) for name, place in (("a", 2), ("b", 3), ("c", 1))]
    with pytest.raises(InvalidSpec, match=r"circle: a -> b -> c -> a"):
        yard.submit(*ring)
    with pytest.raises(InvalidSpec, match="circle"):
        yard.submit(job(after=(Dependency(-1),)))


def test_a_dependency_that_is_decided_already(yard: Yard) -> None:
    good, bad = yard.submit(job(), job())
    hand = yard.agent()
    hand.ends(good)
    hand.ends(bad, 0x300)
    ready, skipped, met = yard.submit(
        job(after=(Dependency(good),)), job(after=(Dependency(bad),)), job(after=(Dependency(bad, "afternotok"),))
    )
    words = yard.words()
    assert (words[ready], words[skipped], words[met]) == ("starting", "skipped", "starting")
    assert f"job {bad}" in yard.row(skipped).reason


def test_an_unknown_queue_is_named_with_those_there_are(yard: Yard) -> None:
    yard.service.save_queue(Queue("night"))
    with pytest.raises(InvalidSpec, match=r"'nacht'.*default, night"):
        yard.submit(job(), job(queue="nacht"))
    assert yard.words() == {}


def test_a_unique_job_is_found_again_as_long_as_it_lives(yard: Yard) -> None:
    (first,) = yard.submit(job(unique="nightly"))
    receipt = yard.receipt(job(unique="nightly"), job(unique="weekly"))
    assert receipt.ids[0] == first
    assert receipt.existing == (first,)
    hand = yard.agent()
    hand.ends(first)
    assert yard.receipt(job(unique="nightly")).existing == ()


@pytest.mark.parametrize(
    ("resources", "says"),
    [
        (Resources(gpus=GpuRequest(3)), "3 GPUs.*one.example.*has 2"),
        (Resources(gpus=GpuRequest(1, model="A100")), "A100.*H200"),
        (Resources(gpus=GpuRequest(1, memory_mb=1_001)), "1001 MB of a GPU"),
        (Resources(cpus=5), "5 CPUs"),
        (Resources(memory_mb=16_001), "16001 MB"),
    ],
)
def test_more_than_any_host_has_is_refused_at_once(yard: Yard, resources: Resources, says: str) -> None:
    yard.agent(a_host(gpus=2))
    with pytest.raises(InvalidSpec, match=says):
        yard.submit(job(resources=resources))


def test_before_the_first_agent_nobody_knows_what_there_is(yard: Yard) -> None:
    (made,) = yard.submit(job(resources=Resources(gpus=GpuRequest(8))))
    assert yard.words() == {made: "queued"}


def test_a_full_disk_accepts_nothing_new(yard: Yard) -> None:
    hand = yard.agent()
    (before,) = yard.submit()
    hand.beat()
    object.__setattr__(yard.shared, "free_mb", lambda: 49)
    with pytest.raises(StorageFull, match="50 MB"):
        yard.submit()
    hand.ends(before)
    assert yard.words() == {before: "succeeded"}
    object.__setattr__(yard.shared, "free_mb", lambda: 51)
    yard.submit()


def test_all_that_a_job_can_ask_for_comes_back(yard: Yard) -> None:
    spec = JobSpec(
        ("echo \udcff $HOME",), name="é\u2028<script>", workdir="/tmp/a b", shell="bash", setup=("set -u",),
        output="%j-%x.log", input="in.txt", priority=-5, hold=True, begin_at=2e9, time_limit_s=90.5, grace_s=1.5,
        on_lost="requeue", resources=Resources(2, 100, GpuRequest(1, 10)), unique="u", user="me",
    )  # fmt: skip
    (made,) = yard.submit(spec)
    assert yard.service.job(made).spec == spec
    assert yard.row(made).word == "held"

"""From a submission to new jobs: keys, arrays, circles, queues and what hosts can give."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.api import Submission
from runyard.errors import InvalidSpec, UsageError
from runyard.model.host import Device, Host
from runyard.model.spec import ArraySpec, Dependency, GpuRequest, JobSpec, Resources
from runyard.service.submissions import check_queues, check_resources, new_jobs
from runyard.store.base import NewGroup, NewJobs

KEY = "a-key-of-a-test"


def job(*after: int, name: str = "") -> JobSpec:
    return JobSpec(("true",), name=name, after=tuple(Dependency(wanted) for wanted in after))


def made(*specs: JobSpec, arrays: dict[int, ArraySpec] | None = None) -> NewJobs:
    return new_jobs(Submission(specs, KEY, arrays or {}), "me", 5.0, lambda spec: None)


def test_the_jobs_are_those_of_the_caller() -> None:
    new = made(replace(job(), user="eve"), job(name="b"))
    assert [spec.user for spec in new.specs] == ["me", "me"]
    assert (new.key, new.user, new.at, new.groups) == (KEY, "me", 5.0, ())


def test_an_array_is_a_group() -> None:
    new = made(job(name="sweep"), arrays={1: ArraySpec((3, 1, 2), 2)})
    assert [spec.array_index for spec in new.specs] == [3, 1, 2]
    assert new.groups == (NewGroup("array", "sweep", 0, 3, 2),)


def test_arrays_among_plain_jobs() -> None:
    """Who waits for an array waits for all of it; who waits behind it still waits for whom he meant."""
    new = made(
        job(-4, name="first"),
        job(-1, name="sweep"),
        job(-2, 77, name="report"),
        job(name="data"),
        job(-2, -4, name="again"),
        arrays={2: ArraySpec((7, 9)), 5: ArraySpec((0, 1, 2), 2)},
    )
    assert [(spec.name, spec.array_index) for spec in new.specs] == [
        ("first", None), ("sweep", 7), ("sweep", 9), ("report", None), ("data", None),
        ("again", 0), ("again", 1), ("again", 2),
    ]  # fmt: skip
    assert [[wanted.job_id for wanted in spec.after] for spec in new.specs] == [
        [-5], [-1], [-1], [-2, -3, 77], [], *[[-2, -3, -5]] * 3,
    ]  # fmt: skip
    assert new.groups == (NewGroup("array", "sweep", 1, 2), NewGroup("array", "again", 5, 3, 2))


def test_an_array_does_not_wait_for_itself() -> None:
    with pytest.raises(InvalidSpec, match="circle: a -> b -> a"):
        made(job(-2, name="a"), job(-1, name="b"), arrays={1: ArraySpec((1, 2))})


def test_two_large_arrays_have_a_job_between_them() -> None:
    large = ArraySpec(tuple(range(2_000)))
    with pytest.raises(InvalidSpec, match=r"4000000 dependencies.*between two large arrays"):
        made(job(), job(-1), arrays={1: large, 2: large})
    assert len(made(job(), job(-1), job(-2), arrays={1: large, 3: large}).specs) == 4_001


@pytest.mark.parametrize("arrays", [{1: ArraySpec()}, {0: ArraySpec((1,))}, {3: ArraySpec((1,))}])
def test_what_is_no_array(arrays: dict[int, ArraySpec]) -> None:
    with pytest.raises(InvalidSpec, match="array"):
        made(job(), job(), arrays=arrays)


def test_too_many() -> None:
    one = job()
    with pytest.raises(UsageError, match="1000001"):
        made(*[one] * 1_000_001)
    with pytest.raises(UsageError, match="1000001"):
        made(one, one, arrays={2: ArraySpec(tuple(range(1_000_000)))})


@pytest.mark.parametrize(
    ("specs", "circle"),
    [
        ([job(-1, name="a")], "a -> a"),
        ([job(-2, name="a"), job(-1, name="b")], "a -> b -> a"),
        ([job(name="x"), job(-3, name="a"), job(-4, name="b"), job(-1, -2, name="c")], "a -> b -> c -> a"),
    ],
)
def test_a_circle_is_named(specs: list[JobSpec], circle: str) -> None:
    with pytest.raises(InvalidSpec, match="circle: " + circle):
        made(*specs)


def test_a_circle_of_ten_thousand() -> None:
    ring = [job(-(place % 10_000 + 1)) for place in range(1, 10_001)]
    with pytest.raises(InvalidSpec, match="circle"):
        made(*ring)


def test_a_chain_of_ten_thousand_is_none() -> None:
    chain = [job(), *[job(-place) for place in range(1, 10_000)]]
    assert len(made(*chain).specs) == 10_000
    assert len(made(*[job(-(place + 1)) for place in range(1, 10_000)], job()).specs) == 10_000


def test_a_fan_of_ten_thousand_is_none() -> None:
    assert len(made(job(), *[job(-1) for _ in range(10_000)], job(*range(-10_001, -1))).specs) == 10_002


def test_many_ways_to_one_place_are_walked_once() -> None:
    """A ladder of diamonds has 2**2000 ways from end to end."""
    ladder = [job()]
    for _ in range(2_000):
        last = len(ladder)
        ladder += [job(-last), job(-last), job(-(last + 1), -(last + 2))]
    assert len(made(*ladder).specs) == 6_001


@pytest.mark.parametrize("place", [-3, -1000])
def test_a_place_that_is_not_in_this_submission(place: int) -> None:
    with pytest.raises(InvalidSpec, match=f"job {-place} of this submission does not exist"):
        made(job(), job(place))


@given(st.data())
def test_a_circle_is_found_where_there_is_one_and_nowhere_else(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 8))
    edges = data.draw(st.lists(st.tuples(st.integers(1, size), st.integers(1, size)), max_size=14))
    specs = [job(*[-to for start, to in edges if start == place]) for place in range(1, size + 1)]
    if _has_circle(size, edges):
        with pytest.raises(InvalidSpec, match="circle"):
            made(*specs)
    else:
        made(*specs)


def _has_circle(size: int, edges: list[tuple[int, int]]) -> bool:
    """By taking away whoever waits for nobody, until nothing is left or nothing can be taken."""
    left = set(range(1, size + 1))
    while free := {place for place in left if not any(start == place and to in left for start, to in edges)}:
        left -= free
    return bool(left)


def test_queues() -> None:
    check_queues([replace(job(), queue="a"), job()], ["default", "a"])
    with pytest.raises(InvalidSpec, match=r"'b'.*a, default"):
        check_queues([replace(job(), queue="b")], ["default", "a"])


def host(cpus: int, memory_mb: int, *devices: Device) -> Host:
    return Host(f"h{cpus}", f"h{cpus}", "b", cpus, memory_mb, devices)


SMALL = host(2, 32_000, Device("G0", 0, "H200", 141_000))
LARGE = host(64, 8_000, Device("G1", 0, "A100 80GB", 80_000), Device("G2", 1, "A100 80GB", 80_000))


@pytest.mark.parametrize(
    "resources",
    [
        Resources(),
        Resources(64),
        Resources(0, 32_000),
        Resources(gpus=GpuRequest(2)),
        Resources(gpus=GpuRequest(1, 100_000)),
        Resources(gpus=GpuRequest(1, model="a100")),
        Resources(gpus=GpuRequest(1, model="H2")),
        Resources(gpus=GpuRequest(2, indices=(0, 1))),
    ],
)
def test_what_some_host_has(resources: Resources) -> None:
    check_resources([replace(job(), resources=resources)], [SMALL, LARGE])


@pytest.mark.parametrize(
    ("resources", "says"),
    [
        (Resources(65), "65 CPUs .* has 64"),
        (Resources(1, 32_001), "32001 MB .* has 32000"),
        (Resources(gpus=GpuRequest(3)), r"3 GPUs .*\(h64\) has 2"),
        (Resources(gpus=GpuRequest(1, 141_001)), "141001 MB .* of a GPU .* has 141000"),
        (Resources(gpus=GpuRequest(1, model="V100")), "no GPU is a 'V100'; there are: A100 80GB, H200"),
    ],
)
def test_what_no_host_has(resources: Resources, says: str) -> None:
    with pytest.raises(InvalidSpec, match=says):
        check_resources([replace(job(), resources=resources)], [SMALL, LARGE])
    check_resources([replace(job(), resources=resources)], [])

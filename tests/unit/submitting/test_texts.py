"""Spans, moments, sizes, arrays, GPUs, dependencies: what people type."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from runyard.errors import InvalidSpec
from runyard.model import sizes
from runyard.model.nearest import meant, nearest
from runyard.model.spec import ArraySpec, Dependency, GpuRequest
from runyard.submitting import arrays, dependencies, durations, gpus, job_options
from runyard.submitting.ground import Here
from runyard.submitting.past import past_moment

HOUR = 3_600


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A zone with summer time, wherever the tests run."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90 * 60),
        ("1.5", 90),
        ("30s", 30),
        ("90m", 90 * 60),
        ("2h", 2 * HOUR),
        ("1h30m", 1.5 * HOUR),
        ("1.5h", 1.5 * HOUR),
        ("2 days", 48 * HOUR),
        ("1w", 7 * 24 * HOUR),
        ("10:30", 630),
        ("1:10:30", HOUR + 630),
        ("1-12", 36 * HOUR),
        ("1-12:30", 36.5 * HOUR),
        ("1-12:30:10", 36.5 * HOUR + 10),
    ],
)
def test_spans(text: str, seconds: float) -> None:
    assert durations.seconds(text, "time") == seconds


def test_a_bare_number_may_count_seconds() -> None:
    assert durations.seconds("5", "grace", bare_s=1) == 5


@pytest.mark.parametrize("text", ["", "soon", "5 parsecs", "1:2:3:4", "-5", "1-", "2h of sleep", "1e3"])
def test_no_spans(text: str) -> None:
    with pytest.raises(InvalidSpec, match="time: "):
        durations.seconds(text, "time")


NOON = time.mktime((2026, 3, 28, 12, 0, 0, 0, 0, -1))


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("now", (2026, 3, 28, 12, 0, 0)),
        ("+2h", (2026, 3, 28, 14, 0, 0)),
        ("now+30s", (2026, 3, 28, 12, 0, 30)),
        ("22:00", (2026, 3, 28, 22, 0, 0)),
        ("12:00", (2026, 3, 29, 12, 0, 0)),
        ("8:30:15", (2026, 3, 29, 8, 30, 15)),
        ("2026-12-31", (2026, 12, 31, 0, 0, 0)),
        ("2026-12-31T08:00", (2026, 12, 31, 8, 0, 0)),
        ("2026-12-31 08:00:01", (2026, 12, 31, 8, 0, 1)),
    ],
)
def test_moments(text: str, at: tuple[int, ...]) -> None:
    berlin = "Europe/Berlin"
    assert time.tzname[0] == "CET", f"needs the zone {berlin}"
    noon = time.mktime((2026, 3, 28, 12, 0, 0, 0, 0, -1))
    assert durations.moment(text, noon, "begin") == time.mktime((*at, 0, 0, -1))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "25:00", "12:60", "2026-02-30", "2026-13-01", "tomorrow", "+", "+soon"])
def test_no_moments(text: str) -> None:
    with pytest.raises(InvalidSpec, match="begin: "):
        durations.moment(text, NOON, "begin")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("now", (2026, 3, 28, 12, 0, 0)),
        ("9:00", (2026, 3, 28, 9, 0, 0)),
        ("22:30:01", (2026, 3, 27, 22, 30, 1)),
        ("today", (2026, 3, 28, 0, 0, 0)),
        ("yesterday", (2026, 3, 27, 0, 0, 0)),
        ("-2h", (2026, 3, 28, 10, 0, 0)),
        (" 2026-03-28T11:59", (2026, 3, 28, 11, 59, 0)),
    ],
)
def test_moments_that_have_been(text: str, at: tuple[int, ...]) -> None:
    noon = time.mktime((2026, 3, 28, 12, 0, 0, 0, 0, -1))
    assert past_moment(text, noon, "ended") == time.mktime((*at, 0, 0, -1))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "25:00", "2026-03-28T12:01", "2999-01-01", "tomorrow", "+2h", "-90y"])
def test_no_moments_that_have_been(text: str) -> None:
    noon = time.mktime((2026, 3, 28, 12, 0, 0, 0, 0, -1))
    with pytest.raises(InvalidSpec, match="is no moment that has been"):
        past_moment(text, noon, "ended")


SIZES = {"10G": 10_240, "500M": 500, "1.5g": 1_536, "100": 100, "1K": 1, "2TB": 2 << 20, "1GiB": 1_024}


@pytest.mark.parametrize(("text", "megabytes"), SIZES.items())
def test_sizes(text: str, megabytes: int) -> None:
    assert sizes.megabytes(text, "mem") == megabytes


@pytest.mark.parametrize("text", ["", "G", "ten", "1P", "-1G"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(InvalidSpec, match="mem: "):
        sizes.megabytes(text, "mem")


@pytest.mark.parametrize(
    ("text", "array"),
    [
        ("3", ArraySpec((3,))),
        ("0-3", ArraySpec((0, 1, 2, 3))),
        ("0-3%2", ArraySpec((0, 1, 2, 3), 2)),
        ("1,3,5-9:2", ArraySpec((1, 3, 5, 7, 9))),
        ("9,1", ArraySpec((9, 1))),
    ],
)
def test_arrays(text: str, array: ArraySpec) -> None:
    assert arrays.parse(text) == array


@pytest.mark.parametrize("text", ["", "a", "3-1", "1,1", "0-5,3", "0-9%0", "0-9%", "0-9:0", "0-99999999", "1,,2"])
def test_no_arrays(text: str) -> None:
    with pytest.raises(InvalidSpec, match="array: "):
        arrays.parse(text)


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("2", GpuRequest(2)),
        ("0", GpuRequest(0)),
        ("2:a100", GpuRequest(2, model="a100")),
        ("a100:2", GpuRequest(2, model="a100")),
        ("a100", GpuRequest(1, model="a100")),
        ("4090:2", GpuRequest(2, model="4090")),
        ("2:4090", GpuRequest(2, model="4090")),
        ("1,mem=10G", GpuRequest(1, 10_240)),
        ("1:a100,mem=10G,share", GpuRequest(1, 10_240, "a100")),
        ("mem=10G", GpuRequest(1, 10_240)),
        ("index=0,2", GpuRequest(2, indices=(0, 2))),
        ("2,index=0,2,mem=1G", GpuRequest(2, 1_024, indices=(0, 2))),
    ],
)
def test_gpus(text: str, request_: GpuRequest) -> None:
    assert gpus.parse(text) == request_


@pytest.mark.parametrize(
    "text",
    ["", "-1", "2:", ":a100", "1,share", "1,mem=", "3,index=0,1", "index=x", "1,2", "index=1,1", "a;b", "1,mem=0"],
)
def test_no_gpus(text: str) -> None:
    with pytest.raises(InvalidSpec, match="gpus: "):
        gpus.parse(text)


def test_gres() -> None:
    assert [gpus.gres(text) for text in ("gpu", "gpu:2", "gpu:a100:2")] == ["1", "2", "a100:2"]
    with pytest.raises(InvalidSpec):
        gpus.gres("fpga:1")


def test_dependencies() -> None:
    known = {"prep": (8,), "@": (9,), "train*": (3, 4)}

    def resolved(text: str) -> list[tuple[int, str]]:
        found = dependencies.resolve(dependencies.parse(text), lambda name: known[name])
        return [(one.job_id, one.kind) for one in found]

    assert resolved("12") == [(12, "afterok")]
    assert resolved("12:13,12") == [(12, "afterok"), (13, "afterok")]
    assert resolved("afterok:12:prep,afterany:@") == [(12, "afterok"), (8, "afterok"), (9, "afterany")]
    assert resolved("afternotok:train*") == [(3, "afternotok"), (4, "afternotok")]
    assert dependencies.resolve((), lambda name: ()) == ()
    assert dependencies.resolve(dependencies.parse("5"), lambda name: ()) == (Dependency(5),)


@pytest.mark.parametrize("text", ["", "afterok:", "afterwards:3", "1,,2", "1?2", "afterok:1::2"])
def test_no_dependencies(text: str) -> None:
    with pytest.raises(InvalidSpec, match="after: "):
        dependencies.parse(text)


def test_the_nearest_word() -> None:
    known = ["retries", "retry-on", "name", "gpus"]
    assert [nearest(word, known) for word in ("retry_on", "nmae", "gpu", "zzz")] == ["retry-on", "name", "gpus", ""]
    assert meant("nmae", known) == "; did you mean 'name'?"
    assert meant("zzz", known) == ""


@pytest.mark.parametrize("name", ["all", "@", "@~2", "state:failed", "queue:x", "name:x"])
def test_a_job_is_not_called_what_selects_others(name: str) -> None:
    with pytest.raises(InvalidSpec, match="call the job something else"):
        job_options.read({"name": name}, Here({}, "/", 0.0))


@pytest.mark.parametrize("name", ["", "train", "12", "-x", "all-of-them", "a@b", "states:x"])
def test_a_job_may_be_called(name: str) -> None:
    assert job_options.read({"name": name}, Here({}, "/", 0.0)) == {"name": name}


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("sweep:lr", ["sweep:lr"]),
        ("afterany:sweep:lr:12", ["sweep:lr", "12"]),
        ("12:name:12:queue:x", ["12", "name:12", "queue:x"]),
        ("sweep", ["sweep"]),
    ],
)
def test_a_prefix_belongs_to_what_follows_it(text: str, items: list[str]) -> None:
    assert [one.text for one in dependencies.parse(text)] == items


@pytest.mark.parametrize("text", ["sweep:", "12:", ":12", "12::13", "afterok:", ""])
def test_a_dependency_that_names_no_job(text: str) -> None:
    with pytest.raises(InvalidSpec, match=r"after: .*a job is missing"):
        dependencies.parse(text)

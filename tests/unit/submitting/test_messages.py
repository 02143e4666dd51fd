"""What is refused: the message names what was wrong, and what is accepted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runyard.errors import InvalidSpec
from runyard.model import sizes
from runyard.submitting import arrays, durations, environment

NOW = 1_700_000_000.0


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(InvalidSpec) as caught:
        call()
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("+99999999d", "is too far away: later than the year 5000; use 22:00, +2h"),
        ("9999-01-01", "is too far away"),
        ("+" + "9" * 400 + "d", "is too far away"),
        ("1960-01-01", "is before 1970; use 22:00"),
    ],
)
def test_moments(text: str, says: str) -> None:
    told = refusal(lambda: durations.moment(text, NOW, "begin"))
    assert told.startswith("begin: ") and text in told and says in told


def test_the_latest_moment_is_one_that_a_job_may_have() -> None:
    assert 0 < durations.moment("4999-12-30", NOW, "begin") < durations.LATEST_S < 1e11


def test_spans_of_endless_digits() -> None:
    assert "is no time span; use 30s" in refusal(lambda: durations.seconds("9" * 400 + "-00:00", "time"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("5-1", "a range goes from the lower index to the higher: 1-5"),
        ("0-9%0", "after % comes how many may run at a time: at least 1, as in 0-9%2"),
        ("0-9%", "after % comes how many may run at a time: at least 1, as in 0-9%2"),
        ("0-9:0", "after : comes the step: at least 1"),
        ("20000000", "the highest index is 10000000"),
        ("0-100000000", "the highest index is 10000000"),
        ("0-2000000", "at most 1000000 jobs in one array"),
    ],
)
def test_arrays(text: str, says: str) -> None:
    assert refusal(lambda: arrays.parse(text)).startswith(f"array: {text!r}: {says}")


@pytest.mark.parametrize("text", ["1000T", "257T", "9" * 400 + "G"])
def test_more_memory_than_there_is(text: str) -> None:
    assert refusal(lambda: sizes.megabytes(text, "mem")) == (
        f"mem: {text!r} is more than any machine has; at most 256T"
    )
    assert sizes.megabytes("256T", "mem") == 256 << 20


def test_a_file_of_variables_is_named() -> None:
    told = refusal(lambda: environment.read_file("A=1\nMISSING\n", {}, "bad.env"))
    assert told.startswith("env-file: bad.env, line 2: MISSING is not set here")

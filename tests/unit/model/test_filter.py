"""Each way to name jobs, what it must not be taken for, and which selectors spread."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.errors import InvalidSpec
from runyard.model.filter import NAMES_MAX, RANGE_MAX, Selector, expand_names, parse_selector, spreads
from runyard.model.job import WORDS, JobState
from runyard.model.spec import ARRAY_INDEX_MAX


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        ("12", Selector(ids=(12, 12))),
        ("012", Selector(ids=(12, 12))),
        ("12-20", Selector(ids=(12, 20))),
        ("7-7", Selector(ids=(7, 7))),
        ("@", Selector(last=0)),
        ("@~0", Selector(last=0)),
        ("@~2", Selector(last=2)),
        ("all", Selector(everything=True)),
        ("state:failed", Selector(words=("failed",))),
        ("state:failed,lost", Selector(words=("failed", "lost"))),
        ("state:not-started", Selector(words=("not-started",))),
        ("state:pending", Selector(states=(JobState.PENDING,))),
        ("state:done,held", Selector(words=("held",), states=(JobState.DONE,))),
        ("state:running", Selector(words=("running",))),
        ("queue:gpu", Selector(queue="gpu")),
        ("group:7", Selector(group=7)),
        ("user:ann", Selector(user="ann")),
        ("user:me", Selector(everything=True)),
        ("name:12", Selector(names=("12",))),
        ("name:all", Selector(names=("all",))),
        ("name:a[1-2]", Selector(names=("a1", "a2"), elements=("a", 1, 2))),
        ("a[08-10]", Selector(names=("a08", "a09", "a10"), elements=("a", 8, 10))),
        ("a[*]", Selector(names=("a[*]",), elements=("a", 0, ARRAY_INDEX_MAX))),
        ("a*[*]", Selector(names=("a*[*]",))),
        ("a[3]", Selector(names=("a[3]",), elements=("a", 3, 3))),
        ("a[1-2]b", Selector(names=("a1b", "a2b"))),
        ("a*[3]", Selector(names=("a*[3]",))),
        ("[3]", Selector(names=("[3]",))),
        ("train", Selector(names=("train",))),
        ("train*", Selector(names=("train*",))),
        ("a:b", Selector(names=("a:b",))),
        ("12a", Selector(names=("12a",))),
        ("12-", Selector(names=("12-",))),
        ("a-1", Selector(names=("a-1",))),
        ("all-of-them", Selector(names=("all-of-them",))),
        ("two\nlines", Selector(names=("two\nlines",))),
    ],
)
def test_each_selector(text: str, selector: Selector) -> None:
    assert parse_selector(text) == selector


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "names no job"),
        ("-1", "names no job"),
        ("--all", "names no job"),
        ("@me", "names no job"),
        ("@~", "names no job"),
        ("@~-1", "names no job"),
        ("20-12", "lower id"),
        (f"1-{RANGE_MAX + 2}", "lower id"),
        ("state:", "which state"),
        ("queue:", "which queue"),
        ("state:sleepy", "sleepy"),
        ("state:failed,", "one of"),
        ("group:seven", "has a number"),
        ("group:" + "9" * 19, "has a number"),
        ("x[5-1]", "lower number"),
        (f"x[0-{NAMES_MAX}]", "lower number"),
    ],
)
def test_what_is_no_selector(text: str, says: str) -> None:
    with pytest.raises(InvalidSpec, match=says):
        parse_selector(text)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("job[1-3]", ("job1", "job2", "job3")),
        ("job[01-04]", ("job01", "job02", "job03", "job04")),
        ("job[08-11]", ("job08", "job09", "job10", "job11")),
        ("job[8-11]", ("job8", "job9", "job10", "job11")),
        ("job[098-101]x", ("job098x", "job099x", "job100x", "job101x")),
        ("[0-1]", ("0", "1")),
        ("[00-1]", ("00", "01")),
        ("a[5-5]", ("a5",)),
        ("a[x-y]", ("a[x-y]",)),
        ("a[1-", ("a[1-",)),
        ("plain", ("plain",)),
    ],
)
def test_ranges_of_names(text: str, names: tuple[str, ...]) -> None:
    assert expand_names(text) == names


def test_the_largest_range_of_names() -> None:
    assert len(expand_names(f"x[1-{NAMES_MAX}]")) == NAMES_MAX


@given(st.integers(0, 10**6), st.integers(0, 50), st.integers(0, 8))
def test_a_range_counts_up_and_keeps_its_width(first: int, more: int, zeros: int) -> None:
    low = "0" * zeros + str(first)
    if len(low) > 9:
        return
    names = expand_names(f"n[{low}-{first + more}]")
    assert [int(name[1:]) for name in names] == list(range(first, first + more + 1))
    assert names[0] == "n" + low
    assert all(len(name) >= len(low) + 1 for name in names)


@pytest.mark.parametrize("word", WORDS)
def test_every_word_of_a_list_can_be_selected(word: str) -> None:
    assert parse_selector("state:" + word).words == (word,)


@pytest.mark.parametrize("state", [state for state in JobState if state is not JobState.RUNNING])
def test_every_state_can_be_selected(state: JobState) -> None:
    assert parse_selector("state:" + state.value).states == (state,)


@pytest.mark.parametrize(
    ("text", "several"),
    [("12", False), ("7-7", False), ("@", False), ("train", False), ("name:train", False), ("a[5-5]", False),
     ("12-13", True), ("all", True), ("train*", True), ("a?", True), ("a[1-2]", True), ("state:failed", True),
     ("queue:x", True), ("group:1", True), ("user:me", True)],
)  # fmt: skip
def test_which_selectors_spread(text: str, several: bool) -> None:
    assert parse_selector(text).spreads is several
    assert spreads(["1", text]) is several


@given(st.text(max_size=30))
def test_any_text_is_a_selector_or_refused(text: str) -> None:
    try:
        selector = parse_selector(text)
    except InvalidSpec:
        return
    fields: Any = vars(selector)
    chosen = [name for name, value in fields.items() if value not in (None, (), "", False)]
    assert len(chosen) == 1 or set(chosen) <= {"words", "states"}

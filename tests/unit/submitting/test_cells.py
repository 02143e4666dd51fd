"""From what was typed to the cells of a sweep."""

from __future__ import annotations

from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.errors import InvalidSpec
from runyard.submitting.cells import axis, distinct, from_table, items, times
from runyard.submitting.sweeping import Variation, cells_of


def cells(*axes: str, **options: object) -> list[dict[str, str]]:
    return cells_of(Variation(axes, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.1,0.01", ("0.1", "0.01")),
        ("adam", ("adam",)),
        ("a=b,c", ("a=b", "c")),
        ("b[0-3]", ("b0", "b1", "b2", "b3")),
        ("f[08-10].txt", ("f08.txt", "f09.txt", "f10.txt")),
        ("[64,64],[128]", ("64,64", "128")),
        ("", ("",)),
        ("a,", ("a", "")),
    ],
)
def test_lists(text: str, expected: tuple[str, ...]) -> None:
    assert items(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x=range(3)", ("0", "1", "2")),
        ("x=range(2,8,3)", ("2", "5")),
        ("x=range(3,0,-1)", ("3", "2", "1")),
        ("x=range(0,0.3,0.1)", ("0", "0.1", "0.2")),
        ("x=linspace(0,1,5)", ("0", "0.25", "0.5", "0.75", "1")),
        ("x=logspace(1e-3,1,4)", ("0.001", "0.01", "0.1", "1")),
    ],
)
def test_rows_of_numbers(text: str, expected: tuple[str, ...]) -> None:
    assert axis(text).values == expected


@pytest.mark.parametrize(
    "text",
    [
        "x", "=1", "x=loguniform(0,1)", "x=loguniform(1)", "x=uniform(2,1)", "x=uniform(a,b)", "x=int(2,1)",
        "x=range()", "x=range(1,2,0)", "x=linspace(1,2)", "x=logspace(0,1,3)", "x=unifrom(0,1)", "x=[a,b",
        "x=range(9e9)", "x=uniform(0,inf)", "x=choice()", "x=range(0,3", "x=range(0,3)4",
    ],
)  # fmt: skip
def test_no_values(text: str) -> None:
    with pytest.raises(InvalidSpec):
        axis(text)


def test_a_grid_changes_the_last_quickest() -> None:
    assert cells("a=1,2", "b=x,y") == [
        {"a": "1", "b": "x"}, {"a": "1", "b": "y"}, {"a": "2", "b": "x"}, {"a": "2", "b": "y"},
    ]  # fmt: skip


def test_side_by_side() -> None:
    assert cells("a=1,2,3", "b=x", "c=p[0-2]", side_by_side=True) == [
        {"a": "1", "b": "x", "c": "p0"}, {"a": "2", "b": "x", "c": "p1"}, {"a": "3", "b": "x", "c": "p2"},
    ]  # fmt: skip
    with pytest.raises(InvalidSpec, match="2 values, where others have 3"):
        cells("a=1,2,3", "b=x,y", side_by_side=True)


@given(st.integers(0, 2**32), st.integers(1, 20))
def test_the_same_seed_draws_the_same(seed: int, count: int) -> None:
    options = ("lr=loguniform(1e-4,1e-1)", "n=int(1,6)", "opt=a,b", "m=uniform(0,1)")
    made = cells(*options, drawn=count, seed=seed)
    assert made == cells(*options, drawn=count, seed=seed)
    for cell in made:
        assert log(1e-4) - 1e-5 <= log(float(cell["lr"])) <= log(1e-1) + 1e-5
        assert 1 <= int(cell["n"]) <= 6 and cell["opt"] in ("a", "b") and 0 <= float(cell["m"]) <= 1


def test_what_is_drawn_needs_a_number() -> None:
    with pytest.raises(InvalidSpec, match="--random"):
        cells("lr=uniform(0,1)")


def test_a_table() -> None:
    assert from_table("lr, opt\n0.1,adam\n\n0.2,\n") == [{"lr": "0.1", "opt": "adam"}, {"lr": "0.2"}]
    assert cells("seed=1,2", csv="lr\n0.1\n0.2\n") == times(
        [{"lr": "0.1"}, {"lr": "0.2"}], [{"seed": "1"}, {"seed": "2"}]
    )
    for wrong in ("", "lr\n", "lr,lr\n1,2\n", "lr\n1,2\n", ",a\n1,2\n"):
        with pytest.raises(InvalidSpec):
            from_table(wrong)


def test_a_table_in_json() -> None:
    expected = [{"lr": "0.1", "amp": "true", "size": "1,2"}, {"lr": "2"}]
    assert from_table('[{"lr": 0.1, "amp": true, "size": [1, 2]}, {"lr": 2, "x": null}]') == expected
    assert from_table('{"lr": 0.1, "amp": true, "size": [1, 2]}\n\n{"lr": 2}\n') == expected
    for wrong in ("[1]", "[", '{"a": {"b": 1}}', "[]", '{"a": 1} {"b": 2}'):
        with pytest.raises(InvalidSpec):
            from_table(wrong)


def test_each_once_and_not_too_many() -> None:
    assert cells("a=1,1,2") == [{"a": "1"}, {"a": "2"}]
    assert distinct([{"a": "1", "b": "2"}, {"b": "2", "a": "1"}]) == [{"b": "2", "a": "1"}]
    with pytest.raises(InvalidSpec, match="cells"):
        cells("a=range(1000)", "b=range(1000)")
    with pytest.raises(InvalidSpec, match="given twice"):
        cells("a=1", "a=2")
    with pytest.raises(InvalidSpec, match="nothing varies"):
        cells()


def test_who_means_the_queue_by_p_is_told_its_letter() -> None:
    with pytest.raises(InvalidSpec, match="a queue is -q NAME"):
        axis("night")

"""Records are what the standard library's frozen dataclasses are."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import pytest

from runyard.model.record import changed, dataclass


@dataclass(frozen=True)
class Own:
    """A record with every kind of field."""

    first: int
    second: str = "b"
    third: list[int] = dataclasses.field(default_factory=list)
    last: tuple[int, ...] = ()


@dataclass(frozen=True, order=True)
class Pair:
    """One that can be sorted."""

    left: int
    right: str = ""


@dataclass(frozen=True)
class Checked:
    """One that checks itself."""

    size: int

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError(self.size)


@dataclass(frozen=True)
class Nothing:
    """One without fields."""


def test_made_by_place_and_by_name() -> None:
    made = Own(1, "x", last=(2,))
    assert (made.first, made.second, made.third, made.last) == (1, "x", [], (2,))
    assert Own(1).third is not Own(1).third
    assert repr(made) == "Own(first=1, second='x', third=[], last=(2,))"
    assert Own.__match_args__ == ("first", "second", "third", "last")


@pytest.mark.parametrize(
    ("values", "named"), [((), {}), ((1, 2, 3, 4, 5), {}), ((1,), {"first": 1}), ((1,), {"fourth": 4})]
)
def test_what_does_not_fit_is_no_record(values: tuple[Any, ...], named: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="Own"):
        Own(*values, **named)


def test_equal_by_class_and_fields() -> None:
    assert Pair(1, "a") == Pair(1, right="a") != Pair(1, "b")
    assert hash(Pair(1, "a")) == hash(Pair(1, "a"))
    assert Nothing() == Nothing() and hash(Nothing()) == hash(Nothing())
    assert Pair(1).__eq__(Checked(1)) is NotImplemented
    assert sorted([Pair(2), Pair(1, "b"), Pair(1, "a")]) == [Pair(1, "a"), Pair(1, "b"), Pair(2)]


@pytest.mark.parametrize("name", ["first", "fifth"])
def test_frozen(name: str) -> None:
    made = Own(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, name, 2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        delattr(made, name)


def test_the_standard_library_knows_it() -> None:
    made = Own(1, last=(5,))
    assert dataclasses.is_dataclass(Own)
    assert [field.name for field in dataclasses.fields(made)] == ["first", "second", "third", "last"]
    assert dataclasses.replace(made, second="c") == Own(1, "c", last=(5,))
    assert copy.copy(made) == copy.deepcopy(made) == pickle.loads(pickle.dumps(made)) == made


def test_a_copy_with_other_values() -> None:
    made = Own(1)
    assert changed(made, first=2) == Own(2) and made == Own(1)
    with pytest.raises(TypeError, match="Own has no fourth"):
        changed(made, fourth=4)


def test_it_checks_itself_where_it_is_made() -> None:
    with pytest.raises(ValueError, match="-1"):
        Checked(-1)
    with pytest.raises(ValueError, match="-1"):
        dataclasses.replace(Checked(1), size=-1)

"""Templates, and the numbers of their runs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from runyard.errors import Conflict, InvalidSpec, NotFound
from runyard.model.record import changed
from runyard.model.template import TEMPLATE_BYTES, NumbersCall, Parameter, Template
from tests.contract.service.harness import Yard

TRAIN = Template(
    "train", ("python", "train.py"), parameters=(Parameter("lr", "float", "0.1"),), options={"gpus": ("1",)}
)


def test_saved_changed_and_removed(yard: Yard) -> None:
    saved = yard.service.save_template(TRAIN)
    assert (saved.version, saved.user, saved.saved_at) == (1, "me", yard.clock.at)
    assert yard.service.templates() == (saved,)
    again = yard.service.save_template(changed(saved, description="x"))
    assert again.version == 2 and yard.service.templates() == (again,)
    yard.service.remove_template("train")
    assert yard.service.templates() == ()
    with pytest.raises(NotFound):
        yard.service.remove_template("train")


def test_in_the_order_of_names(yard: Yard) -> None:
    for name in ("b", "a", "C"):
        yard.service.save_template(changed(TRAIN, name=name))
    assert [one.name for one in yard.service.templates()] == ["C", "a", "b"]


def test_who_was_slower_is_told(yard: Yard) -> None:
    saved = yard.service.save_template(TRAIN)
    with pytest.raises(Conflict, match="already"):
        yard.service.save_template(TRAIN)
    yard.service.save_template(saved)
    with pytest.raises(Conflict, match="changed meanwhile"):
        yard.service.save_template(saved)
    yard.service.remove_template("train")
    with pytest.raises(Conflict, match="removed meanwhile"):
        yard.service.save_template(saved)


def test_what_is_no_template(yard: Yard) -> None:
    with pytest.raises((InvalidSpec, NotFound)):  # by its URL it cannot even be named
        yard.service.save_template(changed(TRAIN, name=""))
    with pytest.raises(InvalidSpec, match="bytes"):
        yard.service.save_template(changed(TRAIN, description="x" * TEMPLATE_BYTES))


def test_numbers_are_given_once(yard: Yard) -> None:
    assert yard.service.numbers(NumbersCall("train")) == 1
    assert yard.service.numbers(NumbersCall("train", 3)) == 2
    assert yard.service.numbers(NumbersCall("train", 2, least=10)) == 10
    assert yard.service.numbers(NumbersCall("train", least=3)) == 12
    assert yard.service.numbers(NumbersCall("other")) == 1
    with ThreadPoolExecutor(8) as pool:
        firsts = list(pool.map(lambda _: yard.connect().numbers(NumbersCall("train", 2)), range(24)))
    assert sorted(firsts) == list(range(13, 13 + 48, 2))


def test_numbers_outlive_their_template(yard: Yard) -> None:
    """A new one of the name must not run into the directories of the old one."""
    yard.service.save_template(TRAIN)
    yard.service.numbers(NumbersCall("train", 5))
    yard.service.remove_template("train")
    yard.service.save_template(TRAIN)
    assert yard.service.numbers(NumbersCall("train")) == 6

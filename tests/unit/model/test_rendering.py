"""How values stand on a command line."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.errors import InvalidSpec
from runyard.model.rendering import checked, fill, names_in, render, values_of
from runyard.model.template import Parameter, Template


def template(*parameters: Parameter, command: tuple[str, ...] = ("train",), **more: Any) -> Template:
    return Template("t", command, parameters=parameters, **more)


def words(*parameters: Parameter, **given: str) -> tuple[str, ...]:
    """What follows `train`."""
    return render(template(*parameters), given).words[1:]


@pytest.mark.parametrize(
    ("one", "value", "expected"),
    [
        (Parameter("lr", "float"), "0.1", ("--lr", "0.1")),
        (Parameter("batch_size"), "8", ("--batch-size", "8")),
        (Parameter("batch_size", flag="--batch_size"), "8", ("--batch_size", "8")),
        (Parameter("lr", style="equals"), "0.1", ("--lr=0.1",)),
        (Parameter("lr", flag="-l"), "0.1", ("-l", "0.1")),
        (Parameter("lr"), "-0.1", ("--lr=-0.1",)),
        (Parameter("lr"), "", ("--lr", "")),
        (Parameter("data", style="positional"), "a b", ("a b",)),
        (Parameter("data", style="positional"), "-x", ("--", "-x")),
        (Parameter("amp", "bool"), "yes", ("--amp",)),
        (Parameter("amp", "bool"), "0", ()),
        (Parameter("amp", "bool", flag="--amp", off="--no-amp"), "off", ("--no-amp",)),
        (Parameter("amp", "bool", off="--fast"), "true", ()),
        (Parameter("amp", "bool", style="equals"), "true", ("--amp=true",)),
        (Parameter("tag", many="each"), "a,b", ("--tag", "a", "--tag", "b")),
        (Parameter("tag", many="each", style="equals"), "a,b", ("--tag=a", "--tag=b")),
        (Parameter("size", "int", many="together"), "1,2", ("--size", "1", "2")),
        (Parameter("model.size", style="hydra"), "3", ("model.size=3",)),
        (Parameter("amp", "bool", style="hydra"), "true", ("amp=true",)),
        (Parameter("name", style="hydra"), "it's a, b", ("name='it\\'s a, b'",)),
        (Parameter("betas", style="hydra"), "[0.9,0.99]", ("betas=[0.9,0.99]",)),
    ],
)
def test_a_value_on_the_command_line(one: Parameter, value: str, expected: tuple[str, ...]) -> None:
    assert words(one, **{one.name: value}) == expected


def test_what_the_command_knows_itself_is_not_said() -> None:
    lr = Parameter("lr", "float", "0.1", implied=True)
    assert words(lr) == words(lr, lr="0.1") == ()
    assert words(Parameter("lr", "float", "0.1")) == ("--lr", "0.1")
    assert render(template(lr), {}).params == (("lr", "0.1"),)


def test_words_alone_come_first() -> None:
    """Several values behind one flag would take them in."""
    assert words(Parameter("tags", many="together"), Parameter("data", style="positional"), tags="a,b", data="d") == (
        "d",
        "--tags",
        "a",
        "b",
    )


def test_places() -> None:
    made = render(
        template(Parameter("lr"), Parameter("opt"), command=("sh", "-c", "x", "{lr}-{opt}", "{no}", "${lr}", "{{lr}}")),
        {"lr": "a b", "opt": "sgd"},
    )
    assert made.words == ("sh", "-c", "x", "a b-sgd", "{no}", "${lr}", "{lr}")


def test_a_text_for_a_shell_gets_quoted_values() -> None:
    value = "x'; rm -rf / #"
    made = render(
        template(Parameter("a"), Parameter("b"), command=("echo {a} | cat",), shell=True), {"a": value, "b": "c d"}
    )
    assert shlex.split(made.words[0], comments=False) == ["echo", value, "|", "cat", "--b", "c d"]


@given(st.text(st.characters(exclude_characters="\0"), max_size=20))
def test_no_value_becomes_more_than_one_word_of_a_shell(value: str) -> None:
    made = render(template(Parameter("a"), command=("echo {a}",), shell=True), {"a": value})
    if "{a}" not in value:
        assert shlex.split(made.words[0]) == ["echo", value]


def test_numbers() -> None:
    one = Parameter("out", default="runs/{opt}-{n:03d}")
    opt = Parameter("opt", default="sgd")
    assert render(template(one, opt), {}, 7).words[1:] == ("--out", "runs/sgd-007", "--opt", "sgd")
    assert fill("{n}/{n:02d}/{n:5d}/{{n}}", {"n": "3"}) == "3/03/00003/{n}"
    with pytest.raises(InvalidSpec, match="no whole number"):
        fill("{opt:03d}", {"opt": "sgd"})
    assert names_in(["{n:03d} {a.b}", "${c} {{d}} {1}"]) == {"n", "a.b"}


@pytest.mark.parametrize(
    ("one", "value", "says"),
    [
        (Parameter("lr", "float"), "much", "lr: a number was expected, not 'much'"),
        (Parameter("n", "int"), "1.5", "n: a whole number was expected"),
        (Parameter("n", "int", least=1), "0", "n: at least 1, not 0"),
        (Parameter("p", "float", most=1), "1.5", "p: at most 1, not 1.5"),
        (Parameter("p", "float", least=0), "nan", "p: at least 0"),
        (Parameter("amp", "bool"), "maybe", "amp: true or false"),
        (Parameter("opt", choices=("adam", "sgd")), "adm", "opt: 'adm' is none of adam, sgd"),
        (Parameter("size", "int", many="together"), "1,x", "size: a whole number"),
    ],
)
def test_a_wrong_value_is_named(one: Parameter, value: str, says: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        checked(one, value)
    assert refused.value.message.startswith(says)


def test_what_has_to_be_given() -> None:
    with pytest.raises(InvalidSpec, match="data: this has to be given"):
        values_of(template(Parameter("data", required=True)), {})
    with pytest.raises(InvalidSpec, match="lr: it stands in the command"):
        render(template(Parameter("lr"), command=("train", "{lr}")), {})


def test_a_job_keeps_what_differs_where_there_is_too_much() -> None:
    many = [Parameter(f"p{number}", default="x", implied=True) for number in range(400)]
    made = render(template(*many), {"p7": "y"})
    assert made.params == (("p7", "y"),)
    assert made.words == ("train", "--p7", "y")


def test_what_an_option_hands_over_is_not_said_again() -> None:
    i, lr = Parameter("i"), Parameter("lr")
    options = {"input": ("part{i}.txt",), "name": ("{lr}",)}
    assert render(template(i, lr, options=options), {"i": "1", "lr": "2"}).words == ("train", "--lr", "2")
    found = template(i, lr, options=options, source="argparse")
    assert render(found, {"i": "1", "lr": "2"}).words == ("train", "--i", "1", "--lr", "2")


def test_defaults_below_another_config_are_not_known() -> None:
    model = Parameter("model", default="small", choices=("small", "big"), style="hydra", implied=True)
    layers = Parameter("model.layers", "int", "2", style="hydra", implied=True)
    lr = Parameter("lr", default="1", style="hydra", implied=True)
    assert dict(render(template(model, layers, lr), {}).params) == {"model": "small", "model.layers": "2", "lr": "1"}
    made = render(template(model, layers, lr), {"model": "big"})
    assert made.words[1:] == ("model=big",) and dict(made.params) == {"model": "big", "lr": "1"}
    made = render(template(model, layers, lr), {"model": "big", "model.layers": "9"})
    assert made.words[1:] == ("model=big", "model.layers=9")

"""Parameters by hand, templates as files, jobs as configuration files."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from runyard.errors import InvalidSpec
from runyard.model.record import changed
from runyard.model.rule import Rule, parse_rule
from runyard.model.template import Parameter, Template
from runyard.submitting import toml_text
from runyard.submitting.config_file import nested, text_of
from runyard.submitting.parameters import merged, parse
from runyard.submitting.template_file import edited, read, write
from tests.unit.model.records import OWN


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lr", Parameter("lr", required=True)),
        ("lr=0.1", Parameter("lr", default="0.1")),
        ("lr:float=0.1", Parameter("lr", "float", "0.1")),
        ("n:int(1,9)=3", Parameter("n", "int", "3", least=1, most=9)),
        ("p:float(0,)", Parameter("p", "float", required=True, least=0)),
        ("opt:choice(adam, sgd)=sgd", Parameter("opt", default="sgd", choices=("adam", "sgd"))),
        ("tags:text+=a,b", Parameter("tags", default="a,b", many="together")),
        ("tag:str*=", Parameter("tag", default="", many="each")),
        ("out=runs/{n:03d}", Parameter("out", default="runs/{n:03d}")),
        ("a=b=c", Parameter("a", default="b=c")),
    ],
)
def test_by_hand(text: str, expected: Parameter) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "lr:flaot=1", "lr:float=x", "n:int(1)=1", "n:int(a,b)=1", "opt:choice()", "opt:choice(a,b)=c", "a b", "1x"],
)
def test_no_parameter(text: str) -> None:
    with pytest.raises(InvalidSpec):
        parse(text)


def test_what_is_written_wins_over_what_is_found() -> None:
    found = (Parameter("lr", "float", "0.1", flag="--learning-rate", help="rate", implied=True), Parameter("x"))
    assert merged(found, (parse("lr:float=0.5"), parse("new=1"))) == (
        Parameter("lr", "float", "0.5", flag="--learning-rate", help="rate"),
        Parameter("x"),
        Parameter("new", default="1"),
    )


@given(OWN[Template])
def test_a_template_comes_back_from_its_file(template: Template) -> None:
    options = {"gpus": ("1",), "env": ("A=1", "B=x y")}
    template = changed(template, options=options, user="", saved_at=0.0, version=0)
    assert read(write(template), template.name) == template


VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(-(2**62), 2**62), st.floats(allow_nan=False, allow_infinity=False), st.text(
        st.characters(exclude_categories=["Cs"]), max_size=10
    )),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@given(
    st.recursive(
        st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), VALUES, max_size=4),
        lambda inner: st.dictionaries(st.sampled_from(["a", "b c", ""]), st.one_of(VALUES, inner), max_size=3),
        max_leaves=4,
    )
)
def test_toml_comes_back(table: dict[str, Any]) -> None:
    assert tomllib.loads(toml_text.dumps(table)) == table


def test_an_edit_of_a_default_is_passed_on() -> None:
    before = Template(
        "t", ("train",), parameters=(Parameter("lr", "float", "0.1", implied=True), Parameter("x", implied=True))
    )
    after = edited(before, write(before).replace('"0.1"', '"0.2"'))
    assert [one.implied for one in after.parameters] == [False, True]
    assert edited(before, write(before)) == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = ", "no TOML"),
        ("comand = 'x'", "did you mean 'command'"),
        ("command = 'x'\n[options]\ngpu = 1", "did you mean 'gpus'"),
        ("command = 'x'\n[parameters.lr]\ntyp = 'int'", "did you mean 'type'"),
        ("command = 'x'\n[parameters.lr]\ntype = 'complex'", "none of text, int"),
        ("parameters = 3\ncommand = 'x'", "a table was expected"),
        ("script = 1\ncommand = 'x'", "true or false"),
        ("", "command"),
    ],
)
def test_a_wrong_file(text: str, says: str) -> None:
    with pytest.raises(InvalidSpec, match=says):
        read(text, "t")


def test_short_forms_in_a_file() -> None:
    made = read("command = 'x {lr}'\nparameters.lr = 0.1\nparameters.tags = ['a', 'b']\noptions.gpus = 2\n", "t")
    assert made.shell and made.options == {"gpus": ("2",)}
    assert [one.default for one in made.parameters] == ["0.1", "a,b"]


KNOWN = Template(
    "t", ("x",), parameters=(Parameter("lr", "float"), Parameter("name"), Parameter("size", "int", many="together"))
)
PARAMS = (("lr", "1"), ("name", "007"), ("size", "1,2"), ("model.depth", "3"), ("model.act", "relu"), ("amp", "true"))
EXPECTED = {"lr": 1.0, "name": "007", "size": [1, 2], "model": {"depth": 3, "act": "relu"}, "amp": True}


def test_a_job_as_a_configuration() -> None:
    assert nested(PARAMS, KNOWN) == EXPECTED
    assert tomllib.loads(text_of(PARAMS, KNOWN, "a.toml")) == EXPECTED
    assert json.loads(text_of(PARAMS, KNOWN, "a.json")) == EXPECTED
    assert yaml.safe_load(text_of(PARAMS, KNOWN, "a.yaml")) == EXPECTED
    assert nested((("model", "big"), ("model.depth", "3"))) == {"model": {"_": "big", "depth": 3}}
    assert nested((("model.depth", "3"), ("model", "big"))) == {"model": {"_": "big", "depth": 3}}
    with pytest.raises(InvalidSpec, match=r"\*\.toml"):
        text_of(PARAMS, KNOWN, "a.ini")


def test_rules() -> None:
    assert parse_rule("acc >= 0.99") == Rule("acc", ">=", 0.99)
    assert parse_rule("val/loss>2e-3 after 100") == Rule("val/loss", ">", 0.002, 100)
    assert parse_rule("val/loss>2e-3 after 100").text == "val/loss > 0.002 after 100"
    for wrong in ("", "acc", "acc = 1", "acc > x", "acc > 1 after", "a b > 1", "acc > 1-2", "acc > 1 after x"):
        with pytest.raises(InvalidSpec):
            parse_rule(wrong)
    early = Rule("loss", ">", 2.0, 100)
    assert (
        not early.holds(3.0, 99) and not early.holds(1.0, 200) and not early.holds(3.0, None) and early.holds(3.0, 100)
    )

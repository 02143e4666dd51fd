"""The filter language: what it means, what it refuses and where, and that no text makes it do anything else."""

from __future__ import annotations

import datetime
import fnmatch
import operator
import re
from collections.abc import Callable
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.api import JobRow
from runyard.errors import InvalidSpec
from runyard.model.fields import FIELDS, rank, value_of
from runyard.model.job import WORDS
from runyard.model.moments import Calendar
from runyard.model.where import (
    DEPTH_MAX,
    LENGTH_MAX,
    Both,
    Comparison,
    Either,
    Expression,
    Not,
    names_in,
    parse,
    predicate,
    text_of,
)

NOW = 1_780_000_000.0
ZONE = datetime.timezone.utc
TODAY = datetime.datetime.fromtimestamp(NOW, ZONE)
CALENDAR = Calendar(NOW, (TODAY.year, TODAY.month, TODAY.day), lambda local: local.replace(tzinfo=ZONE).timestamp())
ROW: dict[str, Any] = {
    "id": 12, "name": "train", "array_index": 3, "group": None, "word": "running", "state": "running", "outcome": None,
    "exit_code": None, "reason": "", "attempt": 2, "flags": (), "queue": "gpu", "user": "ann", "priority": -5,
    "host": "box", "gpus_wanted": 2, "gpus": (0, 3), "pid": 77, "command": "python train.py --lr 0.01", "workdir": "/w",
    "template": "", "submitted_at": NOW - 7200, "started_at": NOW - 3600, "ended_at": None,
    "params": (("lr", "0.01"), ("opt", "Adam"), ("name", "resnet"), ("val loss", "x y")),
    "metrics": {"acc": 0.93, "lr": 5.0, "val/f1": 0.5, "step": 40.0}, "public": (("DQ_PROJECT", "protein"),),
    "stage": "train", "done": 20.0, "total": 80.0, "left_s": 90.0, "note": "", "place": 12,
}  # fmt: skip


def matches(text: str, **changes: Any) -> bool:
    row = JobRow(**{**ROW, **changes})
    return predicate(parse(text), CALENDAR)(lambda name: value_of(row, name, NOW))


@pytest.mark.parametrize(
    "text",
    [
        "acc > 0.8", "acc>0.8 and lr<=1e-2", "acc = .93", "acc == 0.930", "acc != 1", "'val/f1' >= 0.5", "val/f1 < 1",
        "lr = 0.01", "lr = 1e-2", "metric:lr = 5", "param:lr < 1", "param:name = resnet", "name = train",
        "name ~ RA", "name ~ tr*", "name ~ *n", "name ~ t?ain", "command ~ 'train.py --lr'", "name !~ x", "opt ~ adam",
        "opt = Adam", "opt != adam", "'val loss' = 'x y'", '"val loss" = "x y"', "state = running", "state != failed",
        "gpu = 3", "gpu != 1", "gpus = 2", "gpus >= 2", "index = 3", "attempt > 1", "priority < 0", "runtime > 59m",
        "runtime < 1h1s", "runtime = 1h", "waited = 1h", "waited < 1h30m", "age > 90m", "submitted < -1h",
        "submitted > -1d", "started > today", "started <= now", "submitted > yesterday", "started < 2030-01-01",
        "started > '2020-01-01 10:00'", "started > 2020-01-01T10:00:59", "submitted < 23:59:59", "flags != stalled",
        "not flags = stalled", "host = box", "user=ann", "not (acc < 0.5 or lr > 1)", "acc < 0.5 or queue = gpu",
        "NOT acc < 0.5 AND queue = gpu", "nothing = 1 or acc > 0.5", "not not acc > 0.5", "pid = 77", "id >= 12",
        "DQ_PROJECT = protein", "acc < 1 and (lr > 1 or (opt = Adam and not state = failed))", "queue < h", "acc ~ 0.9",
        "progress = 25", "left > 1m", "stage = train", "place = 12",
    ],
)  # fmt: skip
def test_what_holds(text: str) -> None:
    assert matches(text)
    assert not matches(f"not ({text})")


@pytest.mark.parametrize(
    "text",
    [
        "nothing = 1", "nothing != 1", "nothing ~ x", "nothing !~ x", "nothing < 1", "ended < now", "exit_code = 0",
        "exit_code != 0", "outcome != failed", "reason ~ x", "reason != x", "group != 7", "acc > 0.5 and nothing = 1",
        "opt > 5", "acc > high", "template != x", "metric:opt = Adam", "param:acc > 0", "note ~ x",
    ],
)  # fmt: skip
def test_what_is_missing_matches_in_no_way(text: str) -> None:
    assert not matches(text)
    assert not matches(f"not ({text})")


def test_a_number_in_quotes_is_a_text() -> None:
    assert matches("lr = '0.01'") and not matches("lr = '0.010'") and matches("lr = 0.010")


def test_what_it_says_of_ended_jobs() -> None:
    ended = {"state": "done", "word": "failed", "outcome": "failed", "exit_code": 3, "ended_at": NOW - 600}
    assert matches("runtime = 50m and exit_code = 3 and ended > -11m and state = failed and state = done", **ended)
    assert matches("waited = 1h50m", **{**ended, "started_at": None})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("acc", "at its end: one of"),
        ("acc >", "at its end: a value was expected behind '>'"),
        ("acc > and", "at character 7, before 'and': a value"),
        ("acc 0.8", "at character 5, before '0.8': one of"),
        ("acc > 0.8 lr < 1", "at character 11, before 'lr < 1': 'and' or 'or' was expected"),
        ("acc > 0.8 and", "at its end: the name of"),
        ("and acc > 1", "at character 1, before 'and acc > 1': the name"),
        ("(acc > 1", "at character 1, before '(acc > 1': this parenthesis is not closed"),
        ("(acc > 1 lr", "at character 10, before 'lr': 'and', 'or' or ')'"),
        ("acc > 1)", "at character 8, before ')': there is no parenthesis"),
        ("()", "at character 2, before ')': the name"),
        ("acc >> 1", "at character 6, before '> 1': a value"),
        ("acc = 'x", 'at character 7, before "\'x": a quoted text has no end'),
        ("a ! b", "at character 3, before '! b'"),
        ("gpus = many", "at character 8, before 'many': gpus is a number"),
        ("gpus = '2'", "gpus is a number"),
        ("runtime > 2", "at character 11, before '2': runtime is a span of time"),
        ("runtime > 2 parsecs", "at character 11"),
        ("runtime > 2parsecs", "is a span"),
        ("ended > 2h", "ended is a moment"),
        ("ended > 2026-02-30", "ended is a moment"),
        ("ended > 0001-01-01", "ended is a moment"),
        ("ended > 25:00", "ended is a moment"),
        ("state = asleep", "'asleep' is none of held, waiting"),
        ("x" * (LENGTH_MAX + 1), "longer than"),
        ("a = " + "x" * 40 + " b", "before 'b'"),
        ("(" * (DEPTH_MAX + 1) + "a = 1" + ")" * (DEPTH_MAX + 1), f"more than {DEPTH_MAX} deep"),
        ("not " * (DEPTH_MAX + 1) + "a = 1", f"more than {DEPTH_MAX} deep"),
    ],
)
def test_what_is_refused_and_where(text: str, says: str) -> None:
    with pytest.raises(InvalidSpec, match=re.escape(says)) as refused:
        parse(text)
    assert refused.value.field == "where"


def test_it_may_be_deep_and_long() -> None:
    parse("(" * DEPTH_MAX + "a = 1" + ")" * DEPTH_MAX)
    parse(" or ".join(["a = 1"] * 400))


def test_names_in_an_expression() -> None:
    assert names_in(parse("a = 1 and not (b > 2 or 'c d' ~ x)")) == {"a", "b", "c d"}


def test_a_pattern_of_stars_takes_no_time() -> None:
    assert not matches("name ~ '" + "*a" * 1000 + "'", name="a" * 999 + "b")


# what hypothesis finds

NAMES = ("acc", "lr", "opt", "val loss", "not", "a-b", "x=y", 'q"uote', "back\\slash", "gone")
WORDS_OF_VALUES = ("1", "0.5", "-3", "1e-2", "adam", "sgd", "x*", "a?m", "2h", "and-so-on", "nan")
TEXTS = st.one_of(st.sampled_from(WORDS_OF_VALUES), st.text(max_size=6))
OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "~", "!~")


def _comparison(name: str, op: str, value: str, quoted: bool) -> Comparison:
    plain = value in WORDS_OF_VALUES
    return Comparison(name, op, value, quoted or not plain)


COMPARISONS = st.builds(_comparison, st.sampled_from(NAMES), st.sampled_from(OPERATORS), TEXTS, st.booleans())
EXPRESSIONS: st.SearchStrategy[Expression] = st.recursive(
    COMPARISONS,
    lambda part: st.one_of(
        part.map(Not),
        st.lists(part, min_size=2, max_size=3).map(tuple).map(Both),
        st.lists(part, min_size=2, max_size=3).map(tuple).map(Either),
    ),
    max_leaves=8,
)
VALUES = st.dictionaries(
    st.sampled_from(NAMES[:-1]), st.one_of(st.integers(-3, 3), st.floats(allow_nan=False), TEXTS), max_size=6
)


@given(EXPRESSIONS)
def test_round_trip(expression: Expression) -> None:
    assert parse(text_of(expression)) == expression


@given(EXPRESSIONS, VALUES)
def test_it_means_what_the_model_says(expression: Expression, values: dict[str, Any]) -> None:
    assert predicate(expression, CALENDAR)(values.get) is (_model(expression, values) is True)


def _model(expression: Expression, values: dict[str, Any]) -> Optional[bool]:
    """Kleene's logic, said in another way: unknown is a half."""
    half = _worth(expression, values)
    return None if half == 0.5 else half == 1.0


def _worth(expression: Expression, values: dict[str, Any]) -> float:
    if isinstance(expression, Not):
        return 1.0 - _worth(expression.part, values)
    if isinstance(expression, Both):
        return min(_worth(part, values) for part in expression.parts)
    if isinstance(expression, Either):
        return max(_worth(part, values) for part in expression.parts)
    held = values.get(expression.name)
    if held is None:
        return 0.5
    if expression.operator in ("~", "!~"):
        return float(_like(held, expression.value) is (expression.operator == "~"))
    number = None if expression.quoted else _number(expression.value)
    compare = {"=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt}
    test: Callable[[Any, Any], bool] = compare.get(expression.operator, operator.ge)
    if _number(held) is not None and number is not None:
        return float(test(_number(held), number))
    if not isinstance(held, str) or (number is not None and expression.operator not in ("=", "!=")):
        return {"=": 0.0, "!=": 1.0}.get(expression.operator, 0.5)
    return float(test(held, expression.value))


def _number(value: Any) -> Optional[float]:
    if not isinstance(value, str):
        return float(value)
    number = re.fullmatch(r"\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*|\s*[-+]?inf(inity)?\s*", value, re.ASCII | re.I)
    return float(value) if number else None


def _like(held: Any, pattern: str) -> bool:
    text = (held if isinstance(held, str) else f"{held:g}").lower()
    wanted = pattern.lower()
    if not {"*", "?"} & set(wanted):
        return wanted in text
    return fnmatch.fnmatchcase(text, wanted.replace("[", "[[]"))


@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(
    ["(", ")", "not", "and", "or", "acc", "=", ">", "~", "0.8", "'", '"', "x", "state", "runtime", "2h", "!", "\\", " "]
), max_size=20).map(" ".join)))  # fmt: skip
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    try:
        expression = parse(text)
    except InvalidSpec as refused:
        assert refused.field == "where"
        return
    predicate(expression, CALENDAR)(lambda name: value_of(JobRow(**ROW), name, NOW))
    assert parse(text_of(expression)) == expression


def test_every_field_has_a_value_or_none_and_a_place_in_an_order() -> None:
    row = JobRow(**ROW)
    for name, field in FIELDS.items():
        value = field.value(row, NOW)
        assert value is None or rank(value)
        assert name.isidentifier() and field.about


@given(st.lists(st.one_of(st.integers(), st.floats(), st.text(max_size=5), st.tuples(st.integers())), max_size=6))
def test_all_values_can_be_sorted(values: list[Any]) -> None:
    assert len(sorted(values, key=rank)) == len(values)


@pytest.mark.parametrize("word", WORDS)
def test_every_word_of_a_list_is_a_state(word: str) -> None:
    assert matches(f"state = {word}", word=word)

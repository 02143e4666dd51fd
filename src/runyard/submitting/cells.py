"""The cells of a sweep: from `lr=0.1,0.01 opt=adam,sgd` to one set of values for each job.

A value is a list (`0.1,0.01`; what stands in brackets is one item: `[64,64],[128]`), names in a row (`b[0-5]`), or one
of FUNCTIONS. Lists are combined (a grid), taken side by side (`zip`), or drawn from (`random`, with a seed).
"""

from __future__ import annotations

import csv
import io
import json
import math
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from runyard.errors import InvalidSpec
from runyard.model.filter import expand_names
from runyard.model.nearest import meant
from runyard.model.params import assigned

CELLS_MAX = 100_000
DIGITS = 6
"""Drawn and spaced numbers have so many significant digits: they are to be read, and typed again."""

_CALL = re.compile(r"([a-z]+)\((.*)\)", re.DOTALL)
_ITEM = re.compile(r"\[([^\]]*)\]|(?!\[)([^,]*)")
Values = Mapping[str, str]
JSON_VALUES = (str, int, float, bool, list, type(None))


class Axis(NamedTuple):
    """One parameter that varies: its values, or how one is drawn."""

    name: str
    values: tuple[str, ...] = ()
    draw: Callable[[random.Random], str] | None = None


def axis(text: str) -> Axis:
    """The axis in `NAME=VALUES`."""
    name, value = assigned(text, "NAME=VALUES, as in lr=0.1,0.01; a queue is -q NAME", "param")
    call = _CALL.fullmatch(value)
    if call is None:
        if value.partition("(")[0] in FUNCTIONS and "(" in value:
            raise InvalidSpec(f"{text!r}: {USES[value.partition('(')[0]]}", "param")
        return Axis(name, items(value))
    if call[1] not in FUNCTIONS:
        listed = f"there are: {', '.join(FUNCTIONS)}"
        raise InvalidSpec(f"{text!r}: there is no {call[1]}(){meant(call[1], FUNCTIONS, listed)}", "param")
    try:
        return FUNCTIONS[call[1]](name, [part.strip() for part in call[2].split(",")])
    except (ValueError, TypeError, OverflowError, ZeroDivisionError):
        raise InvalidSpec(f"{text!r}: {USES[call[1]]}", "param") from None


def items(text: str) -> tuple[str, ...]:
    """The values of a list; names in a row are written out."""
    if re.fullmatch(r"[^,\[\]]*\[\d+-\d+\][^,\[\]]*", text):
        return expand_names(text)
    found, at = [], 0
    while True:
        match = _ITEM.match(text, at)
        if match is None or (match.end() < len(text) and text[match.end()] != ","):
            raise InvalidSpec(f"{text!r} is no list: a, b or [c,d] with commas between them", "param")
        found.append(match[2] if match[1] is None else match[1])
        if match.end() >= len(text):
            return tuple(found)
        at = match.end() + 1


def grid(axes: Sequence[Axis]) -> list[dict[str, str]]:
    """Every combination; the last parameter changes quickest."""
    for one in axes:
        if one.draw is not None:
            raise InvalidSpec("it is drawn at random: say how many cells there are, by --random N", one.name)
    _check_number(math.prod(len(one.values) for one in axes))
    names = [one.name for one in axes]
    return [dict(zip(names, values, strict=True)) for values in product(*(one.values for one in axes))]


def side_by_side(axes: Sequence[Axis]) -> list[dict[str, str]]:
    """The first values of all, the second ones, and so on; one value alone counts for all."""
    longest = max((len(one.values) for one in axes), default=0)
    for one in axes:
        if one.draw is not None or len(one.values) not in (1, longest):
            raise InvalidSpec(
                f"{len(one.values)} values, where others have {longest}: side by side as many, or one", one.name
            )
    _check_number(longest)
    return [{one.name: one.values[place % len(one.values)] for one in axes} for place in range(longest)]


def drawn(axes: Sequence[Axis], count: int, seed: int) -> list[dict[str, str]]:
    """`count` cells, the same for the same seed; from a list each value is as likely as another."""
    _check_number(count)
    chance = random.Random(seed)
    return [
        {one.name: one.draw(chance) if one.draw is not None else chance.choice(one.values) for one in axes}
        for _ in range(count)
    ]


def from_table(text: str) -> list[dict[str, str]]:
    """A cell for each line of a CSV whose first line has the names, or for each object of a JSON list or of JSON lines.

    An empty field, or null, leaves the default.
    """
    start = text.lstrip("\ufeff \t\r\n")[:1]
    return _from_json(text) if start in ("[", "{") else _from_csv(text)


def _from_json(text: str) -> list[dict[str, str]]:
    try:
        lines = [line for line in text.lstrip("\ufeff").splitlines() if line.strip()]
        found = json.loads(text) if lines[0].lstrip().startswith("[") else [json.loads(line) for line in lines]
    except (ValueError, RecursionError) as error:
        raise InvalidSpec(f"this is no JSON: {error}", "csv") from None
    _check_number(len(found))
    for number, one in enumerate(found):
        if not isinstance(one, dict) or not all(isinstance(value, JSON_VALUES) for value in one.values()):
            raise InvalidSpec(f"entry {number} is no object of plain values", "csv")
    return [{name: _plain(value) for name, value in one.items() if value is not None} for one in found]


def _plain(value: Any) -> str:
    """A JSON value as the command line has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(_plain, value)) if isinstance(value, list) else str(value)


def _from_csv(text: str) -> list[dict[str, str]]:
    try:
        rows = list(csv.reader(io.StringIO(text.lstrip("\ufeff"))))
    except csv.Error as error:
        raise InvalidSpec(f"this is no CSV: {error}", "csv") from None
    rows = [row for row in rows if any(field.strip() for field in row)]
    if len(rows) < 2:
        raise InvalidSpec("a line of names and at least one line of values were expected", "csv")
    names = [name.strip() for name in rows[0]]
    if len(set(names)) != len(names) or not all(names):
        raise InvalidSpec("each column has a name of its own in the first line", "csv")
    _check_number(len(rows) - 1)
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(names):
            raise InvalidSpec(f"line {number} has {len(row)} fields, the first line {len(names)}", "csv")
    return [{name: field.strip() for name, field in zip(names, row, strict=True) if field.strip()} for row in rows[1:]]


def times(some: Sequence[Values], others: Sequence[Values]) -> list[dict[str, str]]:
    """Each of these with each of those."""
    _check_number(len(some) * len(others))
    return [{**one, **other} for one in some for other in others]


def distinct(cells: Iterable[Values]) -> list[dict[str, str]]:
    """Each once, in order."""
    return [dict(cell) for cell in {tuple(sorted(cell.items())): cell for cell in cells}.values()]


def _check_number(count: int) -> None:
    if not 1 <= count <= CELLS_MAX:
        raise InvalidSpec(f"{count} cells; a sweep has from 1 to {CELLS_MAX}", "param")


def _text(value: float) -> str:
    return f"{value:.{DIGITS}g}"


def _drawing(make: Callable[[random.Random, float, float], float]) -> Callable[[str, list[str]], Axis]:
    def axis_of(name: str, words: list[str]) -> Axis:
        low, high = map(float, words)
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError
        make(random.Random(0), low, high)
        return Axis(name, draw=lambda chance: _text(make(chance, low, high)))

    return axis_of


def _integers(name: str, words: list[str]) -> Axis:
    low, high = map(int, words)
    if low > high:
        raise ValueError
    return Axis(name, draw=lambda chance: str(chance.randint(low, high)))


def _choice(name: str, words: list[str]) -> Axis:
    if not any(words):
        raise ValueError
    return Axis(name, draw=lambda chance: chance.choice(words))


def _range(name: str, words: list[str]) -> Axis:
    whole = all(re.fullmatch(r"-?\d+", word) for word in words)
    numbers = [int(word) if whole else float(word) for word in words]
    first, end, step = numbers if len(numbers) == 3 else (*numbers, 1) if len(numbers) == 2 else (0, *numbers, 1)
    count = math.ceil(round((end - first) / step, 9))
    _check_number(count)
    return Axis(
        name, tuple(_text(first + place * step) if not whole else str(first + place * step) for place in range(count))
    )


def _spaced(at: Callable[[float, float, float], float]) -> Callable[[str, list[str]], Axis]:
    def axis_of(name: str, words: list[str]) -> Axis:
        first, last, number = words
        low, high, count = float(first), float(last), int(number)
        _check_number(count)
        places = [place / (count - 1) if count > 1 else 0.0 for place in range(count)]
        return Axis(name, tuple(_text(at(low, high, place)) for place in places))

    return axis_of


def _log_between(low: float, high: float, place: float) -> float:
    return math.exp(math.log(low) + (math.log(high) - math.log(low)) * place)


FUNCTIONS: dict[str, Callable[[str, list[str]], Axis]] = {
    "range": _range,
    "linspace": _spaced(lambda low, high, place: low + (high - low) * place),
    "logspace": _spaced(_log_between),
    "uniform": _drawing(lambda chance, low, high: chance.uniform(low, high)),
    "loguniform": _drawing(lambda chance, low, high: _log_between(low, high, chance.random())),
    "int": _integers,
    "choice": _choice,
}
USES = {
    "range": "range(first,end,step), the end not among them",
    "linspace": "linspace(first,last,count)",
    "logspace": "logspace(first,last,count), both more than 0",
    "uniform": "uniform(low,high)",
    "loguniform": "loguniform(low,high), both more than 0",
    "int": "int(lowest,highest), both among them",
    "choice": "choice(a,b,c)",
}

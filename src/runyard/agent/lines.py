"""What a job says of itself in its output and in its metrics file: from bytes to facts. Pure, and bounded.

    ::metric acc=0.93 loss=0.2 step=5        ::progress 5/100 loss=0.31        ::stage testing
    {"acc": 0.93, "step": 5}                 {"progress": "5/100"}             {"stage": "testing"}
    Epoch 3:  45%|####      | 45/100 [00:12<00:15,  3.7it/s]                   (tqdm, after a carriage return)

A line of the first kind begins at the start of a line. What is none of these, or no finite number, is passed over: a
job may print anything.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, Optional

from runyard.model.metrics import NAME, STAGE_MAX
from runyard.model.record import dataclass

LINE_MAX = 8_192
"""A longer line is none of ours."""

PAIRS_MAX = 128
"""The most values that are taken of one line."""

BARS_LOOKED_AT = 8
"""How many of the bars drawn since the last look are looked at, the latest ones."""

PLACES_MAX = 10_000
"""The most places in one piece of output where one of our words may begin a line."""

WORDS = (b"::metric", b"::progress", b"::stage")
STEP, PROGRESS, STAGE, AT = "step", "progress", "stage", "_at"
_BAR = re.compile(
    r"[^|]{0,500}\|\s{0,9}(?P<done>\d{1,18}(?:\.\d{1,9})?)(?P<done_unit>[kMGTP]?)/"
    r"(?P<total>\d{1,18}(?:\.\d{1,9})?)(?P<total_unit>[kMGTP]?)\w{0,8}\s{0,9}\[(?P<spent>[\d:]{1,12})<"
)
"""What comes behind `45%|`."""

_BAR_HEAD = 200
_BAR_TAIL = 1_000
_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_NUMBER_MAX = 40


class Fact(NamedTuple):
    """One thing that a job has said: values (by `step`, if it gave one), how far it is, its stage."""

    values: tuple[tuple[str, float], ...] = ()
    step: Optional[float] = None
    progress: Optional[tuple[float, float]] = None
    stage: Optional[str] = None
    at: Optional[float] = None


@dataclass(frozen=True)
class Bar:
    """A progress bar of tqdm's."""

    about: str
    done: float
    total: float
    spent_s: float


def marked(data: bytes) -> Iterator[tuple[int, Fact]]:
    """The facts in whole lines of output, each with the place behind its line."""
    for start in _starts(data):
        end = _line_end(data, start)
        if end - start <= LINE_MAX:
            fact = _marked(data[start:end].decode("utf-8", "replace"))
            if fact is not None:
                yield end, fact


def bars(data: bytes) -> list[Bar]:
    """The latest bars, the oldest of them first; one that is not finished counts."""
    found: list[Bar] = []
    end = len(data)
    for _ in range(BARS_LOOKED_AT):
        place = data.rfind(b"%|", 0, end)
        if place < 0:
            break
        end = max(data.rfind(b"\r", 0, place), data.rfind(b"\n", 0, place)) + 1
        head = data[max(end, place - _BAR_HEAD) : place].decode("utf-8", "replace")
        tail = data[place + 2 : min(_line_end(data, place), place + _BAR_TAIL)].decode("utf-8", "replace")
        bar = _bar(_SEQUENCE.sub("", head), tail)
        found += [bar] if bar is not None else []
    return found[::-1]


def recorded(data: bytes) -> Iterator[tuple[int, Fact]]:
    """The facts in whole lines of a metrics file, each with the place behind its line."""
    start = 0
    while start < len(data):
        newline = data.find(b"\n", start)
        end = len(data) if newline < 0 else newline + 1
        if end - start <= LINE_MAX:
            fact = _recorded(data[start:end])
            if fact is not None:
                yield end, fact
        start = end


def tamed(text: str) -> str:
    """A stage as it may be shown: one short line that can be printed."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())[:STAGE_MAX].strip()


def _starts(data: bytes) -> Iterator[int]:
    """Where lines of ours begin, in order."""
    places = [data.find(word) for word in WORDS]
    for _ in range(PLACES_MAX):
        if max(places) < 0:
            break
        place, which = min((place, which) for which, place in enumerate(places) if place >= 0)
        places[which] = data.find(WORDS[which], place + 1)
        before = place
        while before > 0 and data[before - 1 : before] in (b" ", b"\t") and place - before < 8:
            before -= 1
        if before == 0 or data[before - 1 : before] in (b"\n", b"\r"):
            yield place


def _line_end(data: bytes, start: int) -> int:
    newline = data.find(b"\n", start)
    end = newline if newline >= 0 else len(data)
    drawn = data.find(b"\r", start, end)
    return drawn if drawn >= 0 else end


def _marked(line: str) -> Optional[Fact]:
    word, _, rest = line.partition(" ")
    if word == "::stage":
        return Fact(stage=tamed(rest))
    if word not in ("::metric", "::progress"):
        return None
    words = rest.split(None, PAIRS_MAX)[:PAIRS_MAX]
    progress = None
    if word == "::progress" and words:
        progress = _far(words[0])
        words = words[1:]
    pairs = [(name, _number(value)) for name, equals, value in (one.partition("=") for one in words) if equals]
    return _fact(pairs, progress)


def _recorded(line: bytes) -> Optional[Fact]:
    try:
        held = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(held, dict):
        return None
    pairs = [(name, _plain(value)) for name, value in list(held.items())[:PAIRS_MAX]]
    stage = held.get(STAGE)
    return _fact(
        pairs, _far(held.get(PROGRESS)), tamed(stage) if isinstance(stage, str) else None, _plain(held.get(AT))
    )


def _fact(
    pairs: list[tuple[str, Optional[float]]],
    progress: Optional[tuple[float, float]],
    stage: Optional[str] = None,
    at: Optional[float] = None,
) -> Optional[Fact]:
    """The fact, if there is anything in it."""
    step = next((value for name, value in pairs if name == STEP), None)
    reserved = (STEP, PROGRESS, STAGE, AT)
    values = tuple(
        (name, value) for name, value in pairs if value is not None and name not in reserved and NAME.fullmatch(name)
    )
    if not values and progress is None and stage is None:
        return None
    return Fact(values, step, progress, stage, at)


def _far(value: Any) -> Optional[tuple[float, float]]:
    """`5/100`, `45%`, [5, 100]: how much is done of how much."""
    if isinstance(value, list) and len(value) == 2:
        done, total = map(_plain, value)
    elif isinstance(value, str) and value.endswith("%"):
        done, total = _number(value[:-1]), 100.0
    elif isinstance(value, str):
        first, _, second = value.partition("/")
        done, total = _number(first), _number(second)
    else:
        return None
    return (done, total) if done is not None and total is not None and done >= 0 and total > 0 else None


def _number(text: str) -> Optional[float]:
    """The finite number in this text."""
    text = text.rstrip(",;")
    if len(text) > _NUMBER_MAX or "_" in text or not text.isascii():
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _plain(value: Any) -> Optional[float]:
    """The finite number that this JSON value is."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _bar(head: str, tail: str) -> Optional[Bar]:
    about = head.rstrip("0123456789")
    match = _BAR.match(tail)
    if match is None or about == head:
        return None
    done, total = (float(match[name]) * _UNITS[match[f"{name}_unit"]] for name in ("done", "total"))
    spent_s = 0.0
    for part in match["spent"].split(":"):
        spent_s = spent_s * 60 + float(part or 0)
    return Bar(tamed(about.rstrip(": ")), done, total, spent_s) if total > 0 else None

"""What is shown: tamed logs, harmless text, spans and times, tables, JSON."""

from __future__ import annotations

import io
import json
import random
import subprocess
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest

from runyard.cli.render import facts
from runyard.cli.render import grid as grids
from runyard.cli.render.grid import Column, Grid, Row
from runyard.cli.render.json import dumps
from runyard.cli.render.table import draw, fitted
from runyard.cli.render.tame import SEQUENCE_MAX, Tame
from runyard.cli.render.text import harmless, memory, numbers, size, span, words

LOG = (
    "plain \x1b[1;31mred\x1b[0m\n\x1b]0;title\x07\x1b[2J\x1b[10;10H\x1b[?1049h\x1bP+q\x1b\\"
    "\x1b(0\x1bc\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\ 10%\r20%\ttab\x08\x07é🙂 \x85end"
).encode()
SHOWN = "plain \x1b[1;31mred\x1b[0m\nlink 10%\r20%\ttab^Hé🙂 \\x85end\x1b[0m"


def tamed(data: bytes, cuts: list[int]) -> str:
    tame = Tame()
    edges = [0, *cuts, len(data)]
    return "".join(tame.feed(data[a:b]) for a, b in pairwise(edges)) + tame.end()


def test_only_colours_pass() -> None:
    assert tamed(LOG, []) == SHOWN


def test_wherever_the_pieces_are_cut() -> None:
    for cut in range(len(LOG)):
        assert tamed(LOG, [cut]) == SHOWN, cut
    assert tamed(LOG, list(range(len(LOG)))) == SHOWN


def test_an_unfinished_sequence_swallows_nothing() -> None:
    assert tamed(b"a\x1b]0;b\nc", []) == "a^[]0;b\nc"
    assert tamed(b"a\x1b[", []) == "a^[["
    long = b"\x1b]0;" + b"x" * (SEQUENCE_MAX + 10) + b"\nafter"
    assert tamed(long, [100, 5_000 // 2]).endswith("x\nafter")


@pytest.mark.parametrize("seed", range(20))
def test_no_bytes_make_it_send_a_command(seed: int) -> None:
    alphabet = b"\x1b[]PX^_\\();:?0123456789mHJcABC\x07\x9b\x9d\n \xc2\x9b"
    noise = bytes(alphabet[byte % len(alphabet)] for byte in random.Random(seed).randbytes(2_000))
    shown = tamed(noise, [])
    rest = shown
    while "\x1b" in rest:
        at = rest.index("\x1b")
        end = rest.index("m", at)
        assert rest[at + 1] == "[" and set(rest[at + 2 : end]) <= set("0123456789;:")
        rest = rest[end + 1 :]
    assert not any(0x7F <= ord(c) <= 0x9F or (ord(c) < 32 and c not in "\n\r\t\x1b") for c in shown)


def test_harmless() -> None:
    assert harmless("train-é 日本 🙂") == "train-é 日本 🙂"
    assert harmless("a\x1b[2J\n\x9b\u202e\u200b\udcff") == "a\\e[2J\\n\\x9b\\u202e\\u200b\\xff"


@pytest.mark.parametrize(
    ("seconds", "short", "long"),
    [
        (0, "0.0s", "0 seconds"),
        (1, "1.0s", "1 second"),
        (59.6, "59s", "59.6 seconds"),
        (90, "1m30s", "1 minute 30 seconds"),
        (5_400, "1h30m", "1 hour 30 minutes"),
        (129_600, "1d12h", "1 day 12 hours"),
    ],
)
def test_spans(seconds: float, short: str, long: str) -> None:
    assert (span(seconds), words(seconds)) == (short, long)


def test_amounts() -> None:
    assert [memory(value) for value in (0, 512, 1_024, 1_536, 81_920)] == ["0M", "512M", "1G", "1.5G", "80G"]
    assert [size(value) for value in (0, 1_023, 1_536, 5 << 30)] == ["0 bytes", "1023 bytes", "1.5 KB", "5.0 GB"]
    assert numbers([3, 1, 2, 9]) == "1-3, 9"
    assert numbers(range(0, 100, 2), most=2) == "0, 2, ..."


GRID = Grid(
    (Column("ID", right=True), Column("NAME", flexible=True), Column("NONE", optional=True), Column("STATE")),
    (Row(("1", "日本", "", "failed"), "failed"), Row(("10", "[bold]x[/bold]", "", "ok"), "ok", dim=True)),
)


def test_a_plain_table_is_aligned_by_width() -> None:
    assert grids.plain(GRID) == [
        "ID  NAME            NONE  STATE",
        " 1  日本            -     failed",
        "10  [bold]x[/bold]  -     ok",
    ]


def test_a_drawn_table_fits_and_takes_no_markup() -> None:
    stream = io.StringIO()
    draw(GRID, stream, 80)
    assert "[bold]x[/bold]" in stream.getvalue() and "NONE" not in stream.getvalue()
    assert fitted(GRID.without_empty(), 22) == [2, 10, 6]
    assert fitted(GRID.without_empty(), 12) == [2, 3, 3], "nothing of it is firm"


SPARE = Grid(
    (
        Column("ID", firm=True), Column("NAME", flexible=True), Column("SAME", spare=2), Column("OTHER", spare=1),
        Column("WHY", flexible=True, spare=3),
    ),
    (Row(("1", "n" * 40, "same", "one", "w" * 40)), Row(("12345", "n", "same", "two", ""))),
)  # fmt: skip


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (62, "ID NAME SAME OTHER WHY"),
        (61, "ID NAME OTHER WHY"),
        (55, "ID NAME WHY"),
        (29, "ID NAME WHY"),
        (28, "ID NAME"),
        (11, "ID NAME"),
    ],
)
def test_columns_are_spared_in_their_order(width: int, titles: str) -> None:
    stream = io.StringIO()
    draw(SPARE, stream, width)
    lines = stream.getvalue().splitlines()
    assert lines[0].split() == titles.split()
    assert lines[2].split()[0] == "12345", "what is firm is never cut"
    assert width < 9 or max(map(len, lines)) <= width


def test_a_column_that_agrees_is_told_by_several_rows() -> None:
    assert [SPARE.agrees(place) for place in range(5)] == [False, False, True, False, True]
    assert not Grid(SPARE.columns, SPARE.rows[:1]).agrees(2)


def test_long_values_go_on_below_their_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    told = [("command", "one two  three four five six seven"), ("path", "x" * 60), ("empty", "")]
    assert list(facts.lines(told, terminal=True)) == [
        "command:      one two  three four five",
        "              six seven",
        "path:         " + "x" * 26,
        "              " + "x" * 26,
        "              " + "x" * 8,
        "empty:",
    ]
    assert list(facts.lines(told[:1], terminal=False)) == ["command:      one two  three four five six seven"]
    assert facts.broken("日本 日本", 5) == ["日本", "日本"]


@pytest.mark.parametrize(
    "argv",
    [
        ("python3", "-c", "print(6 * 7)"),
        ("echo", "it's", "", "$HOME", "a\tb\nc\\'d\x1b[0m\x07"),
        ("printf", "é 日本 \u202e \x85 \U000e0041 \udcff"),
    ],
)
def test_a_command_can_be_typed_again(argv: tuple[str, ...]) -> None:
    text = facts.command(argv)
    assert text.isprintable()
    typed = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {text}"], env={"LC_ALL": "C.UTF-8"}, capture_output=True, check=True
    ).stdout
    assert typed.decode("utf-8", "surrogateescape").split("\0")[:-1] == list(argv)


@dataclass(frozen=True)
class Inner:
    some: tuple[int, ...] = ()


@dataclass(frozen=True)
class Outer:
    inner: Inner = Inner()
    none: int | None = None
    data: bytes = b"\xff"
    text: str = "\udcff"


def test_json_is_whole() -> None:
    expected: dict[str, Any] = {"inner": {"some": []}, "none": None, "data": "/w==", "text": "\udcff"}
    assert json.loads(dumps(Outer())) == expected
    assert json.loads(dumps((Outer(), Outer()))) == [expected, expected]
    assert json.loads(dumps({1: (2,)})) == {"1": [2]}
    assert dumps(Outer()).isascii()

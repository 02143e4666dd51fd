"""What is recognised in output and in a metrics file, and that nothing else is, however it looks."""

from __future__ import annotations

import json
import time
from itertools import islice
from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.agent.lines import LINE_MAX, PAIRS_MAX, Bar, Fact, bars, marked, recorded
from runyard.model.metrics import STAGE_MAX


def facts(text: str) -> list[Fact]:
    return [fact for _, fact in marked(text.encode())]


@pytest.mark.parametrize(
    ("line", "fact"),
    [
        ("::metric acc=0.93 step=5", Fact((("acc", 0.93),), 5.0)),
        ("::metric step=5 acc=.5 val/loss=1e-3", Fact((("acc", 0.5), ("val/loss", 0.001)), 5.0)),
        ("  ::metric acc=1", Fact((("acc", 1.0),))),
        ("\t::metric a=1, b=2", Fact((("a", 1.0), ("b", 2.0)))),
        ("::metric a=1 and some words b=x c=2", Fact((("a", 1.0), ("c", 2.0)))),
        ("::progress 5/100", Fact(progress=(5.0, 100.0))),
        ("::progress 45%", Fact(progress=(45.0, 100.0))),
        ("::progress 5/100 loss=0.31", Fact((("loss", 0.31),), progress=(5.0, 100.0))),
        ("::stage testing", Fact(stage="testing")),
        ("::stage  two   words ", Fact(stage="two words")),
        ("::stage ", Fact(stage="")),
        ("::stage \x1b[31mred\x07", Fact(stage="[31mred")),
        ("::stage " + "x" * 99, Fact(stage="x" * STAGE_MAX)),
        ("::metric acc=nan loss=inf ok=1", Fact((("ok", 1.0),))),
    ],
)
def test_what_is_a_line_of_ours(line: str, fact: Fact) -> None:
    for text in (line, f"before\n{line}\n", f"\r{line}\r\n", f"x\n{line}\rafter"):
        assert facts(text) == [fact]


@pytest.mark.parametrize(
    "line",
    [
        "say ::metric acc=1", "INFO ::metric acc=1", "::metrics acc=1", "::metric", "::metric acc", "::metric =1",
        "::metric 1acc=1", "::metric a b=1_0", "::metric a=nan", "::metric a=inf", "::metric a=-Infinity",
        "::metric a=1e999", f"::metric a={'1' * 99}", f"::metric {'a' * 65}=1", "::metric a$=1", "::metric \x1b=1",
        "::metric a=\u0661", "::progress", "::progress x/100", "::progress 5/0", "::progress -1/5", "::progress 5",
        "::stages x", "::metric step=4", "std::vector", "::" * 50, "::metric a=1" + " " * LINE_MAX,
    ],
)  # fmt: skip
def test_what_is_none(line: str) -> None:
    assert facts(f"{line}\n") in ([], [Fact((("b", 1.0),))])


def test_lines_are_told_with_their_places() -> None:
    data = b"x\n::metric a=1\n::stage s\ny\n::metric a=2\n"
    assert [data[:place].decode().splitlines()[-1] for place, _ in marked(data)] == [
        "::metric a=1",
        "::stage s",
        "::metric a=2",
    ]


def test_only_so_many_values_of_a_line() -> None:
    (fact,) = facts("::metric " + " ".join(f"n{place}=1" for place in range(500)))
    assert len(fact.values) == PAIRS_MAX


TQDM = (
    "\r  0%|          | 0/100 [00:00<?, ?it/s]\r 45%|####5     | 45/100 [00:12<00:15,  3.66it/s]",
    "\rEpoch 3:  45%|\u2588\u2588\u2588\u2588\u258c     | 45/100 [00:12<00:15,  3.66it/s, loss=0.3]",
    "\rtrain: 100%|\u2588| 1.50k/1.50k [1:02:03<00:00, 120kit/s]\n",
    "\r\x1b[A\x1b[32mval\x1b[0m:   7%|7| 12.3M/45.6M [00:01<00:02, 9MB/s]",
    "  7%|\u258b | 7/100 [00:01<00:19, 4.90it/s]",
)


def test_bars_of_tqdm() -> None:
    assert [bars(text.encode()) for text in TQDM] == [
        [Bar("", 0.0, 100.0, 0.0), Bar("", 45.0, 100.0, 12.0)],
        [Bar("Epoch 3", 45.0, 100.0, 12.0)],
        [Bar("train", 1500.0, 1500.0, 3723.0)],
        [Bar("val", 12.3e6, 45.6e6, 1.0)],
        [Bar("", 7.0, 100.0, 1.0)],
    ]


@pytest.mark.parametrize(
    "text",
    ["100%", "50%| done", "%|", "x%|x| 1/2 [00:01<", "5%|x| 5/0 [00:01<00:01]", "12it [00:01, 4it/s]", "a%|" * 99],
)
def test_what_is_no_bar(text: str) -> None:
    assert bars(text.encode()) == []


def record(text: str) -> Optional[Fact]:
    found = [fact for _, fact in recorded(text.encode())]
    return found[0] if found else None


@pytest.mark.parametrize(
    ("line", "fact"),
    [
        ('{"acc": 0.93, "step": 5}', Fact((("acc", 0.93),), 5.0)),
        ('{"acc": 1, "note": "x", "ok": true, "none": null}', Fact((("acc", 1.0),))),
        ('{"progress": "5/100"}', Fact(progress=(5.0, 100.0))),
        ('{"progress": [5, 100], "stage": "test\\u001b"}', Fact(progress=(5.0, 100.0), stage="test")),
        ('{"acc": 1, "_at": 7.5}', Fact((("acc", 1.0),), at=7.5)),
        ('{"acc": NaN, "b": Infinity, "c": 1e999, "d": 2}', Fact((("d", 2.0),))),
    ],
)
def test_what_is_a_record(line: str, fact: Fact) -> None:
    assert record(line) == record(line + "\n") == fact


@pytest.mark.parametrize(
    "line",
    ["", "[]", "3", "null", '{"a"', "{}", '{"a b": 1}', '{"step": 1}', '{"progress": [1, 2, 3]}', "[" * 5000,
     '{"a": ' + "9" * 5000 + "}", '{"progress": "x"}', '{"x": ' + " " * LINE_MAX + "1}"],
)  # fmt: skip
def test_what_is_no_record(line: str) -> None:
    assert record(line) is None


PIECES = (
    b"::metric ", b"::progress ", b"::stage ", b"a=1 ", b"5/9", b"%|", b"| 5/9 [0<", b"\r", b"\n", b"{", b'"a": 1}',
    b"\x1b[",
)  # fmt: skip


@given(st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join)))
def test_any_bytes_are_taken(data: bytes) -> None:
    for place, fact in (*marked(data), *recorded(data)):
        assert 0 < place <= len(data)
        assert all(abs(value) < float("inf") for _, value in fact.values)
        assert fact.stage is None or fact.stage.isprintable()
    bars(data)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.floats(-1e9, 1e9), min_size=1))
def test_what_is_written_is_read(values: dict[str, float]) -> None:
    named = {f"m_{name}": value for name, value in values.items()}
    (fact,) = facts("::metric " + " ".join(f"{name}={value!r}" for name, value in named.items()))
    assert dict(fact.values) == named
    again = record(json.dumps(named))
    assert again is not None and dict(again.values) == named


@pytest.mark.parametrize(
    "piece", [b"::metric ", b"\n::metric a=1", b"::", b"%|", b"9%|", b"\r5%|" + b" " * 90, b"[", b" "]
)
def test_hostile_output_takes_no_time(piece: bytes) -> None:
    data = (piece * (1 << 20))[: 1 << 20]
    began = time.process_time()
    sum(1 for _ in islice(marked(data), 4000))
    bars(data)
    sum(1 for _ in recorded(data[:LINE_MAX]))
    assert time.process_time() - began < 1.0

"""The benchmark's table, and the ratios in it."""

from __future__ import annotations

import json

import pytest

from bench.figures import Beside, Line, Sample, middle_ratio, ms, raw_beside, spread
from bench.table import HEAD, as_json, text

LINES = [
    Line("no-op jobs", "700/s", (Beside("raw", "2,000/s", 0.35), Beside("tsp", "not installed")), ">= 0.3", True),
    Line("memory", "90 MB", met=False, target="< 80 MB", samples={"mb": [90.0]}),
]


def test_a_line_has_a_row_for_each_thing_beside_it() -> None:
    head, rule, first, second, third = text(LINES).splitlines()
    assert [cell.strip() for cell in head.split("|")] == list(HEAD)
    assert set(rule) == {"-", "+"}
    assert [cell.strip() for cell in first.split("|")] == [
        "no-op jobs",
        "700/s",
        "raw 2,000/s",
        "0.35",
        ">= 0.3",
        "yes",
    ]
    assert [cell.strip() for cell in second.split("|")][2:4] == ["tsp not installed", ""]
    assert [cell.strip() for cell in third.split("|")] == ["memory", "90 MB", "", "", "< 80 MB", "NO"]


def test_columns_are_aligned() -> None:
    places = {tuple(at for at, mark in enumerate(row) if mark == "|")[:2] for row in text(LINES).splitlines()[2:]}
    assert len(places) == 1


def test_every_sample_is_in_the_json() -> None:
    assert json.loads(as_json(LINES))[1]["samples"] == {"mb": [90.0]}


def test_a_ratio_is_to_the_yardstick_around_it() -> None:
    samples = [Sample(500, 900, 1100), Sample(400, 2000, 2000), Sample(900, 1000, 1000)]
    assert middle_ratio(samples) == pytest.approx(0.5)
    assert raw_beside(samples).shown == "1,000/s"


def test_times_are_told_as_a_reader_wants_them() -> None:
    assert [ms(0.0123), ms(0.5), ms(2.0)] == ["12.3 ms", "500 ms", "2.00 s"]
    assert spread([0.003, 0.001, 0.002]) == "2.0 ms (1.0 ms - 3.0 ms)"

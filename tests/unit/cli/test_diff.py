"""What differs between two jobs is told as a user asks for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runyard.cli.diff import FLAGS, _typed
from runyard.model.spec import Dependency, JobSpec, Resources, Retry

SPEC = JobSpec(("true",))


def told(before: JobSpec, after: JobSpec) -> list[tuple[str, str]]:
    return [_typed(flag, shown(before), shown(after)) for flag, shown in FLAGS.items() if shown(before) != shown(after)]


@pytest.mark.parametrize(
    ("after", "lines"),
    [
        (replace(SPEC, time_limit_s=7200.0), ("--time none", "--time 2h")),
        (replace(SPEC, priority=3), ("--priority 0", "--priority 3")),
        (replace(SPEC, hold=True), ("no --hold", "--hold")),
        (replace(SPEC, name="a b"), ("-", "--name 'a b'")),
        (replace(SPEC, retry=Retry(on=("oom", "3"))), ("-", "--retry-on oom --retry-on 3")),
        (replace(SPEC, resources=Resources(memory_mb=2048)), ("--mem 0", "--mem 2G")),
        (replace(SPEC, after=(Dependency(12, "afterany"),)), ("-", "--after afterany:12")),
        (replace(SPEC, snapshot="."), ("no --snapshot", "--snapshot")),
        (replace(SPEC, snapshot="v1"), ("-", "--commit v1")),
    ],
)
def test_flags_that_differ(after: JobSpec, lines: tuple[str, str]) -> None:
    assert told(SPEC, after) == [lines]


def test_of_parameters_those_that_differ() -> None:
    before, after = (replace(SPEC, params=(("seed", "1"), ("lr", lr))) for lr in ("0.1", "0.2"))
    assert told(before, after) == [("--param lr=0.1", "--param lr=0.2")]


def test_the_order_of_lines_counts() -> None:
    before, after = replace(SPEC, setup=("a", "b")), replace(SPEC, setup=("b", "a"))
    assert told(before, after) == [("--setup a --setup b", "--setup b --setup a")]

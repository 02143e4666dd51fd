"""Running: beside each other, many, none, again, in the background, from another process, and the end of it."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from runyard.errors import Conflict
from runyard.pipeline import runs
from runyard.pipeline.backends import registry
from runyard.pipeline.state import DONE, INIT, INTERRUPTED, PASSED, RUNNING, PipelineState
from tests.contract.pipeline.conftest import Ground
from tests.harness import processes
from tests.harness.yard import Bell, Gate

SLOW_S = 180.0
"""Airflow begins after half a minute on a busy machine."""


def seen(directory: str) -> PipelineState:
    """How a run stands, as somebody sees it who knows its directory alone."""
    run = runs.load(directory)
    return registry.of_run(run).state(run)


def until_over(directory: str) -> PipelineState:
    run = runs.load(directory)
    backend = registry.of_run(run)
    while not (state := backend.state(run)).over:
        backend.wait(run, 1.0)
    return state


def test_none(ground: Ground) -> None:
    pipeline = ground.create()
    assert pipeline.read_state()["status"] == INIT
    state = pipeline.run()
    assert (state["status"], state["total"]) == (DONE, 0)


def test_nobody_said_how_many_at_a_time(ground: Ground) -> None:
    pipeline = ground.create(size=0)
    pipeline.submit("true")
    assert pipeline.run()["passed"] == 1


def test_many(ground: Ground) -> None:
    pipeline = ground.create()
    for number in range(ground.many):
        pipeline.submit("true", log=False, depends=[f"contract-job-{number - 10}"] if number > 10 else None)
    state = pipeline.run()
    assert (state["passed"], state["total"]) == (ground.many, ground.many)


def test_beside_each_other(ground: Ground, tmp_path: Path) -> None:
    """As many as may run at a time do: each waits for all others."""
    pipeline = ground.create()
    for number in range(ground.at_once):
        os.mkfifo(tmp_path / f"f{number}")
    for number in range(ground.at_once):
        others = [str(tmp_path / f"f{other}") for other in range(ground.at_once) if other != number]
        tell = " ".join(f"echo >{other} &" for other in others)
        hear = f"exec 3<>{tmp_path}/f{number}; " + "read -r _ <&3; " * len(others)
        pipeline.submit(f"{tell} {hear} wait", name=f"job {number}")
    assert pipeline.run()["passed"] == ground.at_once


def test_watched_by_who_knows_its_directory(ground: Ground, tmp_path: Path) -> None:
    with closing(Gate(tmp_path / "gate")) as gate, closing(Bell(tmp_path / "bell")) as bell:
        pipeline = ground.create()
        pipeline.submit(f"echo hello; echo here >{tmp_path}/bell; read -r x <{tmp_path}/gate", name="waits")
        pipeline.submit("true", name="follows", depends="waits")
        pipeline.run(block=False)
        bell.wait(timeout_s=SLOW_S)
        state = seen(pipeline.directory)
        assert (state.status, state.counts[RUNNING], state.counts["pending"]) == (RUNNING, 1, 1)
        with pytest.raises(Conflict, match="running"):
            pipeline.run()
        gate.open()
        assert until_over(pipeline.directory).counts[PASSED] == 2


def test_run_again_begins_anew(ground: Ground, tmp_path: Path) -> None:
    pipeline = ground.create()
    pipeline.submit(f"test -e {tmp_path}/now", name="first")
    pipeline.submit("true", name="second", depends="first")
    assert [job["status"] for job in pipeline.run()["jobs"]] == ["failed", "skipped"]
    (tmp_path / "now").touch()
    assert [job["status"] for job in pipeline.run()["jobs"]] == ["passed", "passed"]


def test_killed(ground: Ground, tmp_path: Path) -> None:
    with closing(Gate(tmp_path / "gate")), closing(Bell(tmp_path / "bell")) as bell:
        pipeline = ground.create()
        pipeline.submit(f"echo $$ >{tmp_path}/bell; read -r x <{tmp_path}/gate", name="waits")
        pipeline.submit("true", name="follows", depends="waits")
        pipeline.run(block=False)
        pid = int(bell.wait(timeout_s=SLOW_S)[0])
        pipeline.kill()
        state = until_over(pipeline.directory)
        assert state.status in (INTERRUPTED, DONE)
        assert state.counts[PASSED] == 0
        assert processes.ended(pid)
    pipeline.kill()  # nothing is left to end

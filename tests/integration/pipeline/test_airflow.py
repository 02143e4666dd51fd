"""The installed `airflow` command, as a user has it: what the quick one of other tests does not show."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from runyard.pipeline.pipeline import Pipeline
from runyard.pipeline.state import PASSED
from tests.harness import processes
from tests.harness.airflow import Airflow
from tests.harness.yard import Bell, Gate

SLOW_S = 180.0
"""Migration and start take half a minute on a busy machine."""


def test_nothing_is_left_of_a_killed_run(airflow: Airflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = tmp_path / "foreign.db"
    monkeypatch.setenv("RUNYARD_AIRFLOW", str(airflow.real))
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{foreign}")
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "users-own"))
    monkeypatch.setenv("MARK", str(tmp_path))
    with closing(Gate(tmp_path / "gate")), closing(Bell(tmp_path / "bell")) as bell:
        pipeline = Pipeline.create("real", "airflow", directory=str(tmp_path / "run"))
        pipeline.submit(f"echo up >{bell.path}; read -r x <{tmp_path}/gate", name="waits")
        pipeline.submit("true", name="follows", depends="waits")
        pipeline.run(block=False)
        bell.wait(timeout_s=SLOW_S)
        assert processes.marked(f"MARK={tmp_path}")
        pipeline.kill()
    state = pipeline.state()
    assert state.over
    assert not state.of(PASSED)
    assert not processes.marked(f"MARK={tmp_path}")
    assert not foreign.exists()
    assert not (tmp_path / "users-own").exists()

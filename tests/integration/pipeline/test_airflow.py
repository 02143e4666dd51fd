"""The installed `airflow` command, as a user has it: what the quick one of other tests does not show."""

from __future__ import annotations

import os
import secrets
import select
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from runyard.pipeline.pipeline import Pipeline
from runyard.pipeline.state import PASSED
from tests.harness import processes
from tests.harness.airflow import Airflow, outcomes
from tests.harness.ports import free_ports
from tests.harness.yard import Bell, Gate

LOOK_S = 0.1
SLOW_S = 180.0
"""Migration and start take half a minute on a busy machine."""


@contextmanager
def api_server(airflow: Airflow, environ: dict[str, str], port: int, log: Path) -> Iterator[None]:
    """What tasks tell their state to where several run at a time."""
    words = ("api-server", "--apps", "execution", "--host", "127.0.0.1", "--port", str(port))
    with open(log, "wb") as output:
        process = subprocess.Popen([airflow.real, *words], env=environ, stdout=output, stderr=output)
    try:
        end = time.monotonic() + SLOW_S
        while not answers(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            select.select([], [], [], LOOK_S)
        yield
    finally:
        process.terminate()
        process.wait(SLOW_S)


def answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def test_an_airflow_of_the_users_own_runs_jobs_beside_each_other(airflow: Airflow, tmp_path: Path) -> None:
    """The DAG file is put into its folder: each of two jobs waits for the other."""
    pipeline = Pipeline.create("both", "airflow", size=2, directory=str(tmp_path / "run"))
    for own, other in ("ab", "ba"):
        os.mkfifo(tmp_path / own)
        pipeline.submit(f"exec 3<>{tmp_path}/{own} 4<>{tmp_path}/{other}; echo >&4; read -r <&3", name=own)
    (tmp_path / "home" / "dags").mkdir(parents=True)
    shutil.copy(pipeline.write(), tmp_path / "home" / "dags")
    (port,) = free_ports(1)
    environ = {
        **airflow.environ(os.environ),
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
    }
    subprocess.run([airflow.root / "bin" / "airflow", "db", "migrate"], env=environ, check=True)
    with api_server(airflow, environ, port, tmp_path / "server.log"), open(tmp_path / "test.log", "wb") as log:
        words = ("dags", "test", "both", "--use-executor")
        ended = subprocess.run([airflow.real, *words], env=environ, stdout=log, stderr=log, timeout=SLOW_S, check=False)
    assert ended.returncode == 0, (tmp_path / "test.log").read_text()
    assert outcomes(tmp_path / "home") == {"001-a": "success", "002-b": "success"}
    assert all(job.status == PASSED for job in pipeline.state().jobs)


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

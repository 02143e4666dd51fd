"""The Airflow of the tests is one: it runs the tasks of a file in their order, and what ends it ends its tasks."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.harness import processes
from tests.harness.airflow import Airflow, outcomes

FILE = """
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator

with DAG("proof", schedule=None):
    first, bad, third, never = (BashOperator(task_id=name, bash_command=text) for name, text in {tasks!r}.items())
    first >> [bad, third]
    bad >> never
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    (made / "dags").mkdir(parents=True)
    return made


def put(home: Path, **tasks: str) -> None:
    """A DAG `proof`; tasks without a command do nothing."""
    every = {name: tasks.get(name, "true") for name in ("first", "bad", "third", "never")}
    (home / "dags" / "proof.py").write_text(FILE.format(tasks=every))


def environ(airflow: Airflow, home: Path) -> dict[str, str]:
    return {**airflow.environ(os.environ), "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}


def run(airflow: Airflow, home: Path) -> subprocess.CompletedProcess[str]:
    variables = environ(airflow, home)
    subprocess.run(["airflow", "db", "migrate"], env=variables, check=True)
    argv = ["airflow", "dags", "test", "proof"]
    return subprocess.run(argv, env=variables, capture_output=True, text=True, check=False)


def test_it_runs_the_tasks_of_a_file(airflow: Airflow, home: Path) -> None:
    out = home / "out"
    put(home, first=f"echo first >>'{out}'", bad="exit 3", third=f"echo third >>'{out}'", never=f"echo never >>'{out}'")
    ended = run(airflow, home)
    assert outcomes(home) == {"first": "success", "bad": "failed", "third": "success", "never": "upstream_failed"}
    assert out.read_text() == "first\nthird\n"
    assert ended.returncode == 1
    assert "DagRun failed" in ended.stderr


def test_all_good(airflow: Airflow, home: Path) -> None:
    put(home)
    ended = run(airflow, home)
    assert not ended.returncode, ended.stderr
    assert set(outcomes(home).values()) == {"success"}


def test_its_end_is_that_of_its_tasks(airflow: Airflow, home: Path) -> None:
    fifo = home / "fifo"
    os.mkfifo(fifo)
    put(home, first=f"echo $$ >'{fifo}'; sleep 1000")
    variables = environ(airflow, home)
    subprocess.run(["airflow", "db", "migrate"], env=variables, check=True)
    with subprocess.Popen(["airflow", "dags", "test", "proof"], env=variables, stderr=subprocess.DEVNULL) as called:
        pid = int(fifo.read_text())
        called.kill()
    assert processes.ended(pid)

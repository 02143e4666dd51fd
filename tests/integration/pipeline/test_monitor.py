"""The live view of a pipeline, on a real terminal: it shows what goes on, and who leaves it ends nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from runyard.pipeline import runs
from runyard.pipeline.backends import registry
from runyard.pipeline.pipeline import Pipeline
from runyard.pipeline.state import RUNNING
from tests.acceptance.screen import TMUX, Screen, screen
from tests.harness.yard import Bell, Gate

pytestmark = pytest.mark.skipif(not TMUX, reason="tmux is not installed")

WATCH = """
import sys
from runyard.pipeline import runs
from runyard.pipeline.backends import registry
from runyard.pipeline.showing.monitor import watch
run = runs.load(sys.argv[1])
backend = registry.of_run(run)
if sys.argv[2:]:
    backend.attach = lambda run, job="": sys.argv[2:]
print("then", watch(run, backend, 0.05).status)
"""


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[tuple[Pipeline, Gate]]:
    """A pipeline that runs: one job has failed, one was skipped, one waits at the gate."""
    with closing(Gate(tmp_path / "gate")) as gate, closing(Bell(tmp_path / "bell")) as bell:
        pipeline = Pipeline.create("watched [b]x[/b]", directory=str(tmp_path / "run"))
        pipeline.submit("echo some trouble; exit 4", name="bad")
        pipeline.submit("true", name="after", depends="bad")
        pipeline.submit(f"echo at the gate; echo x >{bell.path}; read -r x <{gate.path}", name="waits")
        pipeline.run(block=False)
        bell.wait()
        yield pipeline, gate
        pipeline.kill()


@contextmanager
def watched(pipeline: Pipeline, tmp_path: Path, *attach: str) -> Iterator[Screen]:
    """`attach` is what shows a running job, if the backend of the pipeline has nothing for that."""
    with screen([sys.executable, "-c", WATCH, pipeline.directory, *attach], os.environ, tmp_path) as shown:
        yield shown


def test_another_process_sees_what_goes_on_and_leaves(waiting: tuple[Pipeline, Gate], tmp_path: Path) -> None:
    pipeline, gate = waiting
    with watched(pipeline, tmp_path) as shown:
        seen = shown.until("at the gate")
        for text in ("watched [b]x[/b]  serial  running", "1 failed", "1 skipped", "1 running", "exit code 4"):
            assert text in seen
        assert "│ some trouble" in seen
        assert "bad did not pass" in seen
        shown.press("q")
        assert "it runs on" in shown.until("then running")
    assert pipeline.state().status == RUNNING
    with watched(pipeline, tmp_path) as shown:
        shown.until("at the gate")
        gate.open()
        shown.until("then done")


def test_an_interrupt_leaves_too(waiting: tuple[Pipeline, Gate], tmp_path: Path) -> None:
    pipeline, _ = waiting
    with watched(pipeline, tmp_path) as shown:
        shown.until("at the gate")
        shown.press("C-c")
        shown.until("then running")
    assert pipeline.state().status == RUNNING


def test_who_comes_back_from_a_log_finds_the_view_once(waiting: tuple[Pipeline, Gate], tmp_path: Path) -> None:
    pipeline, _ = waiting
    with watched(pipeline, tmp_path, "sh", "-c", "echo following; exec sleep 1000") as shown:
        shown.until("at the gate")
        shown.press("a")
        assert "serial  running" not in shown.until("^following")
        shown.press("C-c")
        assert shown.until("a goes to a running job").count("serial  running") == 1
        shown.press("q")
        shown.until("then running")


def test_to_end_it_is_asked_first(waiting: tuple[Pipeline, Gate], tmp_path: Path) -> None:
    pipeline, _ = waiting
    with watched(pipeline, tmp_path) as shown:
        shown.until("at the gate")
        shown.press("k")
        shown.until("End all jobs of this pipeline")
        shown.press("n")
        shown.until("q leaves")
        assert pipeline.state().status == RUNNING
        shown.press("k")
        shown.until("End all jobs of this pipeline")
        shown.press("y")
        shown.until("then interrupted")
    run = runs.load(pipeline.directory)
    assert not registry.of_run(run).state(run).of(RUNNING)

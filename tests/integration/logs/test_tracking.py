"""What tracking services left of a job is looked for with an end, whatever lies there."""

from __future__ import annotations

from pathlib import Path

import pytest

from runyard.model.attempt import Attempt, Placement
from runyard.model.events import Submitted
from runyard.model.job import Job
from runyard.model.lifecycle import begin
from runyard.model.record import changed
from runyard.model.spec import JobSpec
from runyard.runtime import tracking as module
from runyard.runtime.logs import LocalFiles
from runyard.runtime.tracking import Tracking
from runyard.runtime.trees import Trees
from runyard.settings import Home

DIRECTORIES = 10


@pytest.fixture
def tracking(tmp_path: Path) -> Tracking:
    return Tracking(LocalFiles(Home(str(tmp_path / "home")), "here"), Trees(str(tmp_path / "trees")))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """It has left many directories for TensorBoard, each with something in it."""
    for number in range(DIRECTORIES):
        board = tmp_path / "runs" / str(number) / "version_0"
        board.mkdir(parents=True)
        (board / "events.out.tfevents.1").write_text("")
    job = begin(1, Submitted(1.0, JobSpec(("true",), workdir=str(tmp_path))))
    return changed(job, attempt=Attempt(1, "token", 1.0, (Placement("agent", "here", started_at=1.0),)))


def test_it_is_found(tracking: Tracking, job: Job) -> None:
    assert [link.kind for link in tracking.links(job)] == ["tensorboard"]


@pytest.mark.parametrize(("bound", "value"), [("LOOKS_MAX", DIRECTORIES), ("LOOKS_S", 0.0), ("ENTRIES_MAX", 0)])
def test_no_longer_than_it_may_take(
    tracking: Tracking, job: Job, monkeypatch: pytest.MonkeyPatch, bound: str, value: float
) -> None:
    monkeypatch.setattr(module, bound, value)
    assert tracking.links(job) == ()

"""The scripts of a tmux pipeline as text: what is started, and who gets which devices."""

from __future__ import annotations

import pytest

from runyard.pipeline.layout import Layout
from runyard.pipeline.render.tmux import driver
from runyard.pipeline.spec import PipelineJob, PipelineSpec


def texts(size: int = 2, gpus: tuple[str, ...] = (), wanted: int | None = None) -> dict[str, str]:
    """The text of each file of three jobs, by its name."""
    jobs = (
        PipelineJob("third", "echo 3", ("first", "second", "first")),
        PipelineJob("first", "echo 1", gpus=wanted),
        PipelineJob("second", "echo 2", log=False),
    )
    made = driver.render(Layout("/run", PipelineSpec("a.b c", jobs, size=size, gpus=gpus)))
    return {file.path.removeprefix("/run/"): file.text for file in made.files}


def test_the_driver_starts_sessions_by_a_name_that_tmux_takes() -> None:
    text = texts()["a.b-c.sh"]
    for part in ("\nsession=a_b-c\n", "tmux new-session -d ", " source ", "worker < 2;"):
        assert part in text


def test_there_are_never_more_workers_than_jobs() -> None:
    assert "worker < 3;" in texts(size=100)["a.b-c.sh"]


def test_the_coordinator_knows_each_job_and_whom_it_needs() -> None:
    text = texts()["coordinator.sh"]
    assert "\njob 001-third '\"third\"' log - 2\n" in text
    assert '\njob 002-first \'"first"\' log - 0 "1"\n' in text
    assert "\njob 003-second '\"second\"' '' - 0 \"1\"\n" in text


@pytest.mark.parametrize(
    ("size", "gpus", "shares"),
    [(2, "013", '"0 2" "1"'), (3, "01", '"0" "1" "0"'), (1, "012", '"0 1 2"'), (3, "", "")],
)
def test_devices_are_spread_over_all_workers(size: int, gpus: str, shares: str) -> None:
    assert f" shares=({shares})\n" in texts(size, tuple(gpus))["coordinator.sh"]


def test_without_devices_a_job_that_asks_for_one_runs_all_the_same() -> None:
    assert '\njob 002-first \'"first"\' log - 0 "1"\n' in texts(wanted=1)["coordinator.sh"]
    assert '\njob 002-first \'"first"\' log 1 0 "1"\n' in texts(gpus=("0",), wanted=1)["coordinator.sh"]

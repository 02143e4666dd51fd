"""What the monitor shows."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from rich.console import Console

from runyard.pipeline.showing.view import change, view
from runyard.pipeline.state import FAILED, PASSED, PENDING, RUNNING, SKIPPED, JobState, PipelineState

LOG = ("epoch 1", "epoch 2 \x1b[2J", "[red]epoch 3[/red]")
JOBS = (
    JobState("good", PASSED, code=0, started_at=100.0, ended_at=101.0),
    JobState("bad \x1b[31m", FAILED, code=3, log="/runs/bad.log", started_at=101.0, ended_at=102.0),
    JobState("after [b]", SKIPPED, reason="bad did not pass"),
    JobState("now", RUNNING, log="/runs/now.log", started_at=102.0),
    JobState("later", PENDING),
)
STATE = PipelineState("demo", "running", JOBS)


def shown(state: PipelineState, height: int = 40) -> str:
    def tail(path: str, lines: int) -> Sequence[str]:
        return LOG[-lines:]

    console = Console(width=100, file=StringIO(), markup=False, emoji=False, highlight=False)
    with console.capture() as captured:
        console.print(view(state, "tmux", 110.0, height, tail))
    return captured.get()


def test_everything_that_matters_is_shown() -> None:
    lines = shown(STATE).splitlines()
    assert lines[0].split() == ["demo", "tmux", "running", "10s"]
    assert "1 pending  1 running  1 passed  1 failed  1 skipped  of 5 jobs" in lines[1]
    assert ["now", "8.0s", "[red]epoch", "3[/red]"] in [line.split() for line in lines]
    assert ["after", "[b]", "bad", "did", "not", "pass"] in [line.split() for line in lines]
    assert "  │ epoch 2 \\e[2J" in lines
    assert "bad \\e[31m" in shown(STATE)
    assert "\x1b" not in shown(STATE)


def test_whose_log_it_is_stands_above_it() -> None:
    later = JobState("worse", FAILED, code=4, log="/runs/worse.log", started_at=101.0, ended_at=103.0)
    lines = shown(PipelineState("demo", "running", (*JOBS, later))).splitlines()
    assert lines[lines.index("  │ epoch 1") - 1] == "  ┌ worse"
    assert "  ┌ " not in shown(STATE)


def test_many_are_cut_to_the_room_there_is() -> None:
    jobs = tuple(JobState(f"job {number}", RUNNING, started_at=100.0) for number in range(500))
    lines = shown(PipelineState("demo", "running", jobs), height=24).splitlines()
    assert len(lines) < 24
    assert lines[-1].strip() == "and 494 more"


def test_a_change_is_a_line() -> None:
    assert change(None, JOBS[4]) == ""
    assert change(JOBS[3], JOBS[3]) == ""
    assert change(None, JOBS[1]) == "bad \\e[31m: failed (exit code 3)"
    assert change(JOBS[4], JOBS[2]) == "after [b]: skipped, bad did not pass"
    assert STATE.summary == "1 passed, 1 failed, 1 skipped, 1 running, 1 pending"

"""The options by which a command can stop and go on, as they are typed."""

from __future__ import annotations

import signal

import pytest

from runyard.errors import InvalidSpec
from runyard.model.checkpoint import Checkpoint
from runyard.model.spec import RETRY_CAUSES, JobSpec, RetryVariable
from runyard.submitting.checkpoints import Signal, retry_variable, signal_of
from runyard.submitting.job_options import placed

USR1 = int(signal.SIGUSR1)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("USR1@120", Signal(USR1, 120.0)),
        ("SIGUSR1@2m", Signal(USR1, 120.0)),
        ("usr1", Signal(USR1, 60.0)),
        ("10@5", Signal(10, 5.0)),
        ("B:USR1@120", Signal(USR1, 120.0)),
        ("all:INT@1h", Signal(int(signal.SIGINT), 3_600.0, True)),
    ],
)
def test_signals(text: str, wanted: Signal) -> None:
    assert signal_of(text, "signal") == wanted


@pytest.mark.parametrize("text", ["", "NOSUCH@10", "USR1@", "USR1@soon", "R:USR1@10", "99@1", "USR1@10@10"])
def test_no_signals(text: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        signal_of(text, "signal")
    assert refused.value.field == "signal"


def test_nothing_asked_is_nothing() -> None:
    assert "checkpoint" not in placed({})
    assert not Checkpoint().has_directory


@pytest.mark.parametrize(
    "values", [{"checkpoint-dir": True}, {"requeue-on-checkpoint": True}, {"signal": Signal(USR1)}]
)
def test_who_makes_checkpoints_has_a_place_for_them(values: dict[str, object]) -> None:
    assert placed(values)["checkpoint"].has_directory


def test_a_signal_needs_a_time_limit_that_it_comes_before() -> None:
    asked = placed({"signal": Signal(USR1, 60.0)})["checkpoint"]
    with pytest.raises(InvalidSpec, match="give --time"):
        JobSpec(("true",), checkpoint=asked)
    with pytest.raises(InvalidSpec, match="shorter"):
        JobSpec(("true",), checkpoint=asked, time_limit_s=60.0)
    assert JobSpec(("true",), checkpoint=asked, time_limit_s=61.0)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("oom:BATCH=16", RetryVariable("oom", "BATCH", "16")),
        ("ALLOC=expandable_segments:True", RetryVariable("", "ALLOC", "expandable_segments:True")),
        ("fail:A=", RetryVariable("fail", "A", "")),
    ],
)
def test_variables_of_retries(text: str, wanted: RetryVariable) -> None:
    assert retry_variable(text, "retry-env") == wanted


@pytest.mark.parametrize("text", ["BATCH", "gpu:A=1", "=1", "1A=2", "oom:RUNYARD_X=1", "A\0=1", "A=\0"])
def test_no_variables_of_retries(text: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        retry_variable(text, "retry-env")
    assert refused.value.field == "retry-env"


def test_every_cause_can_be_named() -> None:
    assert {retry_variable(f"{cause}:A=1", "retry-env").cause for cause in RETRY_CAUSES} == set(RETRY_CAUSES)

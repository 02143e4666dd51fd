"""When an attempt has ended: another one, or not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.model.attempt import Attempt, Earlier, Placement, Result
from runyard.model.checkpoint import Checkpoint
from runyard.model.job import Job, StopRequest
from runyard.model.queue import Queue
from runyard.model.spec import JobSpec, Retry, RetryVariable
from runyard.planner.retry import LONGEST_PAUSE_S, MAX_LOST, REQUEUE_PAUSE_S, decide, pause_s, variables

NOW = 1_000.0
REQUEUE = Queue(on_lost="requeue")

SUCCESS = Result("runner", 0)
EXIT_3 = Result("runner", 3 << 8)
KILLED = Result("runner", 9)
OOM = Result("runner", 9, "oom")
TIMEOUT = Result("runner", 15, "timeout")
LOST = Result("inferred", None, "lost")
CANCELLED = Result("runner", 15, "cancelled")
NOT_STARTED = Result("runner", None, "not-started")


def job(limit: int = 0, on: tuple[str, ...] = (), backoff_s: float = 0.0, **changes: object) -> Job:
    spec = JobSpec(
        ("true",),
        retry=Retry(limit, on, backoff_s),
        on_lost=str(changes.pop("on_lost", "")),
        checkpoint=changes.pop("checkpoint", Checkpoint()),  # type: ignore[arg-type]
    )
    return replace(Job(1, spec, 0.0), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("result", [SUCCESS, EXIT_3, KILLED, OOM, TIMEOUT, LOST, CANCELLED, NOT_STARTED])
def test_nothing_is_repeated_unless_asked_for(result: Result) -> None:
    assert decide(job(), result, Queue(), NOW) is None


@pytest.mark.parametrize("result", [EXIT_3, KILLED, OOM, TIMEOUT])
def test_retries_are_for_failures_of_every_kind(result: Result) -> None:
    assert decide(job(2), result, Queue(), NOW) == NOW
    assert decide(job(2, retries=1), result, Queue(), NOW) == NOW
    assert decide(job(2, retries=2), result, Queue(), NOW) is None


@pytest.mark.parametrize("result", [SUCCESS, CANCELLED, NOT_STARTED, LOST])
def test_retries_are_not_for_these(result: Result) -> None:
    assert decide(job(5), result, Queue(), NOW) is None


@pytest.mark.parametrize(
    ("on", "result", "again"),
    [
        (("oom",), OOM, True),
        (("oom",), KILLED, False),
        (("timeout",), TIMEOUT, True),
        (("timeout",), EXIT_3, False),
        (("fail",), EXIT_3, True),
        (("fail",), OOM, False),
        (("3", "75"), EXIT_3, True),
        (("75",), EXIT_3, False),
        (("137",), KILLED, True),
        (("137",), OOM, False),
        (("lost",), LOST, True),
        (("fail", "lost"), EXIT_3, True),
    ],
)
def test_what_is_worth_a_retry_can_be_said(on: tuple[str, ...], result: Result, again: bool) -> None:
    assert (decide(job(1, on), result, Queue(), NOW) is not None) == again


def test_nothing_is_repeated_once_a_stop_was_asked_for() -> None:
    assert decide(job(5, stop=StopRequest(NOW)), EXIT_3, Queue(), NOW) is None
    assert decide(job(stop=StopRequest(NOW)), LOST, REQUEUE, NOW) is None


def test_the_pause_doubles() -> None:
    pauses = [decide(job(9, backoff_s=10, retries=spent), EXIT_3, Queue(), NOW) for spent in range(4)]
    assert pauses == [NOW + 10, NOW + 20, NOW + 40, NOW + 80]


@given(st.floats(0, 86_400), st.integers(0, 10_000))
def test_a_pause_is_never_more_than_an_hour_unless_asked_for(backoff_s: float, spent: int) -> None:
    assert backoff_s <= pause_s(backoff_s, spent) <= max(backoff_s, LONGEST_PAUSE_S)


def test_the_job_decides_about_losses_and_else_its_queue() -> None:
    assert decide(job(), LOST, REQUEUE, NOW) == NOW
    assert decide(job(on_lost="requeue"), LOST, Queue(), NOW) == NOW
    assert decide(job(on_lost="end"), LOST, REQUEUE, NOW) is None


def test_losses_are_made_good_so_often_and_then_no_more() -> None:
    assert decide(job(losses=MAX_LOST - 1), LOST, REQUEUE, NOW) == NOW
    assert decide(job(losses=MAX_LOST), LOST, REQUEUE, NOW) is None


def test_losses_count_as_retries_only_where_they_are_to_be_retried() -> None:
    assert decide(job(1, losses=3), EXIT_3, REQUEUE, NOW) == NOW
    assert decide(job(1, ("fail", "lost"), losses=1), EXIT_3, Queue(), NOW) is None


def test_a_result_without_a_wait_status_and_a_cause_is_lost() -> None:
    assert decide(job(5), Result("inferred"), Queue(), NOW) is None
    assert decide(job(), Result("inferred"), REQUEUE, NOW) == NOW


# Those that ask to be run again


def attempt(idle: int = 0, ends: tuple[tuple[str, int], ...] = (), started_at: float = NOW - 100.0) -> Attempt:
    place = Placement("agent", "host", started_at=started_at)
    return Attempt(1, "token", NOW - 100.0, (place,), earlier=Earlier(ends, idle))


SAVES = Result("runner", 85 << 8, "checkpoint")
IDLES = Result("runner", 85 << 8, "unchanged")


@pytest.mark.parametrize("tries", [1, 3])
def test_who_has_a_new_checkpoint_goes_on_and_spends_no_retry(tries: int) -> None:
    asks = job(checkpoint=Checkpoint(requeue=True, tries=tries), attempt=attempt(idle=9))
    assert decide(asks, SAVES, Queue(), NOW) == NOW


def test_who_has_none_goes_on_for_some_tries() -> None:
    for idle, again in ((0, NOW), (1, NOW), (2, None)):
        asks = job(5, checkpoint=Checkpoint(requeue=True), attempt=attempt(idle))
        assert decide(asks, IDLES, Queue(), NOW) == again


def test_who_is_done_at_once_waits_a_moment() -> None:
    asks = job(checkpoint=Checkpoint(requeue=True), attempt=attempt(started_at=NOW - 0.25))
    assert decide(asks, SAVES, Queue(), NOW) == NOW + REQUEUE_PAUSE_S - 0.25


def test_what_is_to_stop_stops() -> None:
    asks = job(checkpoint=Checkpoint(requeue=True), attempt=attempt(), stop=StopRequest(NOW))
    assert decide(asks, SAVES, Queue(), NOW) is None


def test_variables_come_one_after_another() -> None:
    wanted = Retry(
        9, env=tuple(RetryVariable(*each) for each in [("oom", "B", "16"), ("oom", "B", "8"), ("", "X", "1")])
    )
    assert variables(wanted, Earlier()) == {}
    assert variables(wanted, Earlier((("fail", 1),))) == {"X": "1"}
    assert variables(wanted, Earlier((("oom", 1),))) == {"B": "16", "X": "1"}
    assert variables(wanted, Earlier((("fail", 2), ("oom", 5)))) == {"B": "8", "X": "1"}

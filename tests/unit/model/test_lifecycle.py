"""The one table of moves: what each event does in each state, and what it may never do."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.errors import IllegalMove
from runyard.model.attempt import Attempt, AttemptKey, Earlier, Pause, Placement, Result
from runyard.model.code import Note
from runyard.model.ending import exit_code, judge
from runyard.model.events import (
    KIND_OF,
    KINDS,
    Assigned,
    DependencyFailed,
    DependencyMet,
    Edited,
    Ended,
    Event,
    Held,
    Moved,
    Noted,
    Paused,
    Promoted,
    Released,
    Reopened,
    Resumed,
    Retried,
    Revoked,
    Started,
    StopRequested,
    Submitted,
    Woken,
)
from runyard.model.job import Job, JobState, Resumption, StopRequest
from runyard.model.lifecycle import TABLE, advance, begin, consequences, replay, verdict
from runyard.model.outcome import Outcome
from runyard.model.spec import JobSpec

NOW = 1_000.0
SPEC = JobSpec(("true",), name="one")
TOKEN = "the token"
KEY = AttemptKey(1, 1, TOKEN)

SUCCESS = Result("runner", 0)
FAILURE = Result("runner", 3 << 8)
LOST = Result("inferred", None, "lost")

MOVES = {
    "pending": {
        "held": "pending",
        "released": "pending",
        "woken": "pending",
        "dependency-met": "pending",
        "dependency-failed": "done",
        "assigned": "assigned",
        "stop-requested": "done",
        "edited": "pending",
        "moved": "pending",
        "reopened": "pending",
    },
    "assigned": {
        "held": "assigned",
        "released": "assigned",
        "promoted": "assigned",
        "started": "running",
        "stop-requested": "assigned",
        "revoked": "pending",
        "ended": "done",
        "edited": "assigned",
        "noted": "assigned",
    },
    "running": {
        "started": "running",
        "paused": "running",
        "resumed": "running",
        "stop-requested": "running",
        "ended": "done",
        "edited": "running",
        "noted": "running",
    },
    "done": {
        "edited": "done",
        "noted": "done",
        "retried": "pending",
        "reopened": "pending",
    },
}
"""The table once more, in words: state, event, next state. What is not here is refused."""

EVENTS: dict[str, Any] = {
    "submitted": Submitted(NOW, SPEC),
    "held": Held(NOW, "ann"),
    "released": Released(NOW, "ann"),
    "woken": Woken(NOW),
    "dependency-met": DependencyMet(NOW, 7),
    "dependency-failed": DependencyFailed(NOW, 7, "job 7 failed"),
    "assigned": Assigned(NOW, Attempt(1, TOKEN, NOW, (Placement("a", "h"),))),
    "promoted": Promoted(NOW, KEY),
    "started": Started(NOW, KEY, pid=42),
    "paused": Paused(NOW, "ann"),
    "resumed": Resumed(NOW, "ann"),
    "stop-requested": StopRequested(NOW, StopRequest(NOW, "ann")),
    "revoked": Revoked(NOW, KEY, "no space left"),
    "ended": Ended(NOW, KEY, SUCCESS),
    "edited": Edited(NOW, JobSpec(("true",), name="another"), "ann"),
    "moved": Moved(NOW, 0.5),
    "retried": Retried(NOW, "ann"),
    "reopened": Reopened(NOW, 7, 1),
    "noted": Noted(NOW, KEY, Note("code changed", "train.py")),
}
"""An event of each kind that makes sense for the job of `job_in`."""


def attempt(number: int = 1, token: str = TOKEN, placements: int = 1, follows: str = "") -> Attempt:
    parts = tuple(Placement("a", "h", rank=rank, follows=follows) for rank in range(placements))
    return Attempt(number, token, NOW, parts)


def after(*events: Event, submitted: Submitted = EVENTS["submitted"]) -> Job:
    return replay(1, (submitted, *events))


def job_in(state: str) -> Job:
    steps: dict[str, list[str]] = {"pending": [], "assigned": ["assigned"], "running": ["assigned", "started"]}
    steps["done"] = [*steps["running"], "ended"]
    return after(*(EVENTS[kind] for kind in steps[state]))


def job_for(state: str, kind: str) -> Job:
    """A job in this state to which that event can happen, if there is one."""
    if (state, kind) == ("assigned", "held"):
        return after(Assigned(NOW, attempt(follows="7.1")))
    return after(EVENTS["dependency-failed"]) if (state, kind) == ("done", "reopened") else job_in(state)


# The table


def test_each_kind_of_event_is_tried() -> None:
    assert set(EVENTS) == set(KINDS)
    assert {state.value for state in JobState} == set(MOVES)


@pytest.mark.parametrize(("state", "kind"), list(itertools.product(MOVES, EVENTS)))
def test_the_table(state: str, kind: str) -> None:
    job = job_for(state, kind)
    assert job.state.value == state
    if kind in MOVES[state]:
        moved = advance(job, EVENTS[kind])
        assert moved.state.value == MOVES[state][kind]
        assert moved.version == job.version + 1
    else:
        with pytest.raises(IllegalMove) as refused:
            advance(job, EVENTS[kind])
        if kind in ("moved", "retried"):
            assert str(refused.value).startswith(f"job 1 is {job.word}: only a job that ")
        elif state == "done":
            assert str(refused.value) == "job 1 has ended already: succeeded"
        elif kind in ("held", "released"):
            assert str(refused.value) == "job 1 is running: only a job that waits can be held or released"
        elif kind in ("paused", "resumed"):
            assert "only a job that runs can be paused or resumed" in str(refused.value)
        else:
            assert str(refused.value) == f"job 1 is {job.word}: {kind} does not apply"


def test_only_who_was_named_ahead_can_be_held_once_it_is_assigned() -> None:
    ahead = after(Assigned(NOW, attempt(follows="7.1")))
    assert (ahead.word, ahead.ahead, advance(ahead, Held(NOW)).word) == ("queued", True, "held")
    with pytest.raises(IllegalMove, match="job 1 is starting: only a job that waits"):
        advance(job_in("assigned"), Held(NOW))
    assert advance(advance(ahead, Held(NOW)), EVENTS["revoked"]).word == "held"
    assert advance(advance(ahead, Promoted(NOW, KEY)), EVENTS["started"]).word == "running"


def test_the_table_has_these_moves_and_no_others() -> None:
    assert {(state.value, KIND_OF[kind]) for state, kind in TABLE} == {
        (state, kind) for state, kinds in MOVES.items() for kind in kinds
    }


def test_a_story_begins_with_submitted() -> None:
    for story in ([], [Held(NOW)], [Woken(NOW), EVENTS["submitted"]]):
        with pytest.raises(IllegalMove, match="does not begin with submitted"):
            replay(1, story)


# Random stories: events in any order, most of them of the present attempt, some of older ones or with another token

LIVELY = [kind for kind in EVENTS if kind not in ("submitted", "held", "dependency-failed", "stop-requested")]
KINDS_DRAWN = st.sampled_from([*EVENTS, *LIVELY * 3])
AGAIN = st.sampled_from([None, NOW, NOW, NOW + 60])
RESULTS = st.sampled_from([SUCCESS, FAILURE, LOST, Result("runner", 9, "oom"), Result("runner", 15, "cancelled")])
FIRST = st.builds(
    Submitted,
    st.just(NOW),
    st.sampled_from([SPEC, SPEC, replace(SPEC, hold=True), replace(SPEC, begin_at=NOW + 5)]),
    waiting_on=st.sampled_from([0, 0, 1, 2]),
)


@st.composite
def events(draw: st.DrawFn, job: Job) -> Any:
    """Something that is said about this job."""
    kind = draw(KINDS_DRAWN)
    present = 0 if job.attempt is None else job.attempt.number
    if kind == "assigned":
        number = present + draw(st.sampled_from([1, 1, 1, 0, 2]))
        return Assigned(NOW, attempt(number, TOKEN, draw(st.integers(1, 2)), draw(st.sampled_from(["", "7.1"]))))
    token = draw(st.sampled_from([TOKEN, TOKEN, TOKEN, "another"]))
    key = AttemptKey(1, present - draw(st.sampled_from([0, 0, 0, 1])), token)
    rank = draw(st.integers(0, 1))
    if kind == "promoted":
        return Promoted(NOW, key, draw(st.sampled_from(["", "6.1"])))
    if kind == "started":
        return Started(NOW, key, rank)
    if kind == "revoked":
        return Revoked(NOW, key, "busy", draw(AGAIN), draw(st.booleans()))
    if kind == "noted":
        return Noted(NOW, key, Note("code changed", "train.py"))
    if kind == "ended":
        return Ended(NOW, key, draw(RESULTS), rank, draw(AGAIN))
    if kind == "edited":
        spec = draw(st.sampled_from([SPEC, replace(SPEC, hold=True), replace(SPEC, begin_at=NOW + 9, priority=3)]))
        return Edited(NOW, spec, "ann", draw(st.sampled_from([None, 0, 2])))
    if kind == "retried":
        return Retried(NOW, "ann", draw(st.sampled_from([None, Resumption(present)])), draw(st.none() | st.just(SPEC)))
    return EVENTS[kind]


@given(FIRST, st.data())
def test_replaying_the_legal_part_of_any_story_gives_the_same_job(first: Submitted, data: st.DataObject) -> None:
    job = begin(1, first)
    story: list[Any] = [first]
    for _ in range(data.draw(st.integers(0, 40))):
        event = data.draw(events(job))
        try:
            moved = advance(job, event)
        except IllegalMove as error:
            assert "job 1" in str(error) or "attempt" in str(error)
            continue
        check_step(job, event, moved)
        job = moved
        story.append(event)
        check_job(job)
    assert replay(1, story) == job
    assert job.version == len(story)


def check_step(before: Job, event: Any, job: Job) -> None:
    assert before.state is not JobState.DONE or isinstance(event, (Edited, Retried, Reopened, Noted)), "final is final"
    assert (before.state, type(event)) in TABLE
    if isinstance(event, (Started, Promoted, Revoked, Ended)):
        assert before.attempt is not None
        assert (event.key.number, event.key.token) == (before.attempt.number, before.attempt.token)
    if before.attempt is not None and job.attempt is not None:
        assert job.attempt.number - before.attempt.number == isinstance(event, Assigned)


def check_job(job: Job) -> None:
    """A state carries only what is true in it."""
    done = job.state is JobState.DONE
    assert done == (job.outcome is not None) == (job.ended_at is not None)
    assert not (done and (job.stop or job.wake_at))
    if job.state in (JobState.ASSIGNED, JobState.RUNNING):
        assert job.attempt is not None
        assert not job.attempt.over
    elif job.attempt is not None:
        assert job.attempt.over
    if job.ready:
        assert job.state is JobState.PENDING
        assert not job.held
        assert job.waiting_on == 0


# Fences


@pytest.mark.parametrize("kind", ["promoted", "started", "revoked", "ended"])
@pytest.mark.parametrize(("number", "token", "why"), [(1, TOKEN, "not its present one"), (2, "x", "another token")])
def test_word_of_another_attempt_changes_nothing(kind: str, number: int, token: str, why: str) -> None:
    second = after(EVENTS["assigned"], Revoked(NOW, KEY, again_at=NOW), Assigned(NOW, attempt(2)))
    event = replace(EVENTS[kind], key=AttemptKey(1, number, token))
    with pytest.raises(IllegalMove, match=why):
        advance(second, event)


def test_attempts_are_numbered_without_gaps() -> None:
    with pytest.raises(IllegalMove, match="1 is next"):
        after(Assigned(NOW, attempt(2)))
    again = after(EVENTS["assigned"], EVENTS["started"], Ended(NOW, KEY, FAILURE, again_at=NOW))
    with pytest.raises(IllegalMove, match="2 is next"):
        advance(again, Assigned(NOW, attempt(1)))
    assert advance(again, Assigned(NOW, attempt(2))).attempt == replace(attempt(2), earlier=Earlier((("fail", 1),)))


@pytest.mark.parametrize(
    "submitted",
    [
        Submitted(NOW, replace(SPEC, hold=True)),
        Submitted(NOW, replace(SPEC, begin_at=NOW + 1)),
        Submitted(NOW, SPEC, waiting_on=1),
    ],
)
def test_a_job_that_is_not_ready_is_not_assigned(submitted: Submitted) -> None:
    with pytest.raises(IllegalMove, match="cannot be assigned"):
        after(EVENTS["assigned"], submitted=submitted)


# The moves, one by one


def test_a_held_job_is_ready_once_it_is_released() -> None:
    held = after(submitted=Submitted(NOW, replace(SPEC, hold=True)))
    assert (held.word, held.ready) == ("held", False)
    assert advance(held, EVENTS["released"]).ready


def test_a_begin_time_that_is_past_keeps_nobody_waiting() -> None:
    assert after(submitted=Submitted(NOW, replace(SPEC, begin_at=NOW - 1))).ready
    later = after(submitted=Submitted(NOW, replace(SPEC, begin_at=NOW + 1)))
    assert (later.wake_at, later.word) == (NOW + 1, "waiting")
    assert advance(later, EVENTS["woken"]).ready


def test_all_dependencies_have_to_be_met() -> None:
    job = after(submitted=Submitted(NOW, SPEC, waiting_on=2))
    job = advance(job, DependencyMet(NOW, 7))
    assert not job.ready
    assert advance(job, DependencyMet(NOW, 8)).ready


def test_a_failed_dependency_skips_the_job() -> None:
    job = after(EVENTS["dependency-failed"], submitted=Submitted(NOW, SPEC, waiting_on=2))
    assert (job.outcome, job.reason, job.exit_code) == (Outcome.SKIPPED, "job 7 failed", None)


def test_a_job_that_waits_is_cancelled_at_once() -> None:
    job = after(EVENTS["stop-requested"])
    assert (job.outcome, job.reason, job.ended_at) == (Outcome.CANCELLED, "by ann", NOW)


def test_an_assigned_job_is_cancelled_when_the_agent_took_the_claim() -> None:
    stopping = after(EVENTS["assigned"], EVENTS["stop-requested"])
    assert (stopping.word, stopping.outcome) == ("stopping", None)
    assert advance(stopping, EVENTS["revoked"]).outcome is Outcome.CANCELLED


def test_an_assigned_job_that_starts_before_it_hears_of_the_stop_is_stopping() -> None:
    job = after(EVENTS["assigned"], EVENTS["stop-requested"], EVENTS["started"])
    assert (job.state, job.word) == (JobState.RUNNING, "stopping")
    ended = advance(job, Ended(NOW, KEY, Result("runner", 15, "cancelled")))
    assert (ended.outcome, ended.reason, ended.exit_code) == (Outcome.CANCELLED, "by ann", 143)


def test_a_job_that_succeeds_although_a_stop_was_asked_for_has_succeeded() -> None:
    job = after(EVENTS["assigned"], EVENTS["started"], EVENTS["stop-requested"], EVENTS["ended"])
    assert (job.outcome, job.exit_code) == (Outcome.SUCCEEDED, 0)


def test_a_revoked_attempt_waits_again_and_spends_no_retry() -> None:
    job = after(EVENTS["assigned"], Revoked(NOW, KEY, "no space left", NOW + 60))
    assert (job.state, job.reason, job.wake_at) == (JobState.PENDING, "no space left", NOW + 60)
    assert (job.retries, job.losses) == (0, 0)


@pytest.mark.parametrize(("result", "retries", "losses"), [(FAILURE, 1, 0), (LOST, 0, 1)])
def test_another_try_is_counted_by_its_kind(result: Result, retries: int, losses: int) -> None:
    job = after(EVENTS["assigned"], EVENTS["started"], Ended(NOW, KEY, result, again_at=NOW + 10))
    assert (job.state, job.wake_at) == (JobState.PENDING, NOW + 10)
    assert (job.retries, job.losses) == (retries, losses)
    assert "attempt 1 ended" in job.reason


def test_a_pause_is_of_the_attempt_and_counted() -> None:
    job = after(EVENTS["assigned"], EVENTS["started"], Paused(NOW + 10, "ann"), Paused(NOW + 20, "bob"))
    assert job.attempt is not None and job.attempt.pause is not None
    assert (job.word, job.state, job.attempt.pause) == ("paused", JobState.RUNNING, Pause(NOW + 10, "ann"))
    job = advance(job, Resumed(NOW + 40, "bob"))
    assert job.attempt is not None
    assert (job.word, job.attempt.pause, job.attempt.paused_s) == ("running", None, 30.0)
    assert advance(job, Resumed(NOW + 50, "bob")).attempt == job.attempt


def test_a_paused_job_ends_as_any_other() -> None:
    paused = after(EVENTS["assigned"], EVENTS["started"], Paused(NOW, "ann"))
    stopping = advance(paused, EVENTS["stop-requested"])
    assert stopping.word == "stopping"
    with pytest.raises(IllegalMove, match="job 1 is stopping"):
        advance(stopping, Paused(NOW, "ann"))
    ended = advance(paused, Ended(NOW + 7, KEY, FAILURE))
    assert ended.attempt is not None
    assert (ended.word, ended.attempt.pause, ended.attempt.paused_s) == ("failed", None, 7.0)


def test_a_host_that_cannot_pause_it_says_so() -> None:
    job = after(EVENTS["assigned"], EVENTS["started"], Paused(NOW, "ann"), Resumed(NOW, why="its runner is too old"))
    assert (job.word, job.reason) == ("running", "its runner is too old")


def test_what_waits_is_kept_back_by_another_verb() -> None:
    with pytest.raises(IllegalMove, match="hold keeps it back"):
        advance(job_in("pending"), Paused(NOW))


def story(*results: Result) -> Job:
    """A job whose attempts ended thus, the next of which has been assigned."""
    events: list[Event] = [EVENTS["assigned"]]
    for number, result in enumerate(results, 1):
        key = AttemptKey(1, number, TOKEN)
        events += [Started(NOW, key), Ended(NOW, key, result, again_at=NOW), Assigned(NOW, attempt(number + 1))]
    return after(*events)


def earlier(job: Job) -> Earlier:
    assert job.attempt is not None
    return job.attempt.earlier


def test_an_attempt_knows_what_came_of_those_before_it() -> None:
    oom = Result("runner", 1 << 8, "oom")
    assert earlier(story()) == Earlier()
    assert earlier(story(FAILURE, oom, oom)) == Earlier((("fail", 1), ("oom", 2)))


def test_attempts_that_bring_no_new_checkpoint_are_counted_in_a_row() -> None:
    saved, unchanged = (Result("runner", 85 << 8, why) for why in ("checkpoint", "unchanged"))
    job = story(unchanged, saved, unchanged, unchanged)
    assert (earlier(job), job.retries) == (Earlier(idle=2), 0)
    assert earlier(story(unchanged, FAILURE)) == Earlier((("fail", 1),))


def test_an_attempt_that_never_began_is_no_end() -> None:
    job = advance(story(FAILURE), Revoked(NOW, AttemptKey(1, 2, TOKEN), "busy"))
    assert earlier(advance(job, Assigned(NOW, attempt(3)))) == Earlier((("fail", 1),))


def test_a_retry_by_hand_is_patient_again() -> None:
    unchanged = Result("runner", 85 << 8, "unchanged")
    job = story(unchanged, unchanged)
    job = advance(advance(job, Started(NOW, AttemptKey(1, 3, TOKEN))), Ended(NOW, AttemptKey(1, 3, TOKEN), unchanged))
    assert earlier(job).idle == 2
    assert earlier(advance(job, Retried(NOW))).idle == 0


def test_a_successor_holds_when_the_one_before_it_is_gone() -> None:
    job = after(Assigned(NOW, attempt(follows="7.1")), Promoted(NOW, KEY, "6.1"))
    assert job.attempt is not None
    assert job.attempt.placements[0].follows == "6.1"
    promoted = advance(job, Promoted(NOW, KEY))
    assert promoted.attempt == attempt()


def test_what_ended_before_anybody_heard_of_its_start_was_started() -> None:
    job = after(EVENTS["assigned"], Ended(NOW + 5, KEY, SUCCESS, started_at=NOW + 1, pid=42))
    assert job.attempt is not None
    placement = job.attempt.placements[0]
    assert (placement.started_at, placement.ended_at, placement.pid) == (NOW + 1, NOW + 5, 42)
    assert job.outcome is Outcome.SUCCEEDED


def test_several_placements_end_as_one_attempt_and_the_worst_decides() -> None:
    job = after(Assigned(NOW, attempt(placements=2)), EVENTS["started"], Started(NOW, KEY, rank=1))
    job = advance(job, Ended(NOW, KEY, SUCCESS, rank=0))
    assert job.state is JobState.RUNNING
    with pytest.raises(IllegalMove, match="placement 0 of attempt 1 has ended already"):
        advance(job, Ended(NOW, KEY, FAILURE, rank=0))
    with pytest.raises(IllegalMove, match="no placement 2"):
        advance(job, Ended(NOW, KEY, FAILURE, rank=2))
    job = advance(job, Ended(NOW, KEY, FAILURE, rank=1))
    assert (job.outcome, job.exit_code) == (Outcome.FAILED, 3)


# Ends, and what they do to others


@pytest.mark.parametrize(
    ("result", "outcome", "code"),
    [
        (SUCCESS, Outcome.SUCCEEDED, 0),
        (FAILURE, Outcome.FAILED, 3),
        (Result("runner", 11), Outcome.KILLED, 139),
        (Result("runner", 11 | 0x80), Outcome.KILLED, 139),
        (Result("runner", 9, "oom"), Outcome.OOM, 137),
        (Result("runner", 15, "timeout"), Outcome.TIMEOUT, 143),
        (Result("runner", 0, "timeout"), Outcome.TIMEOUT, 0),
        (Result("runner", 15, "cancelled"), Outcome.CANCELLED, 143),
        (Result("runner", None, "not-started"), Outcome.NOT_STARTED, None),
        (LOST, Outcome.LOST, None),
        (Result("inferred"), Outcome.LOST, None),
    ],
)
def test_a_result_is_judged(result: Result, outcome: Outcome, code: Optional[int]) -> None:
    assert judge(result) == (outcome, code)


@given(st.integers(0, 255))
def test_exit_codes_are_those_of_the_shell(number: int) -> None:
    assert exit_code(number << 8) == number
    if 1 <= number < 64:
        assert exit_code(number) == 128 + number


@pytest.mark.parametrize("outcome", list(Outcome))
def test_what_an_end_means_to_those_who_wait_for_it(outcome: Outcome) -> None:
    lost = outcome is Outcome.LOST
    assert verdict("afterany", outcome) is True
    assert verdict("afterok", outcome) is (None if lost else outcome is Outcome.SUCCEEDED)
    assert verdict("afternotok", outcome) is (outcome is not Outcome.SUCCEEDED)


def test_an_end_wakes_some_skips_others_and_leaves_the_rest() -> None:
    dependants = [(5, "afterok"), (6, "afterany"), (7, "afternotok")]
    failed = after(EVENTS["assigned"], EVENTS["started"], Ended(NOW, KEY, FAILURE))
    assert consequences(failed, dependants, NOW) == [
        (5, DependencyFailed(NOW, 1, "job 1 (one) ended failed")),
        (6, DependencyMet(NOW, 1)),
        (7, DependencyMet(NOW, 1)),
    ]
    lost = after(EVENTS["assigned"], EVENTS["started"], Ended(NOW, KEY, LOST))
    assert [job_id for job_id, _ in consequences(lost, dependants, NOW)] == [6, 7]
    assert consequences(job_in("running"), dependants, NOW) == []

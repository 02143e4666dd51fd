"""Pause and resume: who runs stands still and goes on, whoever is started anew meanwhile; the agent hears of it."""

from __future__ import annotations

from runyard.model.beat import Terms
from runyard.model.events import Paused, Resumed
from runyard.model.spec import Resources
from tests.contract.service.harness import Hand, Yard, job, stop_of


def running(yard: Yard, **fields: object) -> tuple[Hand, int]:
    """An agent and a job that runs there."""
    hand = yard.agent()
    (made,) = yard.submit(job(**fields))
    hand.beat()
    hand.starts(made)
    return hand, made


def test_it_is_told_and_recorded_with_who(yard: Yard) -> None:
    hand, made = running(yard, time_limit_s=600.0)
    assert yard.service.pause((made,)).changed == (made,)
    assert (yard.row(made).word, yard.row(made).state, yard.row(made).reason) == ("paused", "running", "by me")
    hand.beat()
    assert hand.terms == {hand.key(made): Terms(hand.key(made), 600.0, True)}
    yard.sleep(60.0)
    assert yard.service.resume((made,)).changed == (made,)
    hand.beat()
    assert hand.terms[hand.key(made)] == Terms(hand.key(made), 600.0)
    events = [event.event for event in yard.service.job(made).events][-2:]
    assert events == [Paused(yard.clock.at - 60.0, "me"), Resumed(yard.clock.at, "me")]
    assert yard.row(made).word == "running"
    assert yard.service.job(made).attempts[0].paused_s == 60.0


def test_again_is_no_error(yard: Yard) -> None:
    _, made = running(yard)
    for verb in (yard.service.resume, yard.service.pause, yard.service.pause):
        assert verb((made, made)).refused == {}
    assert yard.row(made).word == "paused"


def test_only_what_runs(yard: Yard) -> None:
    hand = yard.agent()
    (starting,) = yard.submit()
    (waiting,) = yard.submit(job(resources=Resources(cpus=4)))
    refused = yard.service.pause((starting, waiting, 99)).refused
    assert refused == {
        starting: f"job {starting} is starting: only a job that runs can be paused or resumed",
        waiting: f"job {waiting} is queued: only a job that runs can be paused or resumed; hold keeps it back",
        99: "there is no job 99",
    }
    hand.beat()
    hand.starts(starting)
    hand.ends(starting)
    assert "has ended already" in yard.service.pause((starting,)).refused[starting]


def test_its_slot_stays_taken_and_nobody_knows_when_it_ends(yard: Yard) -> None:
    hand, made = running(yard, time_limit_s=600.0, resources=Resources(cpus=4))
    (next_job,) = yard.submit(job(resources=Resources(cpus=4)))
    assert yard.service.explain(next_job).starts_to is not None
    yard.service.pause((made,))
    assert yard.row(next_job).word == "queued"
    assert yard.service.explain(next_job).starts_to is None
    yard.sleep(100.0)
    hand.beat()
    yard.service.resume((made,))
    assert yard.service.explain(next_job).starts_to == yard.clock.at + 600.0 + 10.0
    hand.ends(made)
    assert yard.row(next_job).word == "starting"


def test_a_paused_job_is_selected_by_its_word(yard: Yard) -> None:
    _, made = running(yard)
    yard.service.pause((made,))
    assert yard.words() == {made: "paused"}
    assert [row.stage for row in yard.service.status().running] == ["paused"]


def test_an_agent_that_starts_anew_is_told_again(yard: Yard) -> None:
    """Killed before it had heard of it, or after: the last word counts."""
    hand, made = running(yard, time_limit_s=600.0)
    yard.service.pause((made,))
    hand.hello()
    hand.beat(*hand.here.values(), whole=True)
    hand.beat()
    assert hand.terms == {hand.key(made): Terms(hand.key(made), 600.0, True)}
    assert yard.row(made).word == "paused"
    yard.service.resume((made,))
    hand.hello()
    hand.beat(*hand.here.values(), whole=True)
    hand.beat()
    assert hand.terms[hand.key(made)] == Terms(hand.key(made), 600.0)


def test_a_stop_is_told_too(yard: Yard) -> None:
    hand, made = running(yard)
    yard.service.pause((made,))
    yard.service.stop(stop_of(made))
    assert yard.row(made).word == "stopping"
    assert "is stopping" in yard.service.resume((made,)).refused[made]
    hand.beat()
    assert hand.key(made) in hand.stops
    hand.ends(made, 15, "cancelled")
    assert yard.row(made).word == "cancelled"


def test_a_host_that_cannot_do_it_says_why(yard: Yard) -> None:
    hand, made = running(yard)
    yard.service.pause((made,))
    hand.beat(hand.see(hand.key(made), "started", why="its runner is of an older version"))
    assert (yard.row(made).word, yard.row(made).reason) == ("running", "its runner is of an older version")
    hand.beat(hand.see(hand.key(made), "started"))
    assert yard.row(made).word == "running"

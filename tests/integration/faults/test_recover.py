"""The power goes: everybody of a home is dead at once. What ran is known, listed, and put back with one command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from runyard.model.queue import Queue
from runyard.model.spec import Dependency
from tests.harness import processes
from tests.harness.yard import Bell, Gate, Yard


def power_cut(yard: Yard) -> None:
    """Nobody is left: server, agent, zygote, runners, jobs. Then the server comes again."""
    yard.kill_server()
    processes.end_all(yard.home.root)
    yard.start()
    yard.until("the agent", lambda: yard.agent_pid() == yard.agent)


def test_what_ran_is_listed_and_put_back(yard: Yard, bell: Bell, gates: Callable[[str], Gate]) -> None:
    gates("gate")
    default = next(row.queue for row in yard.service.queues() if row.queue.name == "default")
    yard.service.save_queue(replace(default, stop_on_fail=True))
    again = 'echo "$RUNYARD_RESUME $RUNYARD_RESUMED_FROM" > bell; test "$RUNYARD_RESUME" || read x < gate'
    (lost,) = yard.submit(yard.sh(again, name="train"))
    waits, held = yard.submit(yard.sh("true", after=(Dependency(lost),)), yard.sh("true", hold=True))
    assert bell.wait() == [" "]
    power_cut(yard)
    yard.done(lost)
    assert [yard.row(job).word for job in (lost, waits, held)] == ["lost", "waiting", "held"]
    told = yard.ry_json("recover")
    assert [row["id"] for row in told["lost"]] == [lost]
    assert (told["waiting"], told["queues"], told["unknown"]) == ([waits], ["default"], [])
    listed = yard.ry("recover").out.splitlines()
    assert listed[1].split()[:4] == ["lost", "job", str(lost), "train"]
    assert "queue default" in listed[3] and f"job {lost} (train) ended lost" in listed[3]
    done = yard.ry_json("recover", "--all", "--resume", "--yes")
    assert (done["changed"], done["refused"], done["queues"]) == ([lost], {}, ["default"])
    assert [row.word for row in yard.done(lost, waits)] == ["succeeded", "succeeded"]
    assert bell.wait() == [f"1 {lost}.1"]
    assert yard.ry("recover").out == "nothing is left to be put back\n"


def test_only_some_are_put_back(yard: Yard, bell: Bell) -> None:
    one, other = yard.submit(*(yard.sh('echo > bell; test "$RUNYARD_ATTEMPT" = 2 || sleep 600'),) * 2)
    bell.wait(2)
    power_cut(yard)
    yard.done(one, other)
    assert yard.ry("recover", str(one)).out.splitlines()[0] == f"job {one} waits again"
    assert yard.done(one)[0].word == "succeeded"
    assert [row["id"] for row in yard.ry_json("recover")["lost"]] == [other]
    assert "is lost" in yard.ry("recover", str(one)).err


def test_a_queue_may_put_back_by_itself(yard: Yard, bell: Bell) -> None:
    yard.service.save_queue(Queue("safe", on_lost="requeue"))
    (job,) = yard.submit(
        yard.sh('echo "$RUNYARD_ATTEMPT" > bell; test "$RUNYARD_ATTEMPT" = 2 || sleep 600', queue="safe")
    )
    assert bell.wait() == ["1"]
    power_cut(yard)
    assert bell.wait() == ["2"]
    assert yard.done(job)[0].word == "succeeded"


def test_a_drained_yard_stays_drained(yard: Yard) -> None:
    yard.service.drain(True)
    (job,) = yard.submit(yard.sh("true"))
    power_cut(yard)
    assert yard.status().draining and yard.row(job).word == "queued"
    yard.service.drain(False)
    yard.done(job)


def test_order_and_edits_survive(yard: Yard) -> None:
    first, second = yard.submit(yard.sh("true", hold=True), yard.sh("true", hold=True))
    assert yard.ry("move", str(second), "--first").code == yard.ry("edit", str(first), "--set", "note=x").code == 0
    before = yard.rows(str(first), str(second))
    power_cut(yard)
    assert yard.rows(str(first), str(second)) == before

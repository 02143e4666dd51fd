"""The verbs of queues, and what their limits do to jobs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runyard.model.events import Revoked
from tests.acceptance.typist import Typist
from tests.harness.yard import Bell, Gate


def queue(ry: Typist, name: str) -> dict[str, object]:
    return next(row for row in ry.json("queue", "ls") if row["name"] == name)


def test_add_set_and_rm(ry: Typist) -> None:
    assert ry.ok("queue", "add", "night", "--parallel", "2") == "queue night is made: at most 2 at a time\n"
    assert "there is a queue 'night' already" in ry.refused("queue", "add", "night", code=1)
    ry.ok("queue", "set", "night", "--parallel", "0", "--stop-on-fail", "--on-lost", "requeue")
    seen = queue(ry, "night")
    assert (seen["parallel"], seen["stop_on_fail"], seen["on_lost"]) == (0, True, "requeue")
    ry.ok("queue", "set", "night", "--no-stop-on-fail")
    assert queue(ry, "night")["on_lost"] == "requeue", "what is not named stays"
    assert "night" in ry.ok("queue", "ls")
    ry.ok("queue", "rm", "night")
    assert "night" not in ry.ok("queue", "ls")


def test_what_cannot_be_removed(ry: Typist) -> None:
    ry.ok("queue", "add", "busy")
    job = ry.submit("--hold", "-q", "busy", "--", "true")
    assert "1 job" in ry.refused("queue", "rm", "busy", code=1)
    assert "default always exists" in ry.refused("queue", "rm", "default", code=1)
    ry.ok("stop", str(job))
    ry.ok("queue", "rm", "busy")


def test_parallel(ry: Typist, gate: Callable[[str], Gate], bell: Bell) -> None:
    door = gate("door")
    ry.ok("queue", "add", "narrow", "--parallel", "2")
    ids = ry.submit_many("-q", "narrow", "-c0", "-a", "1-3", "echo > bell; read x < door")
    bell.wait(2)
    assert "2 of 2" in ry.ok("why", str(ids[2]))
    ry.ok("queue", "set", "narrow", "--parallel", "3")
    bell.wait()
    door.open(3)
    ry.done(*ids)


def test_who_was_named_ahead_takes_a_place_that_is_free_sooner(
    ry: Typist, gate: Callable[[str], Gate], bell: Bell
) -> None:
    """At once: nobody has refused to start it."""
    long, short = gate("long"), gate("short")
    ry.ok("queue", "add", "pair", "--parallel", "2")
    ry.done(ry.submit("-q", "pair", "-c0", "--", "true"))
    what = "case $RUNYARD_ARRAY_INDEX in 1) read x < long;; 2) read x < short;; *) echo > bell;; esac"
    ids = ry.submit_many("-q", "pair", "-c0", "-a", "1-3", what)
    short.open()
    bell.wait()
    assert ry.row(ids[0]).word == "running"
    long.open()
    ry.done(*ids)
    told = [recorded.event for recorded in ry.yard.service.job(ids[2]).events]
    assert [event.again_at for event in told if isinstance(event, Revoked)] == [None]


def test_pause_and_resume(ry: Typist) -> None:
    ry.ok("queue", "add", "door")
    running = ry.submit("-q", "door", "-c0", "exec sleep 600")
    ry.yard.running(running)
    ry.ok("queue", "pause", "door", "--reason", "a new driver")
    waits = ry.submit("-q", "door", "-c0", "--", "true")
    assert "is paused: a new driver" in ry.ok("why", str(waits))
    assert "queue door is paused: a new driver" in ry.ok("ls", str(waits))
    assert ry.row(running).word == "running", "what runs goes on"
    status = ry.ok("server", "status")
    assert "paused:       door\n" in status
    ry.ok("queue", "resume", "door")
    ry.done(waits)
    assert "paused:       no queue\n" in ry.ok("server", "status")


def test_stop_on_fail(ry: Typist) -> None:
    ry.ok("queue", "add", "chain", "--stop-on-fail", "--parallel", "1")
    ry.ok("queue", "pause", "chain")
    bad = ry.submit("-q", "chain", "-J", "bad", "exit 3")
    waits = ry.submit("-q", "chain", "--", "true")
    ry.ok("queue", "resume", "chain")
    ry.done(bad)
    ry.yard.until("the pause", lambda: ry.yard.status().paused)
    assert f"job {bad} (bad) ended failed" in ry.ok("why", str(waits))
    assert "stop-on-fail: chain\n" in ry.ok("server", "status")
    ry.ok("queue", "resume", "chain")
    assert ry.done(waits).outcome == "succeeded"


def test_stopping_a_job_pauses_nothing(ry: Typist, bell: Bell) -> None:
    ry.ok("queue", "add", "chain", "--stop-on-fail")
    job = ry.submit("-q", "chain", "echo > bell; exec sleep 600")
    bell.wait()
    ry.ok("stop", str(job))
    ry.done(job)
    assert ry.yard.status().paused == ()


def test_defaults(ry: Typist) -> None:
    ry.ok("queue", "add", "night", "--default", "time=2h", "--default", "cpus=2", "--default", "shell=sh")
    job = ry.submit("--hold", "-q", "night", "echo x")
    shown = ry.ok("show", str(job))
    assert "2 cpus" in shown and "at most 2 hours" in shown and "run by sh" in shown
    own = ry.submit("--hold", "-q", "night", "-t", "none", "-c", "1", "--shell", "bash", "echo x")
    assert "1 cpu, no memory limit, no gpu, queue night, no time limit, run by bash" in ry.ok("show", str(own))
    ry.ok("queue", "set", "night", "--default", "time=")
    assert queue(ry, "night")["defaults"] == {"cpus": "2", "shell": "sh"}
    bulk = ry.submit_many("--file", "-", stdin='[{"command": "true", "queue": "night", "hold": true}]')
    assert "2 cpus" in ry.ok("show", str(bulk[0]))


@pytest.mark.parametrize(
    "words",
    [("add", "new"), ("set", "default", "--parallel", "1"), ("pause", "default"), ("rm", "spare")],
    ids=" ".join,
)
def test_dry_run(ry: Typist, words: tuple[str, ...]) -> None:
    ry.ok("queue", "add", "spare")
    before = ry.json("queue", "ls")
    assert ry.ok("queue", *words, "--dry-run").startswith("would: queue ")
    assert ry.json("queue", "ls") == before

"""Everything that can be seen before a kill -9 of the server can be seen after it, and is the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runyard.api import Submission
from runyard.model import codec
from runyard.model.queue import Queue
from runyard.model.spec import ArraySpec, Dependency, Retry
from tests.harness.yard import Gate, Yard

MOVES = ("flags", "last_beat_at")
"""What may differ: the present alone."""


def seen(yard: Yard, ids: tuple[int, ...]) -> dict[str, Any]:
    """What lists and pages show."""
    shown = {"ls": yard.ry_json("ls", "--all"), "queues": yard.ry_json("queue", "ls")}
    shown |= {f"show {job}": codec.encode(yard.service.job(job)) for job in ids}
    shown |= {"the command's show": yard.ry_json("show", str(ids[0]))}
    return {name: _still(value) for name, value in shown.items()}


def _still(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _still(item) for name, item in value.items() if name not in MOVES}
    return [_still(item) for item in value] if isinstance(value, list) else value


def test_restart_equality(yard: Yard, gates: Callable[[str], Gate]) -> None:
    gate = gates("gate")
    yard.service.save_queue(Queue("slow", parallel=1, stop_on_fail=True))
    yard.service.save_queue(Queue("closed", paused=True, reason="by hand"))
    done = yard.submit(yard.sh("echo out"), yard.sh("exit 3", retry=Retry(1)), yard.sh("kill -SEGV $$"))
    yard.done(*done)
    running = yard.submit(yard.sh("read x < gate", queue="slow"), yard.sh("read x < gate", name="with a name"))
    yard.running(*running)
    array = yard.deliver(Submission((yard.sh("true", queue="closed"),), yard.key(), {1: ArraySpec((1, 2, 3), 2)})).ids
    waiting = yard.submit(
        yard.sh("true", queue="slow"),
        yard.sh("true", hold=True, priority=7),
        yard.sh("true", after=(Dependency(running[0]),)),
        yard.sh("true", begin_at=4e9),
    )
    (skipped,) = yard.submit(yard.sh("true", after=(Dependency(done[1]),)))
    ids = (*done, *running, *array, *waiting, skipped)
    yard.until("a plan", lambda: not any(row.reason == "starts when there is room" for row in yard.rows()))
    before = seen(yard, ids)
    yard.restart()
    yard.until("the agent", lambda: yard.agent_pid() == yard.agent)
    yard.until("a plan", lambda: not any(row.reason == "starts when there is room" for row in yard.rows()))
    after = seen(yard, ids)
    for name, value in before.items():
        assert after[name] == value, name
    gate.open(len(running))
    yard.done(*running)

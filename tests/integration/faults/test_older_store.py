"""A store that went back: its log lost its end, it is an older copy, or it is empty. Nobody starts anything from it.

Running jobs run on, nothing is started twice, and no id is given again; the server serves, says so, and waits for a
person's word (`ry server start --accept-older-store`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from runyard.errors import Conflict
from runyard.model.spec import Resources
from tests.harness import processes
from tests.harness.history import History
from tests.harness.yard import Gate, Yard

HOLE_BYTES = 8_192


class Busy:
    """A yard with a job that runs (it has all CPUs) and one that waits for it; then it goes on."""

    def __init__(self, yard: Yard, history: History, gate: Gate) -> None:
        self.yard = yard
        self.history = history
        self.gate = gate
        whole = Resources(cpus=yard.cpus)
        wait = history.recording(f"read x < {gate.path.name}; exit 3")
        self.runs, self.waits = yard.submit(
            yard.sh(wait, resources=whole), yard.sh(history.recording("true"), resources=whole, priority=-1)
        )
        self.pid = yard.running(self.runs)[0].pid or 0
        self.store = Path(os.path.dirname(yard.home.database))
        self.copy = yard.root / "copy"

    def keep_copy(self) -> None:
        """As a backup does it, with the server stopped."""
        assert self.yard.ry("server", "stop").code == 0
        shutil.copytree(self.store, self.copy)
        self.yard.start()
        self.yard.until("the agent", lambda: self.yard.agent_pid() == self.yard.agent)

    def go_on(self) -> tuple[int, int]:
        """What the store will not know: a job that has ended, and one that runs."""
        ended, runs = self.yard.submit(
            self.yard.sh(self.history.recording("true")),
            self.yard.sh(self.history.recording(f"read x < {self.gate.path.name}; exit 4")),
        )
        self.yard.done(ended)
        self.yard.running(runs)
        return ended, runs

    def halted(self, *words: str) -> None:
        """Nothing is started or accepted, and that is said everywhere; the running job runs on."""
        yard = self.yard
        problems = yard.until("its problem", lambda: yard.status().problems)
        assert any(all(word in problem for word in words) for problem in problems), problems
        shown = yard.ry("server", "status")
        assert shown.code == 0 and all(problem in shown.out for problem in problems), shown
        doctor = yard.ry("doctor")
        assert doctor.code == 1 and all(problem in doctor.out for problem in problems), doctor
        with pytest.raises(Conflict, match="--accept-older-store"):
            yard.submit(yard.sh("true"))
        assert yard.ry("submit", "--", "true").code == 1
        assert processes.alive(self.pid)

    def accept(self) -> None:
        """A person's word; then all is as ever."""
        accepted = self.yard.ry("server", "start", "--accept-older-store")
        assert accepted.code == 0, accepted
        self.yard._service = None
        assert self.yard.status().problems == ()

    def begun(self) -> list[int]:
        return [mark.job for mark in self.history.marks() if mark.word == "begin"]


@pytest.fixture
def busy(yard: Yard, history: History, gates: Callable[[str], Gate]) -> Busy:
    return Busy(yard, history, gates("gate"))


@pytest.mark.parametrize("damage", ["cut", "hole"])
def test_the_log_lost_its_end(busy: Busy, damage: str) -> None:
    yard = busy.yard
    log = yard.home.database + "-wal"
    whole = os.path.getsize(log)
    lost = yard.submit(*(yard.sh("true", hold=True) for _ in range(3)))
    yard.kill_server()
    with open(log, "r+b") as file:
        if damage == "cut":
            file.truncate(whole + 100)
        else:
            file.seek(whole)
            file.write(bytes(HOLE_BYTES))
    yard.start()
    busy.halted("lost its end", "--accept-older-store")
    assert {row.id for row in yard.rows()} == {busy.runs, busy.waits}
    busy.gate.open()
    assert yard.done(busy.runs)[0].exit_code == 3
    assert yard.row(busy.waits).state == "pending"
    assert "lost its end" in yard.service.explain(busy.waits).sentence
    busy.accept()
    assert yard.done(busy.waits)[0].word == "succeeded"
    assert min(yard.submit(yard.sh(busy.history.recording("true")))) > max(lost)
    yard.done(max(lost) + 1)
    assert busy.history.check() == {"failed": 1, "succeeded": 2}
    yard.restart()
    assert yard.run(busy.history.recording("true")).word == "succeeded"


@pytest.mark.parametrize("mark", ["mark-kept", "mark-too"])
@pytest.mark.parametrize("agent", ["agent-lives", "agent-dies"])
def test_an_older_copy(busy: Busy, mark: str, agent: str) -> None:
    """With the mark beside it the server knows; with a mark as old as the copy the agent does."""
    yard = busy.yard
    busy.keep_copy()
    ended, runs = busy.go_on()
    pid = yard.row(runs).pid or 0
    yard.kill_server()
    if agent == "agent-dies":
        yard.kill_agent()
    for path in busy.copy.iterdir():
        if mark == "mark-too" or path.name != os.path.basename(yard.home.high_water):
            shutil.copy(path, busy.store)
    for path in busy.store.iterdir():
        if not (busy.copy / path.name).exists():
            path.unlink()
    yard.start()
    busy.halted("older" if mark == "mark-too" else "lost its end")
    yard.until("what is unknown", lambda: [agent.unknown for agent in yard.status().agents] == [(f"{runs}.1",)])
    assert f"{runs}.1" in yard.ry("server", "status").out
    assert f"{runs}.1" in yard.ry("doctor").out
    assert processes.alive(pid)
    busy.accept()
    assert processes.alive(pid) and processes.alive(busy.pid)
    (new,) = yard.submit(yard.sh(busy.history.recording("true")))
    assert new > runs
    yard.done(new)
    busy.gate.open(2)
    assert yard.done(busy.runs, busy.waits)[0].exit_code == 3
    assert processes.ended(pid)
    assert sorted(busy.begun()) == sorted((busy.runs, busy.waits, ended, runs, new))


@pytest.mark.parametrize("mark", ["mark-kept", "mark-too"])
def test_an_empty_store(busy: Busy, mark: str) -> None:
    yard = busy.yard
    yard.kill_server()
    for path in busy.store.iterdir():
        if mark == "mark-too" or path.name != os.path.basename(yard.home.high_water):
            path.unlink()
    yard.start()
    busy.halted("another store than before" if mark == "mark-kept" else "has run here")
    assert yard.rows() == ()
    yard.until("what is unknown", lambda: [agent.unknown for agent in yard.status().agents] == [(f"{busy.runs}.1",)])
    busy.accept()
    (new,) = yard.submit(yard.sh(busy.history.recording("true")))
    assert new > busy.runs
    assert yard.done(new)[0].word == "succeeded"
    assert processes.alive(busy.pid)
    busy.gate.open()
    assert processes.ended(busy.pid)
    assert sorted(busy.begun()) == [busy.runs, new]


def test_what_the_store_forgot_is_not_started_again(busy: Busy) -> None:
    """The copy knows of a job that it waits; since then it has begun. Its number is taken: it ends, loudly."""
    yard = busy.yard
    busy.keep_copy()
    busy.gate.open()
    yard.done(busy.runs, busy.waits)
    yard.kill_server()
    shutil.rmtree(busy.store)
    shutil.copytree(busy.copy, busy.store)
    yard.start()
    yard.until("its problem", lambda: yard.status().problems)
    busy.accept()
    rows = yard.done(busy.runs, busy.waits)
    assert {row.word for row in rows} <= {"lost", "not-started", "failed"} and all(row.reason for row in rows), rows
    assert sorted(busy.begun()) == [busy.runs, busy.waits]

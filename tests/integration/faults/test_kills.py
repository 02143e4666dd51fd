"""The server killed at every write to its store: what was acknowledged is there, and nothing is started twice.

strace counts the writes of a real server from its first instruction and kills it at one of them; then another server
takes over, and the client sends its submission again under the same key. Between two fdatasync everything is in the
kernel's hands: what a power cut does is in test_store_damage.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from runyard.api import Submission
from runyard.errors import Unavailable
from runyard.model.spec import Dependency, Retry
from tests.harness import processes
from tests.harness.history import History
from tests.harness.trace import Trace, available, killing
from tests.harness.yard import Yard
from tests.integration.faults.conftest import random_kills

pytestmark = pytest.mark.skipif(not available(), reason="strace is not installed")

WRITES = ("fdatasync", "pwrite64")
"""The calls by which a store changes; a test sees to it that the list is whole."""

AT_BIRTH = ("ftruncate", "unlink")
"""Besides, while the store is made."""

OTHER_WRITES = ("fsync", "write", "writev", "pwritev", "rename", "fallocate", "msync")

DAY = 260
"""About so many writes come from the start of a server to the end of the jobs below."""

OUTCOMES = [("succeeded", 0, 1), ("succeeded", 0, 1), ("failed", 3, 2)]


def step(call: str) -> int:
    """Of those that are many not every one is tried (RUNYARD_TEST_RANDOM_KILLS=260: all)."""
    return max(1, DAY // random_kills()) if call == "pwrite64" else 1


class Day:
    """A server's day: it starts, takes three jobs, and they come to their ends. It may die on the way."""

    def __init__(self, yard: Yard) -> None:
        self.yard = yard
        self.history = History(yard)
        self.deaths = 0
        ok, after, again = (self.history.recording(text) for text in ("true", "true", "exit 3"))
        self.specs = (yard.sh(ok), yard.sh(after, after=(Dependency(-1),)), yard.sh(again, retry=Retry(1)))

    def begin(self, call: str, number: int, *options: str) -> bool:
        """Start a server that dies at this write; False if it has died already."""
        launched = self.yard.launch()
        self.trace = killing(launched.pid, call, number, *options)
        self.server = launched.pid
        return launched.go()

    def live(self, submission: Submission) -> tuple[int, ...]:
        """Submit and wait for the ends; what was acknowledged until the server died."""
        ids: tuple[int, ...] = ()
        try:
            ids = self.yard.deliver(submission).ids
            self.yard.done(*ids)
        except Unavailable:
            assert processes.ended(self.server)
        return ids

    def over(self) -> bool:
        """The trace ends; whether the server had died."""
        self.trace.end()
        died = not processes.alive(self.server)
        self.deaths += died
        return died

    def check(self, submission: Submission, acknowledged: tuple[int, ...]) -> None:
        """With a server that lives: the same submission gives the same ids, and they come to their true ends."""
        ids = self.yard.deliver(submission).ids
        assert acknowledged in ((), ids), f"{acknowledged} were acknowledged, now they are {ids}"
        assert len(ids) == 3
        self.history.accepted.update(ids)
        assert [(row.word, row.exit_code, row.attempt) for row in self.yard.done(*ids)] == OUTCOMES


@pytest.mark.timeout(900)
@pytest.mark.parametrize("call", WRITES)
def test_killed_at_every_write(make_yard: Callable[..., Yard], call: str) -> None:
    yard = make_yard()
    yard.start()
    agent = yard.agent  # lives on, and is no child of a server that is traced
    day = Day(yard)
    for number in itertools.count(1, step(call)):
        yard.kill_server()
        submission = Submission(day.specs, yard.key())
        acknowledged = day.live(submission) if day.begin(call, number, "-f") else ()
        if died := day.over():
            yard.start()
        day.check(submission, acknowledged)
        if not died:
            break
    words = day.history.check()
    assert yard.agent == agent
    assert words["failed"] == day.deaths + 1 and day.deaths >= (5 if call == "fdatasync" else DAY // step(call) // 2)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("call", WRITES + AT_BIRTH)
def test_killed_while_the_store_is_made(make_yard: Callable[..., Yard], call: str) -> None:
    """That, and the first commit, are the work of the first thread."""
    deaths = 0
    for number in itertools.count(1, step(call)):
        with make_yard() as yard:
            day = Day(yard)
            answered = day.begin(call, number)
            died = day.over()
            assert answered != died
            if died:
                yard.start()
            submission = Submission(day.specs, yard.key())
            assert yard.deliver(submission).ids == yard.deliver(submission).ids == (1, 2, 3)
            assert yard.status().problems == ()
        if not died:
            break
        deaths += 1
    assert deaths


def test_the_list_of_writes_is_whole(make_yard: Callable[..., Yard], tmp_path: Path) -> None:
    yard = make_yard()
    day = Day(yard)
    launched = yard.launch()
    calls = ",".join(WRITES + AT_BIRTH + OTHER_WRITES)
    trace = Trace(launched.pid, "-f", "-y", "-o", str(tmp_path / "log"), "-e", f"trace={calls}")
    assert launched.go()
    day.check(Submission(day.specs, yard.key()), ())
    trace.end()
    store = re.escape(os.path.dirname(yard.home.database))
    found = re.findall(rf"^\d+ +(\w+)\([^\n]*{store}", (tmp_path / "log").read_text(), re.MULTILINE)
    assert set(found) == {*WRITES, *AT_BIRTH}

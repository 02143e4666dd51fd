"""Members of a family by identity: real children of the test, found and signalled."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from runyard.foreign import process
from runyard.runtime import family
from runyard.runtime.family import Member
from tests.integration.runtime.rig import alive, wait_dead


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(["sleep", "1000"])
    yield child
    child.kill()
    child.wait()


def identified(pid: int) -> Member:
    found = family.identity(pid)
    assert found is not None
    return found


class TestSend:
    def test_it_reaches_this_very_process(self, sleeper: subprocess.Popen[bytes]) -> None:
        family.send([identified(sleeper.pid)], signal.SIGUSR1)
        assert sleeper.wait() == -signal.SIGUSR1

    def test_not_another_one_of_the_same_pid(self, sleeper: subprocess.Popen[bytes]) -> None:
        family.send([identified(sleeper.pid)._replace(start_time=1)], signal.SIGKILL)
        family.send([identified(sleeper.pid)], signal.SIGTERM)
        assert sleeper.wait() == -signal.SIGTERM

    def test_nobody_is_found_behind_the_dead(self, sleeper: subprocess.Popen[bytes]) -> None:
        member = identified(sleeper.pid)
        sleeper.kill()
        wait_dead(sleeper.pid)
        assert family.identity(sleeper.pid) is None, "a zombie is dead"
        family.send([member], signal.SIGTERM)
        sleeper.wait()
        family.send([member], signal.SIGTERM)

    @pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
    def test_who_may_not_is_no_error(self, sleeper: subprocess.Popen[bytes]) -> None:
        member = identified(sleeper.pid)
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.setuid(65534)
                family.send([member], signal.SIGTERM)
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(pid, 0)[1] == 0
        assert alive(sleeper.pid)


def test_descendants_with_parents_first() -> None:
    script = "sleep 1000 & setsid sh -c 'sleep 1000 & echo ready; wait' & wait"
    parent = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"ready\n"
    found = family.descendants(parent.pid)
    try:
        assert len(found) == 3
        place = {member.pid: index for index, member in enumerate(found)}
        for member in found:
            stat = process.read_stat(member.pid)
            assert stat is not None
            assert stat.ppid == parent.pid or place[stat.ppid] < place[member.pid]
    finally:
        family.send(found, signal.SIGKILL)
        parent.wait()
        parent.stdout.close()
    for member in found:
        wait_dead(member.pid)


def test_nobody_is_below_who_is_gone() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    assert family.descendants(child.pid) == []

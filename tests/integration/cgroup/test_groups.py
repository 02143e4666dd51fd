"""Real groups of this machine: limits that bite, a kill that nobody escapes, nothing left behind."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from runyard.runtime import cgroup, family
from runyard.runtime.cgroup import CgroupTree, Group

WAITING = 'read go || exit; exec "$@"'
"""A shell that becomes a program when it is told to."""


@pytest.fixture(params=["as found", "v1", "v1 without freezer"])
def tree(request: pytest.FixtureRequest) -> CgroupTree:
    """The machine's tree, and what it would be on older machines."""
    found = CgroupTree.find()
    if found is None:
        pytest.skip("this account may not make groups here")
    if request.param == "as found":
        return found
    places = {name: found.place_of(name) for name in ("cpu", "memory", "pids")}
    legacy = {name: directory for name, (version, directory) in places.items() if version == 1}
    if not legacy:
        pytest.skip("this machine has no v1 hierarchy")
    if request.param == "v1":
        legacy["freezer"] = next(
            place.own for place in cgroup.places() if place.version == 1 and "freezer" in place.controllers
        )
    return CgroupTree(legacy, "", frozenset())


@pytest.fixture
def group(tree: CgroupTree) -> Iterator[Group]:
    """A new group; nothing of it is left afterwards."""
    name = "test-" + secrets.token_hex(4)
    made = tree.group(name)
    assert made is not None
    yield made
    made.kill()
    while made.populated():
        os.sched_yield()
    while not made.remove():
        os.sched_yield()
    assert name not in tree.names()


@pytest.fixture
def limited(tree: CgroupTree, group: Group) -> Group:
    if not {"cpu", "memory"} <= set(tree.controllers.replace(",", "").replace(";", "").split()):
        pytest.skip("CPUs and memory cannot be limited here")
    return group


def start(group: Group, *argv: str) -> subprocess.Popen[bytes]:
    """Start a program that is in the group from its first instruction on."""
    shell = subprocess.Popen(["sh", "-c", WAITING, "sh", *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert group.add(shell.pid)
    assert shell.stdin is not None
    shell.stdin.write(b"go\n")
    shell.stdin.flush()
    return shell


def finish(program: subprocess.Popen[bytes], timeout_s: float = 60) -> int:
    with program:
        return program.wait(timeout_s)


def line(program: subprocess.Popen[bytes]) -> bytes:
    assert program.stdout is not None
    return program.stdout.readline()


def test_what_is_told(tree: CgroupTree) -> None:
    assert tree.controllers.startswith("cgroup v")
    assert "kill" in tree.controllers


class TestLimits:
    def test_too_much_memory_is_killed(self, limited: Group) -> None:
        assert limited.limit(0, 64) == ("memory",)
        assert limited.oom_kills() == 0
        assert finish(start(limited, sys.executable, "-c", "len(b'x' * 200_000_000)")) == -signal.SIGKILL
        assert limited.oom_kills() == 1

    def test_little_memory_is_not(self, limited: Group) -> None:
        limited.limit(0, 64)
        assert finish(start(limited, sys.executable, "-c", "len(b'x' * 20_000_000)")) == 0
        assert limited.oom_kills() == 0

    def test_cpus(self, tree: CgroupTree, limited: Group) -> None:
        assert limited.limit(2, 0) == ("cpu",)
        version, root = tree.place_of("cpu")
        (name,) = {os.path.basename(directory) for directory in limited.directories()}
        file, content = {1: ("cpu.cfs_quota_us", "200000"), 2: ("cpu.max", "200000 100000")}[version]
        assert Path(root, name, file).read_text().strip() == content

    def test_limits_are_lifted_for_who_comes_next(self, limited: Group) -> None:
        assert limited.limit(1, 64) == ("cpu", "memory")
        assert limited.limit(0, 0) == ()
        assert finish(start(limited, sys.executable, "-c", "len(b'x' * 200_000_000)")) == 0
        assert limited.limit(2, 64) == ("cpu", "memory")
        assert finish(start(limited, sys.executable, "-c", "len(b'x' * 200_000_000)")) == -signal.SIGKILL
        assert limited.limit(1, 500) == ("cpu", "memory")
        assert finish(start(limited, sys.executable, "-c", "len(b'x' * 200_000_000)")) == 0
        assert limited.oom_kills() == 1

    def test_no_limit_makes_no_group_for_it(self, group: Group) -> None:
        before = group.directories()
        assert group.limit(0, 0) == ()
        assert group.directories() == before

    def test_processes(self, group: Group) -> None:
        if group.pids_max(10) == 0:
            pytest.skip("processes cannot be limited here")
        assert group.pids_max(20) == 20
        program = start(group, "bash", "-c", "for i in {1..40}; do sleep 1000 & done 2>/dev/null; sleep 1000")
        with program:
            while len(group.pids()) < 20:
                os.sched_yield()
            group.kill()


class TestKill:
    def test_who_hides_from_everything(self, group: Group) -> None:
        hiding = "trap '' TERM HUP INT; setsid sh -c \"trap '' TERM; (sleep 1000; :) & echo ready; wait\" & wait"
        program = start(group, "sh", "-c", hiding)
        assert line(program) == b"ready\n"
        members = [member for pid in group.pids() if (member := family.identity(pid)) is not None]
        assert len(members) >= 3
        assert group.populated()
        group.kill()
        assert finish(program) == -signal.SIGKILL
        while any(family.identity(member.pid) == member for member in members):
            os.sched_yield()
        while group.populated():
            os.sched_yield()

    def test_a_fork_bomb(self, group: Group) -> None:
        taken = group.pids_max(50)
        if taken == 0:
            pytest.skip("processes cannot be limited here, and so a bomb is not lit")
        assert taken == 50
        program = start(group, "bash", "-c", "bomb() { bomb | bomb & }; echo lit; bomb 2>/dev/null; sleep 1000")
        assert line(program) == b"lit\n"
        while len(group.pids()) < 30:
            os.sched_yield()
        while group.populated():
            group.kill()
        assert finish(program) == -signal.SIGKILL

    def test_a_stopped_process(self, group: Group) -> None:
        program = start(group, "sh", "-c", "kill -STOP $$")
        os.waitid(os.P_PID, program.pid, os.WSTOPPED | os.WNOWAIT)
        group.kill()
        assert finish(program) == -signal.SIGKILL

    def test_groups_below_it(self, group: Group) -> None:
        program = start(group, "sleep", "1000")
        for directory in group.directories():
            os.mkdir(f"{directory}/below")
            Path(directory, "below", "cgroup.procs").write_text(str(program.pid))
        assert group.pids() == [program.pid]
        assert group.populated()
        assert not group.remove()
        group.kill()
        assert finish(program) == -signal.SIGKILL

    def test_nobody_there(self, group: Group) -> None:
        assert not group.populated()
        group.kill()
        assert group.pids() == []

    def test_nobody_else(self, group: Group) -> None:
        with subprocess.Popen(["sleep", "1000"]) as other:
            group.kill()
            assert other.poll() is None
            other.kill()


class TestNames:
    def test_a_group_is_found_again(self, tree: CgroupTree, group: Group) -> None:
        name = next(name for name in tree.names() if name.startswith("test-"))
        again = tree.existing(name)
        assert again is not None
        with subprocess.Popen(["sleep", "1000"]) as program:
            assert again.add(program.pid)
            assert group.pids() == [program.pid]
            again.kill()

    def test_none_of_that_name(self, tree: CgroupTree) -> None:
        assert tree.existing("test-none") is None

    @pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "-a", "a\n", "a\0b", "x" * 300])
    def test_bad_names(self, tree: CgroupTree, name: str) -> None:
        with pytest.raises(ValueError, match="not a name"):
            tree.group(name)

    def test_one_that_cannot_be_made(self, tree: CgroupTree, tmp_path: Path) -> None:
        gone = CgroupTree({"memory": str(tmp_path / "gone")}, "", frozenset())
        assert gone.group("a") is None

    def test_one_that_is_gone(self, tree: CgroupTree) -> None:
        group = tree.group("test-gone")
        assert group is not None
        assert group.remove()
        assert group.remove()
        assert not group.populated()
        assert group.oom_kills() == 0
        assert group.pids() == []
        group.kill()


def in_child(action: str, group: Group | None = None) -> str:
    """What a new process prints that runs these lines with the module as `cgroup`."""
    code = f"import os, sys; from runyard.runtime import cgroup; sys.stdin.readline(); {action}"
    program = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    if group is not None:
        assert group.add(program.pid)
    out, _ = program.communicate(b"go\n", 60)
    assert program.returncode == 0
    return out.decode().strip()


class TestLeave:
    def test_an_attempts_group(self, limited: Group) -> None:
        limited.limit(1, 500)
        shown = in_child("print('runyard' in open('/proc/self/cgroup').read())", limited)
        assert shown == "True"
        shown = in_child("print(cgroup.leave(), 'runyard' in open('/proc/self/cgroup').read())", limited)
        assert shown == "True False"

    def test_what_it_starts_then_is_outside(self, group: Group) -> None:
        started = "cgroup.leave(); print(os.spawnlp(os.P_NOWAIT, 'setsid', 'setsid', 'sh', '-c', SLEEP))"
        sleeping = "SLEEP = 'exec sleep 1000 >/dev/null 2>&1 </dev/null'; "
        pid = int(in_child(sleeping + started, group))
        assert not group.populated()
        os.kill(pid, signal.SIGKILL)

    def test_nothing_to_leave(self) -> None:
        assert in_child("print(cgroup.leave())") == "True"


def test_without_the_right_there_is_no_tree() -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    assert in_child("os.setuid(65534); print(cgroup.CgroupTree.find())") == "None"


def test_what_was_delegated_is_made_ready() -> None:
    """A real v2 group that is marked as systemd marks it: we move one down and make groups beside us."""
    place = next((place for place in cgroup.places() if place.version == 2), None)
    if place is None or os.getuid() != 0:
        pytest.skip("needs the root of a cgroup v2 tree")
    service = Path(place.own, "test-service-" + secrets.token_hex(4))
    service.mkdir()
    try:
        try:
            os.setxattr(service, "user.delegate", b"1")
        except OSError:
            pytest.skip("this kernel's groups take no marks")
        action = (
            f"open('{service}/cgroup.procs', 'w').write('0'); tree = cgroup.CgroupTree.find();"
            "group = tree.group('a'); print(tree.unified);"
            "print(open('/proc/self/cgroup').read().split(':')[-1].strip());"
            "print(os.path.dirname(group.directories()[0])); group.remove()"
        )
        unified, own, parent = in_child(action).splitlines()
        assert (unified, parent) == (str(service), str(service))
        assert own.endswith(f"{service.name}/main")
        assert not (service / "main" / "cgroup.procs").read_text()
    finally:
        with suppress(FileNotFoundError):
            (service / "main").rmdir()
        service.rmdir()

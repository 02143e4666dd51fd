"""Processes by identity: what /proc says of real children of the test."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from runyard.foreign import process


@contextmanager
def child(action: Callable[[], object] = signal.pause) -> Iterator[int]:
    """The pid of a forked child that does this and then nothing more, or no process at all if the action exits."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        try:
            os.write(write, b"!")
            action()
        finally:
            os._exit(0)
    os.close(write)
    assert os.read(read, 1) == b"!"
    try:
        yield pid
    finally:
        os.close(read)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def ended(pid: int) -> None:
    """Wait until it is a zombie."""
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def dead(pid: int) -> bool:
    stat = process.read_stat(pid)
    assert stat is not None
    return stat.dead


def unused_pid() -> int:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def arguments_of(pid: int) -> str:
    """Its command line, once execve has come so far as to show one."""
    while (shown := process.command_line(pid)).startswith("["):
        os.sched_yield()
    return shown


class TestStat:
    def test_own(self) -> None:
        stat = process.read_stat(os.getpid())
        assert stat is not None
        assert (stat.ppid, stat.pgrp, stat.session) == (os.getppid(), os.getpgrp(), os.getsid(0))
        assert stat.state in "RS"
        assert stat.threads >= threading.active_count(), "libraries may have some of their own"

    @pytest.mark.parametrize("name", ["a b", "a) R 1 (", ")", "((", "(a) Z 9 9"])
    def test_names_with_spaces_and_parentheses(self, name: str) -> None:
        def rename() -> None:
            with open("/proc/self/comm", "w") as file:
                file.write(name)
            os.kill(os.getpid(), signal.SIGSTOP)

        with child(rename) as pid:
            os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
            stat = process.read_stat(pid)
            assert stat is not None
            assert (stat.state, stat.ppid, stat.threads) == ("T", os.getpid(), 1)

    def test_gone(self) -> None:
        pid = unused_pid()
        assert process.read_stat(pid) is None
        assert process.children(pid) == []
        assert process.owner(pid) == ""
        assert process.command_line(pid) == ""
        assert not process.environ_has(pid, "A=1")


class TestDead:
    def test_runs(self) -> None:
        with child() as pid:
            assert not dead(pid)

    def test_stopped_is_alive(self) -> None:
        with child() as pid:
            os.kill(pid, signal.SIGSTOP)
            os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
            assert not dead(pid)

    def test_zombie_is_dead(self) -> None:
        with child(lambda: os._exit(0)) as pid:
            ended(pid)
            assert dead(pid)
            os.kill(pid, 0)  # although the kernel still knows it

    @pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="the number of exit(2) is not known")
    def test_its_first_thread_has_ended(self) -> None:
        number = {"x86_64": 60, "aarch64": 93}[platform.machine()]

        def end_first_thread() -> None:
            threading.Thread(target=signal.pause, daemon=True).start()
            ctypes.CDLL(None).syscall(number, 0)

        with child(end_first_thread) as pid:
            while (stat := process.read_stat(pid)) is not None and stat.state != "Z":
                os.sched_yield()
            assert not dead(pid)


class TestChildren:
    def test_children_of_every_thread(self) -> None:
        code = (
            "import os, subprocess, threading\n"
            "def start():\n"
            " child = subprocess.Popen(['sleep', '1000'])\n"
            " os.write(1, b'%d\\n' % child.pid)\n"
            " child.wait()\n"
            "threading.Thread(target=start).start(); start()"
        )
        parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert parent.stdout is not None
        started = sorted(int(parent.stdout.readline()) for _ in range(2))
        try:
            assert sorted(process.children(parent.pid)) == started
        finally:
            for pid in started:
                os.kill(pid, signal.SIGKILL)
            parent.wait()
            parent.stdout.close()

    def test_children_where_the_kernel_keeps_no_list(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os.path, "exists", lambda path: False)
        with child() as pid:
            assert pid in process.children(os.getpid())
            assert process.children(pid) == []

    def test_processes_has_us(self) -> None:
        found = set(process.processes())
        assert {1, os.getpid()} <= found


class TestDescription:
    def test_environment_entry_is_matched_whole(self) -> None:
        environment = {"RUNYARD_TOKEN": "abc", "EMPTY": ""}
        running = subprocess.Popen(["sleep", "1000"], env=environment)
        try:
            assert process.environ_has(running.pid, b"RUNYARD_TOKEN=abc")
            assert process.environ_has(running.pid, "RUNYARD_TOKEN=abc")
            assert process.environ_has(running.pid, "EMPTY=")
            assert not process.environ_has(running.pid, "RUNYARD_TOKEN=ab")
            assert not process.environ_has(running.pid, "TOKEN=abc")
        finally:
            running.kill()
            running.wait()

    @pytest.mark.parametrize("again", range(20))
    def test_large_environment_is_read_whole(self, again: int) -> None:
        """Also while the program begins: `Popen` returns before the kernel has put the environment in its place."""
        environment = {f"NAME{number}": "x" * 100_000 for number in range(10)} | {"Z": "last"}
        running = subprocess.Popen(["sleep", "1000"], env=environment)
        try:
            assert process.environ_has(running.pid, "Z=last")
        finally:
            running.kill()
            running.wait()

    def test_without_an_environment(self) -> None:
        running = subprocess.Popen(["sleep", "1000"], env={})
        try:
            assert arguments_of(running.pid) == "sleep 1000"
            assert not process.environ_has(running.pid, "RUNYARD_TOKEN=abc")
        finally:
            running.kill()
            running.wait()

    def test_command_line(self) -> None:
        running = subprocess.Popen([b"sh", b"-c", b"read line", b"0\xff"], stdin=subprocess.PIPE)
        try:
            assert arguments_of(running.pid) == "sh -c read line 0\N{REPLACEMENT CHARACTER}"
        finally:
            running.kill()
            os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOWAIT)
            assert process.command_line(running.pid) == "[sh]"
            running.wait()

    def test_long_command_line_is_cut(self) -> None:
        running = subprocess.Popen(["sleep", "1000", "0" * 100_000])
        try:
            assert len(arguments_of(running.pid)) == process.COMMAND_MAX
        finally:
            running.kill()
            running.wait()

    def test_owner(self) -> None:
        assert process.owner(1) == "root"

    @pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
    def test_owner_without_a_name(self) -> None:
        ready, told = os.pipe()

        def become() -> None:
            os.setuid(54321)
            os.write(told, b"!")
            signal.pause()

        with child(become) as pid:
            os.read(ready, 1)
            assert process.owner(pid) == "54321"
        os.close(ready)
        os.close(told)

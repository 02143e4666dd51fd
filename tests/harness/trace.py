"""strace on a process that runs: a signal or an error injected at one system call, as the kernel sees it."""

from __future__ import annotations

import select
import shutil
import subprocess

from tests.harness.processes import PATIENCE_S


def available() -> bool:
    """Whether strace is there."""
    return shutil.which("strace") is not None


class Trace:
    """strace, attached to a process: its first thread alone, or with `-f` all that it has or gets, and its children."""

    def __init__(self, pid: int, *options: str) -> None:
        self._strace = subprocess.Popen(["strace", "-p", str(pid), *options], stderr=subprocess.PIPE)
        assert self._strace.stderr is not None
        assert select.select([self._strace.stderr], [], [], PATIENCE_S)[0], "strace does not attach"
        line = self._strace.stderr.readline()
        assert b"attached" in line, line

    def end(self) -> None:
        """Detach."""
        self._strace.terminate()
        assert self._strace.stderr is not None
        self._strace.stderr.close()
        self._strace.wait(PATIENCE_S)


def killing(pid: int, call: str, number: int, *options: str) -> Trace:
    """SIGKILL when a thread is about to make this call for the `number`-th time from now."""
    inject = f"inject={call}:signal=KILL:when={number}"
    return Trace(pid, "-o", "/dev/null", "-e", f"trace={call}", "-e", inject, *options)

"""A tmux server of a test's own. Nothing here, nor what a test runs, comes near another one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.harness import processes

TMUX = shutil.which("tmux") or ""


class TmuxServer:
    """Sessions below a directory with a short path, for the socket. `environ` leads programs there."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TMUX")}
        self.environ = {**kept, "TMUX_TMPDIR": directory}

    def tmux(self, *words: str) -> str:
        """What tmux says to this; nothing where it refuses."""
        done = subprocess.run([TMUX, *words], env=self.environ, capture_output=True, text=True, timeout=30, check=False)
        return done.stdout

    def sessions(self) -> list[str]:
        return self.tmux("list-sessions", "-F", "#{session_name}").split()

    def pids(self, session: str) -> list[int]:
        """What the session has started."""
        return [int(line) for line in self.tmux("list-panes", "-s", "-t", f"={session}:", "-F", "#{pane_pid}").split()]

    def close(self) -> None:
        pid = self.tmux("display-message", "-p", "#{pid}").strip()
        self.tmux("kill-server")
        assert not pid or processes.ended(int(pid))
        shutil.rmtree(self.directory, ignore_errors=True)


@contextmanager
def tmux_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[TmuxServer]:
    """The default server of all that the test starts."""
    if not TMUX:
        pytest.skip("takes tmux")
    made = TmuxServer(tempfile.mkdtemp(prefix="ry-tmux-"))
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.delenv("TMUX_PANE", raising=False)
    monkeypatch.setenv("TMUX_TMPDIR", made.directory)
    try:
        yield made
    finally:
        made.close()

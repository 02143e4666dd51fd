"""A real terminal: tmux with a server of its own. What stands on it is `seen`, what somebody types is `type`."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.harness.processes import PATIENCE_S

TMUX = shutil.which("tmux") or ""
COLUMNS, LINES = 110, 90
AROUND = 'trap : INT; "$@"; echo $? >"$0.new"; mv "$0.new" "$0"; exec sleep 100000'
LOOK_S = 0.03
"""Between two looks at the screen: a terminal publishes nothing."""


class Screen:
    """One program in one window. `end` is its exit code: a shell around it tells it, tmux does not always."""

    def __init__(self, argv: list[str], environ: Mapping[str, str], directory: Path) -> None:
        self._place = tempfile.mkdtemp(prefix="ry-tmux-")  # a short path, for the socket
        self._environ = {**environ, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
        size = ["-x", str(COLUMNS), "-y", str(LINES)]
        self._tmux("new-session", "-d", "-s", "anchor", "sleep 100000")
        self._ended = Path(self._place, "ended")
        around = [
            "sh",
            "-c",
            'trap : INT; "$@"; echo $? >"$0.new"; mv "$0.new" "$0"; exec sleep 100000',
            str(self._ended),
        ]
        self._tmux("new-session", "-d", "-s", "it", *size, "-c", str(directory), *around, *argv)

    def type(self, text: str) -> None:
        """These characters, as they are."""
        self._tmux("send-keys", "-t", "=it:", "-l", "--", text)

    def press(self, *keys: str) -> None:
        """Keys by tmux's names: Enter, Tab, Up, C-c, C-d."""
        self._tmux("send-keys", "-t", "=it:", *keys)

    def enter(self, line: str) -> None:
        """Type a line and send it."""
        self.type(line)
        self.press("Enter")

    @property
    def seen(self) -> str:
        """What stands on the screen."""
        return self._tmux("capture-pane", "-p", "-t", "=it:").rstrip()

    def until(self, pattern: str) -> str:
        """Wait until this stands on the screen; all that stands there then."""
        end = time.monotonic() + PATIENCE_S
        while True:
            seen = self.seen
            if re.search(pattern, seen, re.MULTILINE):
                return seen
            assert time.monotonic() < end, f"{pattern!r} does not come; the screen:\n{seen}"
            select.select([], [], [], LOOK_S)

    def end(self) -> int:
        """Wait until the program has ended; its exit code."""
        end = time.monotonic() + PATIENCE_S
        while not self._ended.exists():
            assert time.monotonic() < end, f"it does not end; the screen:\n{self.seen}"
            select.select([], [], [], LOOK_S)
        return int(self._ended.read_text())

    def close(self) -> None:
        self._tmux("kill-server")
        shutil.rmtree(self._place, ignore_errors=True)

    def _tmux(self, *words: str) -> str:
        argv = [TMUX, "-f", os.devnull, "-S", os.path.join(self._place, "s"), *words]
        environ = {**self._environ, "TMUX": ""}
        ended = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
        return ended.stdout


@contextmanager
def screen(argv: list[str], environ: Mapping[str, str], directory: Path) -> Iterator[Screen]:
    """A program on a terminal of its own."""
    made = Screen(argv, environ, directory)
    try:
        yield made
    finally:
        made.close()

"""Watching a run until it is over: live on a terminal, line by line elsewhere. It needs only the run's directory.

Keys: `a` goes to a running job, `k` ends the run (it asks), `q` leaves. To leave never ends anything; nor does Ctrl-C.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from runyard.foreign import filesystem, script
from runyard.foreign.terminal import KeyMode, is_terminal
from runyard.model.wording import harmless
from runyard.pipeline.backends.base import Backend
from runyard.pipeline.runs import Run
from runyard.pipeline.showing.view import change, view
from runyard.pipeline.state import JobState, PipelineState

REFRESH_S = 0.4
TAIL_BYTES = 8 * 1024
KEYS = "a goes to a running job, k ends all, q leaves (it runs on)"
SURE = "End all jobs of this pipeline? y/n"


def watch(run: Run, backend: Backend, refresh_s: float = REFRESH_S, stream: TextIO | None = None) -> PipelineState:
    """Show the run until it is over, or whoever looks has left; how it stands then."""
    output = stream or sys.stdout
    if output.isatty() and is_terminal(sys.stdin.fileno()):
        return _Watch(run, backend, refresh_s, output).live()
    return _lines(run, backend, refresh_s, output)


def _lines(run: Run, backend: Backend, refresh_s: float, output: TextIO) -> PipelineState:
    """A line for each change, and the counts at the end."""
    seen: dict[str, JobState] = {}
    try:
        while True:
            state = backend.state(run)
            for job in state.jobs:
                told = change(seen.get(job.name), job)
                if told:
                    output.write(told + "\n")
                seen[job.name] = job
            output.flush()
            if state.over:
                output.write(f"{harmless(state.name)}: {state.status}, {state.summary}\n")
                return state
            backend.wait(run, refresh_s)
    except KeyboardInterrupt:
        output.write(f"\n{_left(run)}\n")
        return backend.state(run)


class _Watch:
    """A live view with keys. `_asked`: `k` was typed, and an answer is waited for. `_way`: `a` was, and goes there."""

    def __init__(self, run: Run, backend: Backend, refresh_s: float, output: TextIO) -> None:
        self._run = run
        self._backend = backend
        self._refresh_s = refresh_s
        self._console = Console(file=output, highlight=False, markup=False, emoji=False)
        self._asked = False
        self._remark = ""
        self._way: tuple[str, ...] = ()
        self._state = backend.state(run)

    def live(self) -> PipelineState:
        with KeyMode(sys.stdin.fileno()) as keys:
            while self._goes(keys):
                keys.leave()
                with suppress(KeyboardInterrupt):  # how one leaves a log that is followed
                    script.foreground(self._way)
                keys.enter(forget_typed=True)
        if not self._state.over:
            self._console.print(_left(self._run), soft_wrap=True)
        return self._state

    def _goes(self, keys: KeyMode) -> bool:
        """Show it until whoever looks goes to a job, by `_way`; False: the run is over, or they have left."""
        self._way = ()
        with Live(console=self._console, auto_refresh=False) as live:
            try:
                while True:
                    self._state = self._backend.state(self._run)
                    live.update(self._drawn(self._state), refresh=True)
                    if self._state.over or self._leaves(keys) or self._way:
                        break
                    self._backend.wait(self._run, self._refresh_s)
            except KeyboardInterrupt:
                self._state = self._backend.state(self._run)
            live.update(self._view(self._state), refresh=True)
            live.transient = bool(self._way)  # it is drawn anew below what the job's terminal leaves
        return bool(self._way)

    def _view(self, state: PipelineState) -> RenderableType:
        return view(state, self._backend.name, time.time(), self._console.height, tail)

    def _drawn(self, state: PipelineState) -> Group:
        below = SURE if self._asked else self._remark or KEYS
        return Group(self._view(state), Text(below, style="bold yellow" if self._asked else "dim"))

    def _leaves(self, keys: KeyMode) -> bool:
        """Do what was typed; whether that was to leave."""
        while key := keys.key():
            if self._asked:
                self._asked = False
                if key in "yY":
                    self._remark = "ending all jobs ..."
                    self._backend.kill(self._run)
            elif key == "k":
                self._asked = True
            elif key == "a":
                self._way = self._backend.attach(self._run)
                self._remark = "" if self._way else "no job is running at a terminal that can be shown"
                return False
            elif key == "q":
                return True
        return False


def tail(path: str, lines: int) -> Sequence[str]:
    """The last lines of a log; none if it cannot be read. A line that a progress bar draws over is its last state."""
    try:
        text = filesystem.last_bytes(path, TAIL_BYTES).decode("utf-8", "replace")
    except OSError:
        return ()
    return [line.rstrip("\r").rpartition("\r")[2] for line in text.rstrip().split("\n")[-lines:] if line]


def _left(run: Run) -> str:
    return f"it runs on; come back with: ry pipeline monitor {run.layout.directory}"

"""Keeps this account's agent alive beside the server: one thread of the server process.

An agent that an earlier server started is taken over by its lock. One that ends is replaced at once; one that does not
last is tried again after growing pauses, and never a second one while the first has not come as far as its lock. The
keeper also looks whether the home is still this server's: one that was removed (and perhaps made anew, with a server of
its own) is left alone.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress

from runyard.foreign.daemon import spawn
from runyard.settings import Home
from runyard.wiring.home import agent_lock, is_ours, pid_of

LOOK_S = 1.0
"""How often it looks even if nothing happens."""

PAUSE_FIRST_S = 1.0
PAUSE_MOST_S = 30.0
"""Between two starts of agents that do not last."""

END_S = 3.0
"""How long an agent may take to end with its server."""

log = logging.getLogger("runyard.server")


class Keeper:
    """The agent beside a server."""

    def __init__(self, home: Home, environ: Mapping[str, str]) -> None:
        self._home = home
        self._environ = {**environ, "RUNYARD_HOME": home.root}
        self._lock = agent_lock(home)
        self._agent = 0
        self._started = 0
        self._start_at = 0.0
        self._pause_s = PAUSE_FIRST_S
        self._lost = False
        self._wake, self._ending = os.pipe()

    def end(self) -> None:
        """Have `run` end. Called once, from another thread."""
        os.close(self._ending)

    def run(self) -> None:
        """Until `end`; then the agent is ended too (attempts run on)."""
        ended = False
        while not ended:
            if not self._lost:
                try:
                    self._look()
                except OSError as error:  # too many processes or open files, for a while
                    log.warning("the agent cannot be looked after: %s", error)
            ended = self._wait()
        os.close(self._wake)
        self._end_agent()

    def _look(self) -> None:
        """Whether the home is ours, and who is its agent; start one if there is none."""
        if not is_ours(self._home):
            log.error("%s was removed, or is another server's by now: ending", self._home.root)
            self._lost = True
            os.kill(os.getpid(), signal.SIGTERM)
            return
        now = time.monotonic()
        if self._started and _reaped(self._started):
            self._started = 0
        holder = pid_of(self._lock)
        if holder and now >= self._start_at:
            self._pause_s = PAUSE_FIRST_S
        elif not holder and not self._started and now >= self._start_at:
            argv = [sys.executable, "-m", "runyard.wiring.agent"]
            self._started = spawn(argv, self._home.log("agent"), self._environ)
            self._start_at = now + self._pause_s
            self._pause_s = min(PAUSE_MOST_S, self._pause_s * 2)
        self._agent = holder or self._started

    def _wait(self) -> bool:
        """Until the agent ends, or it is time to look again; whether the server ends."""
        poll = select.poll()
        poll.register(self._wake)
        agent = _pidfd(self._agent)
        if agent is not None:
            poll.register(agent, select.POLLIN)
        pause_s = LOOK_S if self._agent else min(LOOK_S, self._start_at - time.monotonic())
        ready = poll.poll(max(0.0, pause_s) * 1000)
        if agent is not None:
            os.close(agent)
        return any(descriptor == self._wake for descriptor, _ in ready)

    def _end_agent(self) -> None:
        agent = _pidfd(self._agent)
        if agent is None:
            return
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(agent, signal.SIGTERM)
            select.select([agent], [], [], END_S)
        os.close(agent)


def _pidfd(pid: int) -> int | None:
    """A descriptor that is readable when this process has ended; None where none is to be had."""
    try:
        return os.pidfd_open(pid) if pid else None
    except OSError:
        return None


def _reaped(pid: int) -> bool:
    """Whether our child has ended."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return True

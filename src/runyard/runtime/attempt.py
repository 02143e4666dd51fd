"""One attempt in a runner's hands: claimed, started, perhaps stopped, ended when nobody of its family is left.

The runner calls: `stop`, `limit`, `pause` and `resume` on request, `tick` when `due` has come, and `reaped` for every
dead child. Ending is a ladder: signal, grace, SIGKILL to all until nobody is left; what is left after the command's own
end goes down the same ladder. All times are monotonic, but for what is recorded. The time limit does not count pauses;
what is to end is paused no more.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from typing import Optional

from runyard.runtime import family, runfile
from runyard.runtime.aftermath import Before, cause_of
from runyard.runtime.family import Member
from runyard.runtime.groups import RunnerGroups
from runyard.runtime.protocol import Message, Start
from runyard.runtime.runfile import Ended, Slate, Started
from runyard.runtime.standstill import NEVER, Standstill

FIRST_KILL_ROUND_S, LAST_KILL_ROUND_S = 0.02, 1.0
UNKILLABLE_S = 5.0
"""SIGKILL that has not helped for so long will hardly help: say so, and go on."""
ROUNDS_AT_ONCE = 50
"""How often in a row new processes are looked for while killing; a fork bomb runs ahead of the first rounds."""


class Attempt:
    """A started attempt. `slate` is its run file."""

    def __init__(self, start: Start, slate: Slate, child: Member, groups: RunnerGroups, before: Before) -> None:
        self.start = start
        self.slate = slate
        self.pid = child.pid
        self._child = child
        self.began = time.monotonic()
        self.started_at = time.time()
        self.status: Optional[int] = None
        self.unkillable = False
        self._groups = groups
        self._before = before
        self._still: Optional[Standstill] = None
        self._still_since = 0.0
        self._stood_s = 0.0
        self._why = ""
        self._kill_at = NEVER
        self._kill_round_s = 0.0
        self._killing_since = NEVER
        self._limit_s = NEVER
        self._limit_at = NEVER
        self._signal_at = NEVER
        self._signalled = False
        self.limit(start.time_limit_s)
        self._left_over = 0
        self._cpu_s = 0.0
        self._max_rss_mb = 0.0

    @property
    def due(self) -> float:
        """When `tick` has something to do."""
        still = self._still.due if self._still is not None else NEVER
        return min(self._signal_at, self._limit_at, self._kill_at, still)

    def record(self) -> None:
        """Write down what was started. Raises OSError."""
        runfile.write_started(self.slate.fd, Started(self.pid, self._child.start_time, self.started_at))

    def tick(self, now: float) -> None:
        """Do what is due: the signal before the time limit, that itself, the end of the grace, one more round of kills,
        one more look at who stands still."""
        if now >= self._signal_at:
            self._signal()
        if now >= self._limit_at:
            self.stop("timeout", signal.SIGTERM, self.start.grace_s)
        if now >= self._kill_at:
            self._kill(now)
        if self._still is not None and now >= self._still.due:
            self._still.look(now)

    def limit(self, seconds: Optional[float]) -> None:
        """A new time limit, counted from the start; None: no limit. The signal before it comes once for each."""
        limit_s = NEVER if seconds is None else _duration(seconds)
        self._signalled = self._signalled and limit_s == self._limit_s
        self._limit_s = limit_s
        self._set_clock()

    def _set_clock(self) -> None:
        """When the time limit comes: never while it stands still, or is to end already."""
        counts = self._still is None and self._kill_at == NEVER and self.status is None
        self._limit_at = self.began + self._stood_s + self._limit_s if counts else NEVER
        waits = self.start.signal and not self._signalled
        self._signal_at = self._limit_at - self.start.signal_before_s if waits else NEVER

    def _signal(self) -> None:
        """Tell the command that its time is nearly over."""
        self._signalled, self._signal_at = True, NEVER
        others = self._family() if self.start.signal_all else []
        family.send([self._child, *(member for member in others if member != self._child)], self.start.signal)

    def pause(self) -> None:
        """All its processes stand still; again: nothing. What has ended, or is to end, is left alone."""
        if self._still is None and self._kill_at == NEVER and self.status is None:
            now = time.monotonic()
            self._still, self._still_since = Standstill(self._groups, self._family), now
            self._set_clock()
            self._still.look(now)

    def resume(self) -> None:
        """It goes on, if it stands still."""
        if self._still is not None:
            still, self._still = self._still, None
            self._stood_s += time.monotonic() - self._still_since
            still.end()
            self._set_clock()

    def stop(self, why: str, number: int, grace_s: float) -> None:
        """Signal the family, kill it after the grace. The first cause stays; a shorter grace shortens. Should the
        signal fail, the kill comes all the same."""
        wait_s = 0.0 if number == signal.SIGKILL else _duration(grace_s)
        self._kill_at = min(self._kill_at, time.monotonic() + wait_s)
        self._set_clock()
        if self.status is None:
            self._why = self._why or why
        if number != signal.SIGKILL:
            first = [self._child] if self.status is None else []
            family.send([*first, *(member for member in self._family() if member not in first)], number)
        self.resume()

    def reaped(self, pid: int, status: int, usage: resource.struct_rusage) -> None:
        """A child is dead."""
        self._cpu_s += usage.ru_utime + usage.ru_stime
        self._max_rss_mb = max(self._max_rss_mb, usage.ru_maxrss / 1024)
        if pid == self.pid:
            self.status = status
            self._set_clock()
            self.resume()

    def is_over(self) -> bool:
        """The command has ended; there are children still. False: some are of its family, and on the ladder now."""
        left = self._family()
        if not left and family.only_daemons(os.getpid()):
            return True
        if left and not self._left_over:
            self._left_over = len(left)
            family.send(left, signal.SIGTERM)
            self._kill_at = min(self._kill_at, time.monotonic() + self.start.grace_s)
        return False

    def ended(self, out_of_memory: bool) -> Ended:
        """The record of the end. `out_of_memory`: the kernel has killed some of it for that."""
        why, told = cause_of(self.start, self._before, self.status or 0, self._why, out_of_memory)
        details = [told] if told else []
        if self._left_over:
            details.append(f"{self._left_over} left-over process{'es' if self._left_over > 1 else ''} ended")
        return Ended(
            self.status,
            why,
            "; ".join(details),
            "runner",
            round(self._cpu_s, 6),
            round(self._max_rss_mb, 3),
            time.time(),
            round(time.monotonic() - self.began, 6),
        )

    def started_message(self) -> Message:
        process = {"pid": self.pid, "start_time": self._child.start_time, "at": self.started_at}
        more: Message = {"ports": list(self.start.ports)} if self.start.ports else {}
        if self._still is not None:
            more["paused"] = True
        return {"is": "started", **names(self.start), "rank": self.start.rank, **process, **more}

    def _family(self) -> list[Member]:
        return family.descendants(os.getpid(), self._child)

    def _kill(self, now: float) -> None:
        """Kill everybody below us, until no new ones appear; again later for those who are still there."""
        self._killing_since = min(self._killing_since, now)
        seen: set[Member] = set()
        for _ in range(ROUNDS_AT_ONCE):
            members = self._family()
            family.send(members, signal.SIGKILL)
            if seen.issuperset(members):
                break
            seen.update(members)
        self.unkillable = now - self._killing_since >= UNKILLABLE_S
        self._kill_round_s = min(max(2 * self._kill_round_s, FIRST_KILL_ROUND_S), LAST_KILL_ROUND_S)
        self._kill_at = now + self._kill_round_s


def _duration(seconds: float) -> float:
    """As somebody asked for it; what is no time (less than nothing, or not a number) is none."""
    return max(0.0, float(seconds))


def names(start: Start) -> Message:
    """What every message about an attempt begins with."""
    return {"job": start.job, "number": start.number, "token": start.token}


def ended_message(start: Start, ended: Ended, attempt: Optional[Attempt], retired: bool) -> Message:
    """What is told of an end; without an attempt nothing was started. `retired`: the runner takes no other."""
    return {
        "is": "ended",
        **names(start),
        "pid": attempt.pid if attempt else None,
        "started_at": attempt.started_at if attempt else None,
        **ended._asdict(),
        "retired": retired,
    }

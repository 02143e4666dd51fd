"""Ending the family of an attempt whose runner is dead, and knowing when nobody of it is left.

Driven by events: everybody found is killed and watched by a pidfd; when those are dead the next look decides. Nobody
waits here.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Container
from functools import partial
from typing import NamedTuple, Optional

from runyard.runtime import family
from runyard.runtime.attempt import UNKILLABLE_S
from runyard.runtime.cgroup import CgroupTree
from runyard.runtime.family import Member
from runyard.runtime.groups import end_groups
from runyard.runtime.runfile import Records
from runyard.runtime.watch import Watch

LOOK_AGAIN_S = 1.0


class Mourners(NamedTuple):
    """What a funeral is held with: `pid_namespace` is ours, `runners` gives all runners that may live (so that what a
    zygote got from the dead one can be told from them), `tree` the control groups."""

    watch: Watch
    pid_namespace: int
    runners: Callable[[], Container[Member]]
    tree: Optional[CgroupTree]


class Funeral:
    """Call `attend` now and whenever the watch wakes; `over` when the family is dead. `records` are of its run file."""

    def __init__(self, records: Records, mourners: Mourners) -> None:
        self._records = records
        self._mourners = mourners
        self._watch = mourners.watch
        self._dying: dict[int, Member] = {}
        self._since = time.monotonic()
        self.over = False

    @property
    def unkillable(self) -> bool:
        return not self.over and time.monotonic() - self._since >= UNKILLABLE_S

    def attend(self) -> None:
        """Look who is left, kill, watch; kill again who is still there after a while."""
        if not self._dying:
            left = self._left()
            self.over = not left
            for member in left:
                fd = family.open_member(member)
                if fd is not None:
                    self._dying[fd] = member
                    self._watch.add(fd, partial(self._dead, fd))
        for fd in self._dying:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
        if not self.over:
            self._watch.wake(LOOK_AGAIN_S if self._dying else 0.0)

    def close(self) -> None:
        """Let go of what is watched."""
        for fd in list(self._dying):
            self._let_go(fd)

    def _left(self) -> list[Member]:
        claim, started = self._records.claim, self._records.started
        if claim is None:
            return []
        if claim.pid_namespace != self._mourners.pid_namespace:
            return family.remains(None, claim.token)
        leader = Member(started.pid, started.start_time) if started is not None else None
        found = end_groups(self._mourners.tree, claim.runner)
        found += family.remains(leader, claim.token)
        found += family.strangers(Member(claim.zygote, claim.zygote_start), self._mourners.runners())
        return list(set(found))

    def _dead(self, fd: int) -> None:
        self._let_go(fd)
        if not self._dying:
            self._watch.wake(0.0)

    def _let_go(self, fd: int) -> None:
        if self._dying.pop(fd, None) is not None:
            self._watch.remove(fd)
            os.close(fd)

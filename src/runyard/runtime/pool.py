"""The runners of an engine: some that wait, warm, for the next attempt, and the zygote that more are forked from."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from collections import deque
from collections.abc import Iterable
from typing import Callable, Optional

from runyard.foreign import sockets
from runyard.runtime import family, zygote
from runyard.runtime.family import Member
from runyard.runtime.link import RunnerLink
from runyard.runtime.protocol import STATE, Message
from runyard.runtime.rundir import make_private
from runyard.runtime.runner import Place, socket_name
from runyard.runtime.watch import Watch
from runyard.settings import Home

BIRTH_RETRY_S = 0.5
BIRTHS_FAILED_MAX = 10
"""After so many failures in a row no runner is to be had: orders are given back."""
GREETING_S = 1.0
"""How long a runner that was found may take to say what it holds."""
TRIM_AFTER_S = 10.0
"""More idle runners than wanted are let go when there were too many for so long."""

_SOCKET_NAME = re.compile(r"([0-9]+)\.([0-9]+)\.sock")


class Pool:
    """Idle runners. `fill` and `trim` are called often and off the way of a start; `take` and `give_back` are on it."""

    def __init__(
        self,
        home: Home,
        place: Place,
        warm: int,
        watch: Watch,
        on_message: Callable[[RunnerLink, Message], None],
        on_end: Callable[[RunnerLink], None],
    ) -> None:
        self._home = home
        self._place = place
        self._warm = warm
        self._watch = watch
        self._on_message = on_message
        self._on_end = on_end
        self._idle: deque[RunnerLink] = deque()
        self._births: set[RunnerLink] = set()
        self._links: set[RunnerLink] = set()
        self._zygote: Optional[socket.socket] = None
        self._zygote_pid = 0
        self._dead_zygotes: list[int] = []
        self._retry_at = 0.0
        self._trim_at = float("inf")
        self._failed = 0
        make_private(home.runner_sockets)

    @property
    def hopeless(self) -> bool:
        """No runner can be had now."""
        return self._failed >= BIRTHS_FAILED_MAX and not self._idle

    @property
    def short(self) -> bool:
        """Fewer runners are ready, or soon will be, than should."""
        return len(self._idle) + len(self._births) < self._warm

    def take(self) -> Optional[RunnerLink]:
        """An idle runner, the one that was used last (its memory is warm)."""
        return self._idle.pop() if self._idle else None

    def give_back(self, link: RunnerLink) -> None:
        """It is idle now, or is let go if it may take nothing more."""
        if link.usable:
            self._idle.append(link)
        else:
            self._let_go(link)

    def fill(self, waiting: int) -> None:
        """Have as many runners on the way as orders wait, and the warm ones besides."""
        self._reap()
        wanted = waiting + self._warm - len(self._idle) - len(self._births)
        if wanted > 0 and time.monotonic() < self._retry_at:
            self._watch.wake(self._retry_at - time.monotonic())
            return
        for _ in range(wanted):
            if not self._bear():
                break

    def trim(self) -> None:
        """Let go of what is too much for long."""
        now = time.monotonic()
        if len(self._idle) <= self._warm:
            self._trim_at = float("inf")
            return
        self._trim_at = min(self._trim_at, now + TRIM_AFTER_S)
        if now < self._trim_at:
            self._watch.wake(self._trim_at - now)
            return
        while len(self._idle) > self._warm:
            self._let_go(self._idle.popleft())

    def reach(self, member: Member) -> Optional[RunnerLink]:
        """A link to this runner, that an earlier agent had; it will say what it holds. None: it cannot be had now; if
        it is dead its socket is removed."""
        known = next((link for link in self._links if link.member == member), None)
        if known is not None:
            self.busy(known)
            known.send(STATE)
            return known
        try:
            connection = sockets.connect(self.socket_path(member), wait=False)
        except (ConnectionRefusedError, FileNotFoundError):
            self._remove_socket(member)
            return None
        except BlockingIOError:
            return None
        return self._link(connection, member)

    def socket_path(self, member: Member) -> str:
        """Where this runner listens."""
        return os.path.join(self._home.runner_sockets, socket_name(member))

    def ask(self, runners: Iterable[Member]) -> None:
        """Let these say what they hold: of an attempt whose directory is gone nothing else tells. One that was stopped
        is woken for it; who still says nothing is heard whenever it does."""
        links = []
        for runner in runners:
            family.wake(runner)
            link = self.reach(runner)
            links += [link] if link is not None else []
        until = time.monotonic() + GREETING_S
        while any(link.silent for link in links) and (left_s := until - time.monotonic()) > 0:
            self._watch.dispatch(left_s)

    def busy(self, link: RunnerLink) -> None:
        """It has something to do, wherever from."""
        if link in self._idle:
            self._idle.remove(link)

    def runners(self) -> set[Member]:
        """All runners that have a socket, and perhaps some that are dead."""
        named = (_SOCKET_NAME.fullmatch(name) for name in os.listdir(self._home.runner_sockets))
        return {Member(int(match.group(1)), int(match.group(2))) for match in named if match}

    def forget(self, link: RunnerLink) -> None:
        """It says no more."""
        self._links.discard(link)
        if link.member is not None and family.identity(link.member.pid) != link.member:
            self._remove_socket(link.member)
        if link in self._births:
            self._births.discard(link)
            self._failed += 1
            self._retry_at = time.monotonic() + BIRTH_RETRY_S
        self.busy(link)

    def born(self, link: RunnerLink) -> None:
        """It has said who it is."""
        self._births.discard(link)
        self._failed = 0

    def close(self) -> None:
        """Let go of all; idle runners exit, and so does the zygote after its last runner."""
        for link in list(self._links):
            self._let_go(link)
        self._drop_zygote()

    def _bear(self) -> bool:
        """Ask the zygote for a runner; start one (a zygote) first if there is none. False: not now."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if self._zygote is None:
                self._start_zygote()
            assert self._zygote is not None
            zygote.request(self._zygote, its)
        except OSError:
            ours.close()
            self._retry_at = time.monotonic() + BIRTH_RETRY_S
            self._failed += 1
            return False
        finally:
            its.close()
        self._births.add(self._link(ours))
        return True

    def _remove_socket(self, member: Member) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.socket_path(member))

    def _link(self, connection: socket.socket, member: Optional[Member] = None) -> RunnerLink:
        link = RunnerLink(connection, self._watch, self._on_message, self._on_end, member)
        self._links.add(link)
        return link

    def _let_go(self, link: RunnerLink) -> None:
        self._links.discard(link)
        link.close()

    def _start_zygote(self) -> None:
        self._zygote_pid, self._zygote = zygote.start(self._home, self._place)
        self._watch.add(self._zygote.fileno(), self._drop_zygote)

    def _drop_zygote(self) -> None:
        """It is gone, or we let it go."""
        if self._zygote is None:
            return
        self._watch.remove(self._zygote.fileno())
        self._zygote.close()
        self._zygote = None
        self._dead_zygotes.append(self._zygote_pid)
        self._reap()

    def _reap(self) -> None:
        """A zygote closes its socket a little before it is dead."""
        for pid in list(self._dead_zygotes):
            if os.waitpid(pid, os.WNOHANG)[0]:
                self._dead_zygotes.remove(pid)

"""A terminal joined with that of a job, for as long as one stream lasts: keys go up, bytes come down.

The terminal is raw meanwhile. It is left as it was found on every way out: the detach keys, the end of the job or of
the stream, a signal that ends us, a stop (TSTP), an error.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from runyard.cli.keys import Watched
from runyard.cli.render.screen import Screen
from runyard.client.duplex import Duplex
from runyard.errors import Unavailable
from runyard.foreign.terminal import RawMode, window_size
from runyard.model.frames import (
    ENDED,
    INPUT,
    OUTPUT,
    REFUSED,
    SKIPPED,
    SYNC,
    SYNCED,
    FrameReader,
    frame,
    frames,
    size_frame,
)

DETACHED, OVER, LOST, NOT_IN = "detached", "over", "lost", "refused"
STOPPED, CONTINUED = "stopped", "continued"
"""How it ended: by the keys, with the job, with the stream, before it began, because we are to stop (TSTP), or because
we were stopped, so that the terminal may be in any mode (CONT)."""

PIECE = 16 * 1024
AHEAD = 64 * 1024
"""The most typed input that waits to be sent; then no more is read."""
SETTLE_S = 1.0
"""How long what was typed before the detach keys may take to reach the job."""
INTERRUPT = 3
READ, WRITE = select.POLLIN, select.POLLOUT
KILLERS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
NOTED = (signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT)


class Killed(Exception):
    """A signal ends us."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Parting(NamedTuple):
    """How a stream ended, and what was said of it."""

    how: str
    why: str = ""


class Viewer:
    """Standard input and output, both a terminal, before one job. `keys` leave it; who only looks leaves by Ctrl-C too.
    One viewer sees one stream after the other (`watch`). `joined`: the last one led to the job's terminal."""

    def __init__(self, keys: bytes, read_only: bool) -> None:
        self._watched = Watched(keys)
        self._read_only = read_only
        self._raw = RawMode(0)
        self._screen = Screen()
        self._before = False
        self.joined = False

    def watch(self, duplex: Duplex, greeting: str) -> Parting:
        """Until the stream ends, or somebody ends it. Killed when a signal does. The greeting comes before what the job
        writes."""
        session = _Session(duplex, self._screen, self._watched, self._read_only, greeting)
        with _signals() as wakeup:
            self._raw.enter(forget_typed=self._before)
            self._before = True
            try:
                return session.run(wakeup)
            except OSError:  # our own terminal is gone
                raise Killed(signal.SIGHUP) from None
            finally:
                self.joined = session.joined
                with _deaf():
                    self._screen.leave()
                    self._raw.leave()


class _Session:
    """The loop over one stream."""

    def __init__(self, duplex: Duplex, screen: Screen, watched: Watched, read_only: bool, greeting: str) -> None:
        self.joined = False
        self._greeting = greeting
        self._duplex = duplex
        self._screen = screen
        self._watched = watched
        self._read_only = read_only
        self._reader = FrameReader()
        self._may_send = True
        self._unsure = False

    def run(self, wakeup: int) -> Parting:
        self._tell_size()
        while True:
            ready = self._wait(wakeup)
            parting = None
            if wakeup in ready:
                parting = self._signalled(os.read(wakeup, 4096))
            if self._duplex.down in ready or self._duplex.waiting:
                parting = parting or self._show()
            if 0 in ready:
                parting = parting or self._type()
            if parting is not None:
                if parting.how == DETACHED and self.joined:
                    self._settle()
                return parting
            if self._may_send and self._duplex.up in ready:
                self._up()

    def _wait(self, wakeup: int) -> set[int]:
        poll = select.poll()
        poll.register(wakeup, READ)
        poll.register(self._duplex.down, READ)
        if self._may_send:
            poll.register(self._duplex.up, READ | (WRITE if self._duplex.unsent else 0))
        if self._duplex.unsent < AHEAD:
            poll.register(0, READ)
        return {fd for fd, _ in poll.poll(0 if self._duplex.waiting else None)}

    def _signalled(self, numbers: bytes) -> Parting | None:
        if signal.SIGTSTP in numbers:
            return Parting(STOPPED)
        if signal.SIGCONT in numbers:
            return Parting(CONTINUED)
        self._tell_size()
        return None

    def _tell_size(self) -> None:
        size = window_size(1)
        if size is not None and not self._read_only:
            self._send(size_frame(size))

    def _show(self) -> Parting | None:
        data = self._duplex.receive()
        if data is None:
            return Parting(LOST)
        for kind, payload in self._reader.feed(data):
            if kind == OUTPUT:
                if not self.joined:
                    self.joined = True
                    self._screen.note(self._greeting)
                self._screen.show(payload)
            elif kind == SKIPPED:
                missed = payload.decode("ascii", "replace")
                self._screen.note(f"[ry: {missed} bytes were skipped, this terminal is too slow; `ry logs` has them]")
            elif kind == SYNCED:
                self._unsure = False
            elif kind == ENDED:
                return Parting(OVER)
            elif kind == REFUSED:
                return Parting(NOT_IN, payload.decode("utf-8", "replace"))
        return None

    def _type(self) -> Parting | None:
        typed = os.read(0, PIECE)
        if not typed:
            raise OSError(errno.EIO, "the terminal is gone")
        if INTERRUPT in typed and (self._read_only or not self.joined):
            return Parting(DETACHED)
        typed, leaves = self._watched.feed(typed)
        if typed and not self._read_only:
            self._send(frames(INPUT, typed))
            self._unsure = True
        return Parting(DETACHED) if leaves else None

    def _settle(self) -> None:
        """See to it that what was typed has reached the job, if that can be soon."""
        if self._unsure:
            self._send(frame(SYNC))
        end = time.monotonic() + SETTLE_S
        while self._unsure and self._may_send and (left_s := end - time.monotonic()) > 0:
            poll = select.poll()
            poll.register(self._duplex.down, READ)
            poll.register(self._duplex.up, READ | (WRITE if self._duplex.unsent else 0))
            ready = {fd for fd, _ in poll.poll(0 if self._duplex.waiting else left_s * 1000)}
            if (self._duplex.down in ready or self._duplex.waiting) and self._show() is not None:
                return
            if self._duplex.up in ready:
                self._up()

    def _send(self, data: bytes) -> None:
        if self._may_send:
            try:
                self._duplex.send(data)
            except Unavailable:
                self._may_send = False  # what comes down tells why

    def _up(self) -> None:
        try:
            self._duplex.flush()
        except Unavailable:
            self._may_send = False
        if self._duplex.closed:
            self._may_send = False


@contextmanager
def _signals() -> Iterator[int]:
    """A descriptor that tells of signals; those that end us raise Killed."""
    read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    ours = [number for number in KILLERS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _raise) for number in ours}
    before.update({number: signal.signal(number, _note) for number in NOTED})
    woken = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    try:
        yield read
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(read)
        os.close(write)


@contextmanager
def _deaf() -> Iterator[None]:
    """No signal that ends us comes in between: what is restored is restored as a whole."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, KILLERS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _raise(number: int, frame: object) -> None:
    raise Killed(number)


def _note(number: int, frame: object) -> None:
    """A handler that does nothing: the descriptor of `_signals` tells of the signal."""

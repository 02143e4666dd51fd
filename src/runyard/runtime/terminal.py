"""The pseudo terminal of one attempt, held by its runner: output log, viewers, input and window.

The runner calls `ready` for every descriptor of ours that its poll reports, `attach` for a viewer, `finish` when the
attempt is over. Nothing here waits: what the job writes goes to the log at once, whoever looks; a viewer that reads too
slowly misses some of it and is told how much; what is typed waits until the job takes it, and until then no more is
taken from who typed it. So memory is bounded, whatever anybody does.

The runner keeps the job's end open as well: a job that closes its terminal and opens it again is not hung up, and the
kernel keeps what was written last. With the runner's death the kernel hangs the terminal up (SIGHUP).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import struct
import termios
import time
from collections import deque
from typing import NamedTuple, Optional

from runyard.errors import ProtocolError
from runyard.model.frames import (
    ENDED,
    INPUT,
    OUTPUT,
    SIZE,
    SKIPPED,
    SYNC,
    SYNCED,
    FrameReader,
    WindowSize,
    frame,
    frames,
    read_size,
)
from runyard.model.screen import Modes, replay
from runyard.runtime.protocol import Start
from runyard.runtime.rundir import RunDir
from runyard.runtime.spawn import NotStarted, open_output

FIRST_SIZE = WindowSize(80, 24)
"""Of a terminal that nobody has looked at."""
READ_BYTES = 64 * 1024
READS_AT_ONCE = 16
"""How many reads, of 4 KB each, before others have their turn."""
RECENT_BYTES = 64 * 1024
"""How much of the last output is kept for viewers who come later."""
BEHIND_BYTES = 512 * 1024
"""The most that waits for a viewer. It misses what follows until it has read that."""
TYPED_BYTES = 64 * 1024
"""The most typed input that waits for the job; then no more is taken."""
SYNCS_MAX = 64
"""A viewer with more questions than this whose answers it has not read is let go."""
VIEWERS_MAX = 64
LINGER_S = 5.0
"""How long after the end a viewer may take to read the rest."""
LEFT_BYTES = 256 * 1024
"""More than the kernel holds of what was written before the end."""

READ, WRITE = select.POLLIN, select.POLLOUT


def open_terminal(start: Start, run_dir: RunDir, poll: select.poll) -> Terminal:
    """The terminal for an attempt that asks for one, with its output open. NotStarted where that cannot be had."""
    log = open_output(start, run_dir)
    try:
        return Terminal(log, poll)
    except OSError as error:
        os.close(log)
        raise NotStarted(f"no terminal can be had: {error.strerror}") from None


class View(NamedTuple):
    """What a viewer wants: to look on only, not to look at all (to type), and how many lines of what was written before
    (0: all that is kept)."""

    read_only: bool = False
    quiet: bool = False
    lines: int = 0


class _Viewer:
    """One connection: what waits to be sent to it, how much it misses, how much it has typed, and where in all that was
    typed its last byte stands."""

    def __init__(self, connection: socket.socket, view: View) -> None:
        connection.setblocking(False)
        self.socket = connection
        self.fd = connection.fileno()
        self.view = view
        self.size: Optional[WindowSize] = None
        self.reader = FrameReader()
        self.out = bytearray()
        self.missed = 0
        self.typed = self.typed_to = 0
        self.syncs: deque[int] = deque()
        self.unanswered = 0

    def show(self, framed: bytes, size: int) -> None:
        """More output, of so many bytes."""
        if self.view.quiet:
            return
        if self.missed or len(self.out) + len(framed) > BEHIND_BYTES:
            self.missed += size
        else:
            self.out += framed

    def asks(self, typed: int) -> None:
        """It wants to be told when so many bytes of what was typed are taken."""
        self.unanswered += 1
        if self.unanswered > SYNCS_MAX:
            raise ProtocolError("it asks, and does not read the answers")
        self.syncs.append(typed)

    def flush(self) -> bool:
        """Send what it takes. False: it is gone."""
        try:
            while self.out:
                del self.out[: self.socket.send(self.out)]
            self.unanswered = len(self.syncs)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True


class Terminal:
    """A terminal whose output goes to the descriptor `log`, which is ours from now on. Raises OSError, and then it is
    not."""

    def __init__(self, log: int, poll: select.poll) -> None:
        self._poll = poll
        self._master, self.slave = os.openpty()
        os.set_blocking(self._master, False)
        os.set_blocking(log, False)  # a file never makes us wait, but the job's own may be a pipe
        self._log = log
        self._held = b""
        self._lost, self._lost_why = 0, ""
        self._size = WindowSize(0, 0)
        self._modes = Modes()
        self._recent = bytearray()
        self._cut = False
        self._viewers: dict[int, _Viewer] = {}
        self._typed = bytearray()
        self._typed_total = self._taken_total = 0
        self._masks: dict[int, int] = {}
        self._over_at: Optional[float] = None
        self._resize(FIRST_SIZE)
        self._want(self._master, READ)

    @property
    def full(self) -> bool:
        return len(self._viewers) >= VIEWERS_MAX

    @property
    def done(self) -> bool:
        """It is finished, and nobody waits for the rest."""
        return self._over_at is not None and not self._viewers

    @property
    def due(self) -> float:
        """When `tick` has something to do."""
        return float("inf") if self._over_at is None or not self._viewers else self._over_at + LINGER_S

    def tick(self, now: float) -> None:
        """Viewers that do not read the rest are let go."""
        if now >= self.due:
            for viewer in list(self._viewers.values()):
                self._drop(viewer)

    def ready(self, fd: int) -> bool:
        """Something can be done with this descriptor. False: it is none of ours."""
        if fd not in self._masks:
            return False
        if fd == self._master:
            self._type()
            self._read()
        else:
            self._serve(self._viewers[fd])
        return True

    def attach(self, connection: socket.socket, view: View) -> None:
        """Somebody looks, or types. He gets what he needs to see what the others see."""
        viewer = self._viewers[connection.fileno()] = _Viewer(connection, view)
        if not view.quiet:
            viewer.out += self._picture(view.lines)
            self._redraw()
        self._go_on(viewer)

    def finish(self, why: str, wait_status: Optional[int]) -> None:
        """Nobody of the job is left: the rest of the output goes to the log, and to the viewers with the end."""
        os.close(self.slave)
        left = LEFT_BYTES
        while left > 0 and (data := self._take()):
            left -= len(data)
            self._written(data)
        self._log_text(self._held)
        self._want(self._master, 0)
        os.close(self._master)
        os.close(self._log)
        self._over_at = time.monotonic()
        self._typed.clear()
        for viewer in list(self._viewers.values()):
            self._catch_up(viewer)
            taken = max(0, viewer.typed - max(0, viewer.typed_to - self._taken_total))
            end = {"why": why, "wait_status": wait_status, "taken": taken}
            viewer.out += frame(ENDED, json.dumps(end).encode("ascii"))
            self._go_on(viewer)

    # what the job writes

    def _read(self) -> None:
        pieces = []
        for _ in range(READS_AT_ONCE):
            piece = self._take()
            if not piece:
                break
            pieces.append(piece)
        if pieces:
            self._written(b"".join(pieces))
            for viewer in list(self._viewers.values()):
                self._go_on(viewer)

    def _take(self) -> bytes:
        try:
            return os.read(self._master, READ_BYTES)
        except OSError:  # nothing now, or nobody is left who could write
            return b""

    def _written(self, data: bytes) -> None:
        self._record(data)
        self._modes.feed(data)
        self._recent += data
        if len(self._recent) > 2 * RECENT_BYTES:
            del self._recent[:-RECENT_BYTES]
            self._cut = True
        if self._viewers:
            framed = frames(OUTPUT, data)
            for viewer in self._viewers.values():
                viewer.show(framed, len(data))

    def _record(self, data: bytes) -> None:
        """Into the log, with the line ends that the job wrote: the terminal has made CR LF of them."""
        text = self._held + data
        self._held = text[-1:] if text.endswith(b"\r") else b""
        self._log_text((text[:-1] if self._held else text).replace(b"\r\n", b"\n"))

    def _log_text(self, text: bytes) -> None:
        """What cannot be written is counted, and told in the log as soon as it can be."""
        if self._lost:
            if self._append(f"\n[runyard: {self._lost} bytes are missing here: {self._lost_why}]\n".encode()):
                self._lost += len(text)
                return
            self._lost = 0
        self._lost = len(self._append(text))

    def _append(self, text: bytes) -> bytes:
        """What of it could not be written."""
        try:
            while text:
                text = text[os.write(self._log, text) :]
        except OSError as error:
            self._lost_why = error.strerror or "they could not be written"
        return text

    # viewers

    def _picture(self, lines: int) -> bytes:
        """What brings a fresh terminal to where the others are: always a frame, so that he knows that he is in."""
        lines = 0 if self._modes.alternate else lines
        return frames(OUTPUT, self._modes.restore() + replay(bytes(self._recent), lines, self._cut))

    def _catch_up(self, viewer: _Viewer) -> None:
        """It has read all that waited: what it has missed meanwhile is not sent, but where things stand."""
        if viewer.missed:
            viewer.out += frame(SKIPPED, str(viewer.missed).encode("ascii")) + self._picture(self._size.rows)
            viewer.missed = 0

    def _serve(self, viewer: _Viewer) -> None:
        if len(self._typed) < TYPED_BYTES and not self._hear(viewer):
            self._drop(viewer)
            return
        self._go_on(viewer)

    def _hear(self, viewer: _Viewer) -> bool:
        """Take what it says. False: it is gone, or nobody of ours."""
        try:
            data = viewer.socket.recv(READ_BYTES)
            if not data:
                return False
            for kind, payload in viewer.reader.feed(data):
                if kind == SYNC:
                    viewer.asks(self._typed_total)
                elif kind == INPUT and not viewer.view.read_only and self._over_at is None:
                    self._resize(viewer.size)
                    self._typed += payload
                    self._typed_total += len(payload)
                    viewer.typed += len(payload)
                    viewer.typed_to = self._typed_total
                elif kind == SIZE and not viewer.view.read_only:
                    viewer.size = read_size(payload)
        except BlockingIOError:
            return True
        except (OSError, ProtocolError):
            return False
        self._resize(viewer.size)
        self._type()
        return True

    def _go_on(self, viewer: _Viewer) -> None:
        """Send it what there is, and wait for what may come."""
        if self._viewers.get(viewer.fd) is not viewer:
            return
        while viewer.syncs and viewer.syncs[0] <= self._taken_total:
            viewer.syncs.popleft()
            viewer.out += frame(SYNCED)
        alive = viewer.flush()
        if alive and not viewer.out and viewer.missed:
            self._catch_up(viewer)
            self._redraw()
            alive = viewer.flush()
        if not alive or (self._over_at is not None and not viewer.out):
            self._drop(viewer)
            return
        reads = READ if len(self._typed) < TYPED_BYTES else 0
        self._want(viewer.fd, reads | (WRITE if viewer.out else 0))

    def _drop(self, viewer: _Viewer) -> None:
        if self._viewers.get(viewer.fd) is viewer:
            self._want(viewer.fd, 0)
            del self._viewers[viewer.fd]
            viewer.socket.close()

    # what is typed, and the window

    def _type(self) -> None:
        """Give the job what it takes of what was typed."""
        if self._over_at is not None:
            return
        full, before = len(self._typed) >= TYPED_BYTES, self._taken_total
        with contextlib.suppress(OSError):  # it takes no more now
            while self._typed:
                taken = os.write(self._master, self._typed)
                self._taken_total += taken
                del self._typed[:taken]
        self._want(self._master, READ | (WRITE if self._typed else 0))
        if self._taken_total > before:
            for viewer in list(self._viewers.values()):
                if viewer.syncs or full:
                    self._go_on(viewer)

    def _resize(self, size: Optional[WindowSize]) -> None:
        """The window is that of the viewer who typed, came or changed it last."""
        if size is not None and size != self._size:
            self._size = size
            with contextlib.suppress(OSError):
                fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("4H", size.rows, size.columns, 0, 0))

    def _redraw(self) -> None:
        """Ask the program in the foreground to draw anew what it keeps on the screen, as when the window changes."""
        if self._over_at is None:
            with contextlib.suppress(OSError):
                group = os.tcgetpgrp(self._master)
                if group > 1:
                    os.killpg(group, signal.SIGWINCH)

    def _want(self, fd: int, mask: int) -> None:
        """What the poll is to report of this descriptor (0: nothing, not even its end)."""
        before = self._masks.get(fd, 0)
        if mask and before:
            if mask != before:
                self._poll.modify(fd, mask)
        elif mask:
            self._poll.register(fd, mask)
        elif before:
            self._poll.unregister(fd)
        if mask:
            self._masks[fd] = mask
        else:
            self._masks.pop(fd, None)

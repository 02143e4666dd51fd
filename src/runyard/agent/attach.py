"""The agent's part of an attached terminal: bytes between a runner and the server, for as long as somebody looks.

There is a thread for each viewer and for nobody else; it holds the two connections and understands nothing of what
passes, so it cannot hold up the agent's loop. Whatever goes wrong ends it: the viewer asks again.
"""

from __future__ import annotations

import json
import logging
import select
import socket
import threading
from collections import deque
from contextlib import closing
from functools import partial
from typing import Optional

from runyard.client.duplex import Duplex
from runyard.client.transport import connect
from runyard.errors import RunyardError
from runyard.foreign import sockets
from runyard.model.beat import AttachOrder
from runyard.model.frames import REFUSED, frame
from runyard.runtime.protocol import LINE_MAX, VERSION, attach_message

MOST = 64
"""The most viewers at a time."""
KNOWN = 256
"""How many of the last orders are known: an order comes again until it is acknowledged."""
ANSWER_S = 10.0
"""How long a runner may take to let a viewer in."""
PIECE = 64 * 1024
AHEAD = 256 * 1024
"""How much is taken from one side before the other has taken it."""

READ, WRITE = select.POLLIN, select.POLLOUT

log = logging.getLogger("runyard.attach")


class Attachments:
    """All viewers of this agent's attempts; `server` is the path of the server's socket."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._begun: deque[str] = deque(maxlen=KNOWN)
        self._room = threading.BoundedSemaphore(MOST)

    def begin(self, order: AttachOrder, runner: str) -> None:
        """Join this viewer with the runner that listens at this path ("": nobody holds the attempt). Does not wait."""
        if order.ticket in self._begun:
            return
        self._begun.append(order.ticket)
        if not self._room.acquire(blocking=False):
            log.warning("more than %d viewers at a time: one of %s was not let in", MOST, order.key)
            return
        threading.Thread(target=self._serve, args=(order, runner), name="viewer", daemon=True).start()

    def _serve(self, order: AttachOrder, runner: str) -> None:
        try:
            with closing(Duplex(partial(connect, self._server), order.ticket)) as duplex:
                _join(duplex, order, runner)
        except (RunyardError, OSError) as error:
            log.debug("a viewer of %s has gone: %s", order.key, error)
        finally:
            self._room.release()


class NotAttached(Exception):
    """The runner lets nobody in; the message says why ("": it is not there, perhaps not yet)."""


def _join(duplex: Duplex, order: AttachOrder, runner: str) -> None:
    """Carry bytes until one of the two has gone; a viewer who cannot be let in is told why."""
    try:
        connection, first = reach(runner, order)
    except NotAttached as reason:
        duplex.send(frame(REFUSED, str(reason).encode("utf-8")))
        duplex.end()
        _Splice(duplex, None).run()
        return
    duplex.send(first)
    _Splice(duplex, connection).run()


def reach(path: str, order: AttachOrder) -> tuple[socket.socket, bytes]:
    """The connection to the runner, as a viewer, and what of the frames has come already."""
    if not path:
        raise NotAttached
    try:
        connection = sockets.connect(path)
    except OSError as error:
        raise NotAttached(f"its runner cannot be reached: {error.strerror}") from None
    try:
        connection.settimeout(ANSWER_S)
        connection.sendall(attach_message(order.key.token, order.read_only, order.quiet, order.lines))
        return connection, _admitted(connection)
    except (OSError, ValueError) as error:
        connection.close()
        raise NotAttached(f"its runner does not answer: {error}") from None
    except NotAttached:
        connection.close()
        raise


def _admitted(connection: socket.socket) -> bytes:
    """Wait until the runner lets us in; the bytes that came behind its word."""
    got = b""
    while len(got) < LINE_MAX:
        data = connection.recv(PIECE)
        if not data:
            raise NotAttached
        got += data
        while b"\n" in got:
            line, _, got = got.partition(b"\n")
            message = json.loads(line)
            if message.get("is") == "attached":
                return got
            if message.get("is") == "not-attached":
                raise NotAttached(message.get("reason", ""))
            if message.get("is") == "state" and message.get("v", 0) < VERSION:
                raise NotAttached("its runner is of an older version, which has no terminals")
    raise NotAttached("its runner talks nonsense")


class _Splice:
    """Both directions, with what one side does not take at once."""

    def __init__(self, duplex: Duplex, connection: Optional[socket.socket]) -> None:
        self._duplex = duplex
        self._runner = connection
        self._typed = bytearray()

    def run(self) -> None:
        """Until one side has gone and the other has got the rest."""
        try:
            while self._runner is not None or self._duplex.unsent:
                self._turn()
        finally:
            if self._runner is not None:
                self._runner.close()

    def _turn(self) -> None:
        poll = select.poll()
        poll.register(self._duplex.up, READ | (WRITE if self._duplex.unsent else 0))
        if len(self._typed) < AHEAD:
            poll.register(self._duplex.down, READ)
        if self._runner is not None:
            mask = (READ if self._duplex.unsent < AHEAD else 0) | (WRITE if self._typed else 0)
            if mask:
                poll.register(self._runner, mask)
        ready = {fd for fd, _ in poll.poll(0 if self._duplex.waiting else None)}
        self._duplex.flush()
        if self._duplex.up in ready and self._duplex.closed:
            raise ConnectionResetError("the server takes no more")
        if self._duplex.down in ready or self._duplex.waiting:
            self._take_typed()
        if self._runner is not None and self._runner.fileno() in ready:
            self._serve_runner(self._runner)

    def _take_typed(self) -> None:
        typed = self._duplex.receive()
        if typed is None:
            raise ConnectionResetError("the viewer has gone")
        self._typed += typed

    def _serve_runner(self, runner: socket.socket) -> None:
        runner.setblocking(False)
        try:
            if self._typed:
                del self._typed[: runner.send(self._typed)]
        except BlockingIOError:
            pass
        if self._duplex.unsent >= AHEAD:
            return
        try:
            data = runner.recv(PIECE)
        except BlockingIOError:
            return
        if data:
            self._duplex.send(data)
        else:
            self._runner = None
            runner.close()
            self._duplex.end()

"""`send`: keys for the terminal of a running job, without attaching."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from contextlib import closing

import click

from runyard.cli.context import App
from runyard.cli.options import complete_jobs
from runyard.cli.render.text import counted, label
from runyard.cli.selecting import single
from runyard.client.duplex import Duplex
from runyard.errors import Conflict, NotFound, UsageError
from runyard.foreign.terminal import is_terminal
from runyard.model.attaching import AttachCall
from runyard.model.frames import ENDED, INPUT, REFUSED, SYNC, SYNCED, FrameReader, frame, frames

ENTER, END_OF_FILE = b"\r", b"\x04"
PIECE = 16 * 1024
AHEAD = 64 * 1024
READ, WRITE = select.POLLIN, select.POLLOUT


@click.command("send")
@click.argument("selector", metavar="JOB", shell_complete=complete_jobs)
@click.argument("text", required=False, metavar="[TEXT]")
@click.option("-e", "--enter", is_flag=True, help="Press Enter afterwards.")
@click.option("--eof", is_flag=True, help="Press Ctrl-D afterwards: the end of input, at the beginning of a line.")
@click.pass_obj
def send(app: App, selector: str, text: str | None, enter: bool, eof: bool) -> int:
    """Type into the terminal of a running job.

    Without a text, or with `-`, standard input is sent. What is sent are keys: Enter is --enter, Ctrl-C is $'\\003'. A
    job without a terminal has no input to send to. This returns when the job's terminal has taken all of it.

    \b
    Examples:
      ry send 12 yes --enter
      ry send 12 $'\\003'
      ry send 12 < answers.txt
    """
    row = single(app, selector)
    if text is None and not (enter or eof) and is_terminal(0):
        raise UsageError("nothing to send: give a text, --enter or --eof, or something on standard input")
    service = app.service()
    try:
        ticket = service.attach(AttachCall(row.id, quiet=True))
        stream = app.wiring.stream(service, ticket.ticket)
    except NotFound as error:
        raise Conflict(f"job {row.id}: {error.message}") from None
    after = (ENTER if enter else b"") + (END_OF_FILE if eof else b"")
    with closing(stream):
        sent = _Sending(stream, _pieces(text, after)).run()
    if sent.refused is not None:
        raise Conflict(f"job {row.id} ({label(row)}) takes no input: {sent.refused or 'it does not run now'}")
    if not sent.taken:
        raise Conflict(f"job {row.id} ({label(row)}) has ended before it had taken all of it")
    app.output.line(f"{counted(sent.size, 'byte')} sent to job {row.id}")
    return 0


def _pieces(text: str | None, after: bytes) -> Iterator[bytes]:
    """What is to be typed, piece by piece."""
    if text is not None and text != "-":
        yield text.encode("utf-8", "surrogateescape")
    elif text == "-" or not after:
        yield from iter(lambda: os.read(0, PIECE), b"")
    if after:
        yield after


class _Sending:
    """The pieces on their way. `taken`: the terminal has all of them; `refused`: why nobody takes them."""

    def __init__(self, duplex: Duplex, pieces: Iterator[bytes]) -> None:
        self._duplex = duplex
        self._pieces = pieces
        self._reader = FrameReader()
        self._all = False
        self._over = False
        self.size = 0
        self.taken = False
        self.refused: str | None = None

    def run(self) -> _Sending:
        """To the end, one way or the other."""
        while not (self._over or self.taken):
            if not self._all and self._duplex.unsent < AHEAD:
                self._next()
            self._turn(wait=self._all or self._duplex.unsent >= AHEAD)
        return self

    def _next(self) -> None:
        piece = next(self._pieces, None)
        self._all = piece is None
        self.size += len(piece or b"")
        self._duplex.send(frame(SYNC) if piece is None else frames(INPUT, piece))

    def _turn(self, wait: bool) -> None:
        poll = select.poll()
        poll.register(self._duplex.down, READ)
        poll.register(self._duplex.up, READ | (WRITE if self._duplex.unsent else 0))
        ready = {fd for fd, _ in poll.poll(None if wait and not self._duplex.waiting else 0)}
        if self._duplex.down in ready or self._duplex.waiting:
            self._hear()
        if self._duplex.up in ready and not self._over:
            self._duplex.flush()
            self._over = self._over or self._duplex.closed

    def _hear(self) -> None:
        data = self._duplex.receive()
        if data is None:
            self._over = True
            return
        for kind, payload in self._reader.feed(data):
            self.taken = self.taken or kind == SYNCED
            self._over = self._over or kind in (ENDED, REFUSED)
            if kind == REFUSED:
                self.refused = payload.decode("utf-8", "replace")

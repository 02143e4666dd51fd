"""`send`: keys for the terminal of a running job, without attaching."""

from __future__ import annotations

import json
import os
import select
from contextlib import closing

import click

from runyard.cli.context import App
from runyard.cli.options import complete_jobs
from runyard.cli.render.text import counted, label
from runyard.cli.selecting import single
from runyard.client.duplex import Duplex
from runyard.errors import Conflict, NotFound, Unavailable, UsageError
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
    from_input = text == "-" or (text is None and not (enter or eof))
    typed = b"" if from_input or text is None else text.encode("utf-8", "surrogateescape")
    typed += (ENTER if enter else b"") + (END_OF_FILE if eof else b"")
    with closing(stream):
        sent = _Sending(stream, typed, from_input).run()
    if sent.refused is not None:
        raise Conflict(f"job {row.id} ({label(row)}) takes no input: {sent.refused or 'it does not run now'}")
    if not sent.taken and not sent.ended:
        raise Unavailable(f"the way to job {row.id} ({label(row)}) broke; how much its terminal took is not known")
    if not sent.taken:
        raise Conflict(f"job {row.id} ({label(row)}) has ended before it had taken all of it")
    app.output.line(f"{counted(sent.size, 'byte')} sent to job {row.id}")
    return 0


class _Sending:
    """Keys on their way: standard input if it is to be sent, then what is `typed`. `taken`: the terminal has all of
    them; `ended`: the job has; `refused`: why nobody takes them."""

    def __init__(self, duplex: Duplex, typed: bytes, from_input: bool) -> None:
        self._duplex = duplex
        self._typed = typed
        self._reads = from_input
        self._reader = FrameReader()
        self._over = False
        self.size = 0
        self.taken = False
        self.ended = False
        self.refused: str | None = None

    def run(self) -> _Sending:
        """To the end, one way or the other."""
        if not self._reads:
            self._last()
        while not (self._over or self.taken):
            self._turn()
        return self

    def _next(self) -> None:
        """One more piece of standard input."""
        piece = os.read(0, PIECE)
        if piece:
            self._send(piece)
        else:
            self._reads = False
            self._last()

    def _last(self) -> None:
        self._send(self._typed)
        self._duplex.send(frame(SYNC))

    def _send(self, piece: bytes) -> None:
        self.size += len(piece)
        self._duplex.send(frames(INPUT, piece))

    def _turn(self) -> None:
        poll = select.poll()
        poll.register(self._duplex.down, READ)
        poll.register(self._duplex.up, READ | (WRITE if self._duplex.unsent else 0))
        if self._reads and self._duplex.unsent < AHEAD:
            poll.register(0, READ)
        ready = {fd for fd, _ in poll.poll(0 if self._duplex.waiting else None)}
        if 0 in ready:
            self._next()
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
            self.ended = self.ended or kind == ENDED
            if kind == ENDED and not self._reads:
                self.taken = self.taken or json.loads(payload)["taken"] == self.size
            if kind == REFUSED:
                self.refused = payload.decode("utf-8", "replace")

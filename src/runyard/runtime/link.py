"""A runner as its engine sees it: a connection, and once it has said who it is, a pidfd that tells its death."""

from __future__ import annotations

import os
import socket
from typing import Callable, Optional

from runyard.runtime import family
from runyard.runtime.family import Member
from runyard.runtime.protocol import VERSION, Channel, Message
from runyard.runtime.watch import Watch


class Link:
    """Calls `on_message` for what the runner says, and `on_end` once when it is dead or cannot be reached any more.

    The end is told by the pidfd where there is one: a connection closes a little before the lock of the run file is
    free.
    """

    def __init__(
        self,
        connection: socket.socket,
        watch: Watch,
        on_message: Callable[[Link, Message], None],
        on_end: Callable[[Link], None],
    ) -> None:
        self.channel = Channel(connection)
        self.member: Optional[Member] = None
        self.usable = False
        self._watch = watch
        self._on_message = on_message
        self._on_end = on_end
        self._pidfd = -1
        self._open = True
        self._heard_end = False
        self._watch.add(self.channel.fd, self._ready)

    def send(self, message: Message) -> None:
        self.channel.send(message)  # that it is gone is told by `on_end`
        if self.channel.unsent:
            self._watch.writing(self.channel.fd, True)

    def close(self) -> None:
        """Let go. A runner with nothing to do exits."""
        if not self._open:
            return
        self._open = False
        self._hang_up()
        if self._pidfd >= 0:
            self._watch.remove(self._pidfd)
            os.close(self._pidfd)

    def _ready(self) -> None:
        if self.channel.unsent:
            self.channel.flush()
            self._watch.writing(self.channel.fd, self.channel.unsent)
        self._listen()

    def _listen(self) -> bool:
        """Take what has arrived. False: nothing has, or the other side is gone."""
        messages = self.channel.receive()
        if messages is None:
            self._hang_up()
            if self._pidfd < 0:
                self._end()
            return False
        for message in messages:
            if self.member is None and message.get("is") == "state":
                self._greeted(message)
            self._on_message(self, message)
        return bool(messages)

    def _greeted(self, message: Message) -> None:
        self.member = Member(message["pid"], message["start_time"])
        self.usable = message.get("v") == VERSION and not message.get("retired")
        fd = family.open_member(self.member)
        if fd is not None:
            self._pidfd = fd
            self._watch.add(fd, self._died)

    def _died(self) -> None:
        """The last words first."""
        while not self._heard_end and self._listen():
            pass
        self._end()

    def _hang_up(self) -> None:
        if not self._heard_end:
            self._heard_end = True
            self._watch.remove(self.channel.fd)
            self.channel.close()

    def _end(self) -> None:
        if self._open:
            self.close()
            self._on_end(self)

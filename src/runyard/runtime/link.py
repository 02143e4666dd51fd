"""A runner as its engine sees it: a connection, and what it has said of itself."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Optional

from runyard.runtime.family import Member
from runyard.runtime.protocol import VERSION, Channel, Message
from runyard.runtime.watch import Watch


class Link:
    """Calls `on_message` for what the runner says, and `on_end` once when it says no more: it is dead, or dying (its
    lock may be held a moment longer), or has dropped us.

    `usable`: it may be given another attempt.
    """

    def __init__(
        self,
        connection: socket.socket,
        watch: Watch,
        on_message: Callable[[Link, Message], None],
        on_end: Callable[[Link], None],
    ) -> None:
        self.member: Optional[Member] = None
        self.usable = False
        self._channel = Channel(connection)
        self._watch = watch
        self._on_message = on_message
        self._on_end = on_end
        self._open = True
        self._watch.add(self._channel.fd, self._ready)

    def send(self, message: Message) -> None:
        """Say this. If nobody hears it, `on_end` comes."""
        self._channel.send(message)
        if self._channel.unsent:
            self._watch.writing(self._channel.fd, True)

    def close(self) -> None:
        """Let go. A runner with nothing to do exits."""
        if self._open:
            self._open = False
            self._watch.remove(self._channel.fd)
            self._channel.close()

    def _ready(self) -> None:
        if self._channel.unsent:
            self._channel.flush()
            self._watch.writing(self._channel.fd, self._channel.unsent)
        messages = self._channel.receive()
        if messages is None:
            self.close()
            self._on_end(self)
            return
        for message in messages:
            if message.get("is") == "state":
                self.member = Member(message["pid"], message["start_time"])
                self.usable = message["v"] == VERSION and not message["retired"]
            self._on_message(self, message)

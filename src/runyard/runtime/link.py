"""A runner as its engine sees it: a connection, and what it has said of itself."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Optional

from runyard.runtime.family import Member
from runyard.runtime.protocol import VERSION, Channel, Message
from runyard.runtime.watch import Watch


class RunnerLink:
    """Calls `on_message` for what the runner says, and `on_end` once when it says no more: it is dead, or dying (its
    lock may be held a moment longer), or has dropped us.

    `member` is known when it has said so, or from the start where its socket has told; `zygote` and `pid_namespace`
    when it has greeted (not by an old runner). `usable`: it may be given another attempt;
    `version` is that of its protocol (0: not known yet).
    """

    def __init__(
        self,
        connection: socket.socket,
        watch: Watch,
        on_message: Callable[[RunnerLink, Message], None],
        on_end: Callable[[RunnerLink], None],
        member: Optional[Member] = None,
    ) -> None:
        self.member = member
        self.zygote = Member(0, 0)
        self.pid_namespace = 0
        self.usable = False
        self.version = 0
        self._greeted = False
        self._channel = Channel(connection)
        self._watch = watch
        self._on_message = on_message
        self._on_end = on_end
        self._open = True
        self._watch.add(self._channel.fd, self._ready)

    @property
    def silent(self) -> bool:
        """It has not greeted, and still may."""
        return self._open and not self._greeted

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
                self._know(message)
            self._on_message(self, message)

    def _know(self, greeting: Message) -> None:
        self._greeted = True
        self.member = Member(greeting["pid"], greeting["start_time"])
        self.zygote = Member(greeting.get("zygote", 0), greeting.get("zygote_start", 0))
        self.pid_namespace = greeting.get("pid_namespace", 0)
        self.version = greeting["v"]
        self.usable = self.version == VERSION and not greeting["retired"]

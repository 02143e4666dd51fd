"""The socket of the home on which the server listens. Whoever removes it does not lock callers out for long.

The server's event loop calls `renewed` about once a second. A home that is not ours any more gets no other socket: the
keeper ends the server then.
"""

from __future__ import annotations

import logging
import os
import socket
from contextlib import suppress

from runyard.errors import NotAllowed
from runyard.foreign import sockets
from runyard.server.run import bind
from runyard.settings import Home
from runyard.wiring.home import is_ours, prepare

log = logging.getLogger("runyard.server")


class Door:
    """Binds the socket; `listener` is the present one."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._told = ""
        self.listener = self._open()

    def renewed(self) -> socket.socket | None:
        """Another socket, where nobody finds the present one any more."""
        if self._stands() or not is_ours(self._home):
            return None
        try:
            prepare(self._home)
            if self._found():
                return None
            self.listener = self._open()
        except (OSError, NotAllowed) as error:
            if str(error) != self._told:
                log.error("%s was removed and cannot be made anew: %s", self._home.server_socket, error)
            self._told = str(error)
            return None
        log.warning("%s was removed: listening on a new one", self._home.server_socket)
        self._told = ""
        return self.listener

    def close(self) -> None:
        """Take the socket away, if it is ours."""
        if self._found():
            with suppress(FileNotFoundError):
                os.unlink(self._home.server_socket)

    def _open(self) -> socket.socket:
        listener = bind(self._home.server_socket)
        self._identity = sockets.identity(self._home.server_socket)
        return listener

    def _stands(self) -> bool:
        """Whether callers find the socket, and runners the directory for theirs."""
        return self._found() and os.path.isdir(self._home.runner_sockets)

    def _found(self) -> bool:
        return self._identity is not None and sockets.identity(self._home.server_socket) == self._identity

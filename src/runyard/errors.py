"""The error tree. Each error knows its exit code, its HTTP status and whether trying again can help.

    RunyardError
    ├── UsageError            2   400   what was asked for is wrong
    │   ├── InvalidSpec       2   422   a field of a job, queue or filter has a bad value
    │   └── NotFound          2   404   no such job, queue, host or file
    ├── NotAllowed           77   403   the caller may not do this
    ├── Conflict              1   409   it cannot be done in the present state
    │   └── IllegalMove       1   409   the lifecycle has no such move; carries the job's story
    ├── Unavailable          69   503   no server, or the server cannot serve now
    │   └── StorageFull      75   507   nothing new is accepted until there is space
    ├── TimedOut             75   504   a wait ran out
    └── ProtocolError        70   502   the other side said something that we do not understand

The message is written for the user: what was wrong and what to do.
"""

from __future__ import annotations


class RunyardError(Exception):
    """Something went wrong in Runyard itself; the server's log says more."""

    exit_code = 1
    http_status = 500
    retryable = False

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").strip())

    @property
    def message(self) -> str:
        return str(self.args[0])


class UsageError(RunyardError):
    """What was asked for is wrong."""

    exit_code = 2
    http_status = 400


class InvalidSpec(UsageError):
    """A field has a bad value."""

    http_status = 422

    def __init__(self, message: str = "", field: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field


class NotFound(UsageError):
    """There is no such thing here."""

    http_status = 404


class NotAllowed(RunyardError):
    """You may not do this."""

    exit_code = 77
    http_status = 403


class Conflict(RunyardError):
    """This cannot be done in the present state."""

    http_status = 409


class IllegalMove(Conflict):
    """A job was asked to make a move that its state does not have."""


class Unavailable(RunyardError):
    """The server cannot be reached.

    `unheard` is set where the server has certainly not heard the call, so that it may be made again.
    """

    exit_code = 69
    http_status = 503
    retryable = True
    unheard = False


class StorageFull(Unavailable):
    """There is no space left for new jobs; running ones go on. Free some space and try again."""

    exit_code = 75
    http_status = 507


class TimedOut(RunyardError):
    """The wait ran out; nothing was changed."""

    exit_code = 75
    http_status = 504
    retryable = True


class ProtocolError(RunyardError):
    """The other side said something that this version does not understand."""

    exit_code = 70
    http_status = 502


def _tree(root: type[RunyardError]) -> dict[str, type[RunyardError]]:
    found = {root.__name__: root}
    for child in root.__subclasses__():
        found.update(_tree(child))
    return found


BY_NAME = _tree(RunyardError)
"""Every error by its class name: how the wire names them."""

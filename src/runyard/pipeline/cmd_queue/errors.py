"""What goes wrong with a queue: also of the classes that those catch who come from cmd_queue."""

from __future__ import annotations

from runyard.errors import InvalidSpec, NotFound, TimedOut


class DuplicateJobError(InvalidSpec, KeyError):
    """There is a job of this name already; nothing was added."""

    __str__ = InvalidSpec.__str__


class UnknownJobError(NotFound, KeyError):
    """There is no job of this name to depend on; nothing was added."""

    __str__ = NotFound.__str__


class UnknownBackendError(InvalidSpec, KeyError):
    """There is no such backend."""

    __str__ = InvalidSpec.__str__


class BlockTimeoutError(TimedOut, TimeoutError):
    """A blocking run took longer than it may; nothing was ended."""

    __str__ = TimedOut.__str__


class SizeError(InvalidSpec, ValueError):
    """So many workers there cannot be."""

    __str__ = InvalidSpec.__str__

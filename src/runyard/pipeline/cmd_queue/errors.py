"""What goes wrong with a queue, for those who catch cmd_queue's errors: they are KeyErrors there."""

from __future__ import annotations

from runyard.errors import InvalidSpec, NotFound


class DuplicateJobError(InvalidSpec, KeyError):
    """There is a job of this name already; nothing was added."""

    __str__ = InvalidSpec.__str__


class UnknownJobError(NotFound, KeyError):
    """There is no job of this name to depend on; nothing was added."""

    __str__ = NotFound.__str__


class UnknownBackendError(InvalidSpec, KeyError):
    """There is no such backend."""

    __str__ = InvalidSpec.__str__

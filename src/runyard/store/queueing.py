"""When a queue may be saved or removed: the part that every store shares."""

from __future__ import annotations

from runyard.errors import Conflict, NotFound
from runyard.model.queue import Queue
from runyard.model.spec import DEFAULT_QUEUE


def check_version(queue: Queue, present: Queue | None) -> None:
    """Conflict unless `queue` was made from the one that is there."""
    if present is None and queue.version:
        raise Conflict(f"queue {queue.name} has been removed since you read it")
    if present is not None and queue.version == 0:
        raise Conflict(f"queue {queue.name} exists already")
    if present is not None and queue.version != present.version:
        raise Conflict(f"queue {queue.name} has been changed since you read it; read it again")


def check_removal(name: str, exists: bool, open_jobs: int) -> None:
    """NotFound or Conflict unless this queue can go."""
    if not exists:
        raise NotFound(f"there is no queue {name}")
    if name == DEFAULT_QUEUE:
        raise Conflict(f"queue {name} always exists; pause it instead")
    if open_jobs:
        raise Conflict(f"{open_jobs} jobs in queue {name} are not done; stop them or let them end first")

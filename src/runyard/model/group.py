"""Jobs that belong together."""

from __future__ import annotations

from runyard.model.record import dataclass

GROUP_KINDS = ("array", "sweep", "pipeline", "jobset")


@dataclass(frozen=True)
class Group:
    """An array (later a sweep, a pipeline, a jobset). `parallel` 0 means no limit of its own."""

    id: int
    kind: str
    name: str
    user: str
    size: int
    parallel: int = 0

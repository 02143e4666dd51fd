"""Who an agent is, and the settings that it goes by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Identity:
    """Who this agent is, for its hello."""

    agent: str
    user: str
    uid: int
    version: str
    beat_wait_s: float = 20.0
    foreign_mb: int = 500
    host: str = "here"
    """The id of its host, by which run directories are named."""
    ports: tuple[int, int] = (20_000, 29_399)
    """The first and the last that it may grant."""

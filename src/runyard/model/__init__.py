"""Records, states, events and the rules between them. Pure: no clock, no randomness, no I/O."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    """A module of this package by its name, loaded when it is first used: `model.events.Recorded`. The client names so
    what only some of the verbs answer, or else each command would load all of it."""
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")

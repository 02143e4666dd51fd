"""The Python environment that a job was submitted with, so that its start can tell whether it is another by now."""

from __future__ import annotations

from runyard.errors import InvalidSpec
from runyard.model.record import dataclass

POLICIES = ("warn", "hold", "ignore")
"""What a start does when the environment is another: goes on and says so; waits, held; does not look."""


@dataclass(frozen=True)
class Installed:
    """An interpreter, by the path that the command reaches it by, and the hash of the blob that lists it and what is
    installed for it, one a line. Equal hashes are equal environments."""

    python: str
    listing: str

    def __post_init__(self) -> None:
        if not self.python.startswith("/") or "\0" in self.python:
            raise InvalidSpec(f"{self.python!r} is not the absolute path of an interpreter", "python")


def differences(before: str, after: str) -> tuple[str, ...]:
    """What is another between two listings, in words: "numpy 1.26.4 -> 2.0.0", "torch 2.4.0 is gone"."""
    old, new = _versions(before), _versions(after)
    told = []
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            told.append(f"{name} {old[name]} is gone")
        elif name not in old:
            told.append(f"{name} {new[name]} is new")
        elif old[name] != new[name]:
            told.append(f"{name} {old[name]} -> {new[name]}")
    return tuple(told)


def _versions(listing: str) -> dict[str, str]:
    """Name to version of each line ("numpy 1.26.4")."""
    found: dict[str, str] = {}
    for line in listing.splitlines():
        name, _, version = line.partition(" ")
        found[name] = f"{found[name]}, {version}" if name in found else version
    return found

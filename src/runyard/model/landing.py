"""What is found on the other side of an SSH connection: where its server listens, as whom, and what lies at a path."""

from __future__ import annotations

from runyard.model.record import dataclass

DIRECTORY, FILE, OTHER = "directory", "file", "other"

PATHS_MAX = 64
"""The most paths in one call."""


@dataclass(frozen=True)
class Landing:
    """What a login at another machine tells before anything else is said.

    `socket` is the path at which the server of `home` listens there; `cwd` is where a login shell of the account
    begins, and `environment` the hash of the blob with its variables. `protocol` is `api.PROTOCOL` over there.
    `defaults` (an object of JSON) and `public_prefixes` are settings of the yard.
    """

    protocol: int
    version: str
    socket: str
    home: str
    user: str
    cwd: str
    environment: str
    defaults: str = "{}"
    public_prefixes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """What is at a path: its kind ("" for nothing), whether we may execute or enter it, and where it really lies."""

    path: str
    kind: str
    executable: bool
    real: str

"""What every engine can do. An agent drives it from one thread and never blocks in it.

An engine reports by events: `fileno()` becomes readable when `poll()` has news. What it observed is kept by it until
`forget`, so that an agent that starts anew is told everything again by `adopt`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from runyard.model.attempt import AttemptKey
from runyard.model.beat import Observed, Order, StopOrder, Terms


@dataclass(frozen=True)
class Capabilities:
    """What an engine can and cannot do, as data."""

    name: str
    places_itself: bool = False
    attachable: bool = False
    survives_agent: bool = True


class Engine(Protocol):
    """Starts, watches and ends attempts."""

    capabilities: Capabilities

    def fileno(self) -> int:
        """Readable when `poll` has something to tell."""

    def adopt(self) -> list[Observed]:
        """Everything that an earlier agent left: living attempts are watched again, the others judged."""

    def start(self, order: Order, environment: str, script: str) -> None:
        """Start the placement. `environment` and `script` are paths of local copies of the blobs ("": none).

        Returns at once; `started`, or `ended` with cause `not-started`, comes from `poll`. A second call for the same
        attempt starts nothing.
        """

    def stop(self, order: StopOrder) -> None:
        """End it: signal, grace, kill of the whole family. One that is not known here is revoked (see `revoke`)."""

    def adjust(self, terms: Terms) -> None:
        """Change its time limit, pause it (all its processes) or let it go on; as often as told. `poll` tells where
        that cannot be done (`Observed.why`)."""

    def revoke(self, key: AttemptKey) -> Observed:
        """Take the claim so that the attempt can never start, or say how far it has come."""

    def poll(self) -> list[Observed]:
        """What has happened since the last call; never blocks."""

    def forget(self, key: AttemptKey) -> None:
        """The result is committed: keep only the output."""

    def attach_hint(self, key: AttemptKey) -> str:
        """The path of the runner's socket, where its terminal can be reached ("" if nobody holds it now)."""

    def close(self) -> None:
        """Let go of everything; attempts run on."""

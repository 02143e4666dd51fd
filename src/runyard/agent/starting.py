"""What an attempt needs on this host before its engine gets it: space, blobs, a checkpoint directory; last its ports.

Called by the agent's loop for each order. Nothing has begun yet: what is missing for now is no failure of the job.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from runyard.agent.blobs import BlobCache
from runyard.agent.ports import Ports
from runyard.client.report import METRICS
from runyard.foreign.filesystem import free_mb
from runyard.model.attempt import AttemptKey
from runyard.model.beat import Order
from runyard.model.checkpoint import DIRECTORY_VARIABLE, RESUME_VARIABLE
from runyard.model.record import changed
from runyard.runtime.checkpoints import Checkpoints
from runyard.settings import Home

DISK_MIN_MB = 20
"""With less free space than this nothing is started."""

HOME = "RUNYARD_HOME"
"""What a job calls by `ry` is the yard that started it, wherever its submitter's environment points."""

MASTER_ADDRESS = "127.0.0.1"
"""All processes of a placement are on its host."""


class NotNow(Exception):
    """This host cannot start it at present; the message says why. It waits again, and no retry is spent."""


class Ready(NamedTuple):
    """An order with all that belongs to it; the others are paths. `listing` says what was installed at submit."""

    order: Order
    environment: str
    script: str
    listing: str = ""


class Starter:
    """Makes orders ready. `metrics` names the file of an attempt."""

    def __init__(self, home: Home, blobs: BlobCache, ports: Ports, metrics: Callable[[AttemptKey], str]) -> None:
        self._home = home
        self._blobs = blobs
        self._checkpoints = Checkpoints(home.checkpoints)
        self._metrics = metrics
        self.ports = ports

    def prepare(self, order: Order) -> Ready:
        """Raises NotNow; Unavailable while the server is away; another RunyardError or OSError where it can never be
        started."""
        if free_mb(self._home.root) < DISK_MIN_MB:
            raise NotNow(f"less than {DISK_MIN_MB} MB are free on its host")
        environment, script = self._blobs.path(order.environment), self._blobs.path(order.script)
        listing = self._blobs.path(order.python.listing) if order.python is not None else ""
        variables = {HOME: self._home.root, METRICS: self._metrics(order.key)}
        if order.checkpoint.has_directory:
            variables.update(self._checkpoint(order))
        return Ready(changed(order, variables=(*order.variables, *variables.items())), environment, script, listing)

    def with_ports(self, ready: Ready) -> Ready:
        """The last step, so that it starts as soon as its ports were seen to be free. Raises NotNow."""
        order = ready.order
        if not order.ports:
            return ready
        granted = self.ports.grant(order.key, order.ports)
        if granted is None:
            raise NotNow(f"its host has no {order.ports} free port{'s' if order.ports > 1 else ''} to give")
        variables = (*order.variables, *_rendezvous(granted).items())
        return ready._replace(order=changed(order, granted=granted, variables=variables))

    def _checkpoint(self, order: Order) -> dict[str, str]:
        path = self._checkpoints.make(order.key.job_id)
        variables = {DIRECTORY_VARIABLE: path}
        if order.key.number > 1 and os.listdir(path):
            variables[RESUME_VARIABLE] = "1"
        return variables


def _rendezvous(ports: tuple[int, ...]) -> dict[str, str]:
    """Where the processes of a job find each other, as torchrun and others read it."""
    return {
        "MASTER_ADDR": MASTER_ADDRESS,
        "MASTER_PORT": str(ports[0]),
        "RUNYARD_PORTS": ",".join(map(str, ports)),
    }

"""The id of this machine, as agent and server both name it."""

from __future__ import annotations

import os

from runyard.agent.probe import host_id as machine_host_id
from runyard.settings import Home


def host_id(home: Home) -> str:
    """A stable id; where the machine has none a random one is kept in the home's local part."""
    return machine_host_id(os.path.join(home.locks, "host-id"))

"""Placement policy: the hosts in the order of the view (the service lists its own host first), filled one by one.

A policy says in which order hosts are tried for a job; the first on which it fits is taken.
"""

from __future__ import annotations

from collections.abc import Sequence

from runyard.model.spec import Resources
from runyard.planner.fit import HostLedger


def arrange(hosts: Sequence[HostLedger], resources: Resources) -> Sequence[HostLedger]:
    """The hosts in the order in which they are tried for a job that asks for this."""
    return hosts

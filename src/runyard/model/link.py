"""A page where a tracking service shows a run. (`links` finds them.)"""

from __future__ import annotations

from runyard.model.record import dataclass


@dataclass(frozen=True)
class Link:
    """A page (`address`), or where one could be made from (`path`): `kind` says of what, `about` whether of this run or
    of its project, `run` what the service calls the run."""

    kind: str
    address: str = ""
    about: str = "run"
    run: str = ""
    path: str = ""

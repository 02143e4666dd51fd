"""Pages where a tracking service shows a run, as they are found in what a job prints. Pure, and never trusted.

Only addresses of http and https without a name and password in them are taken, and nothing that is not printable.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Optional

from runyard.model.link import Link

LINKS_MAX = 16
ADDRESS_MAX = 2_048

WANDB, MLFLOW, COMET, TENSORBOARD, CLEARML, NEPTUNE = "wandb", "mlflow", "comet", "tensorboard", "clearml", "neptune"
KINDS = (WANDB, COMET, MLFLOW, CLEARML, NEPTUNE, TENSORBOARD)

_HOSTED = re.compile(
    r"https://(?:[a-z0-9-]+\.)*(?:wandb\.ai|comet\.com|comet\.ml|clear\.ml|neptune\.ai)(?:/|$)"
    r"|http://(?:localhost|127\.0\.0\.1)(?::[0-9]{1,5})?(?:/|$)"
)
"""The services themselves, and what is served on this machine."""

_ADDRESS = re.compile(rb"https?://[\x21\x23-\x3b\x3d\x3f-\x7e]{4,2048}")
_RUN = re.compile(r"/runs/([A-Za-z0-9_-]{1,128})(?:[/?#]|$)")
_LINE = 512
"""How many characters before an address are looked at in its line."""


Variables = tuple[tuple[str, str], ...]


def resuming(links: Sequence[Link]) -> Variables:
    """Variables by which a command goes on with the run of a tracking service that it had (the latest)."""
    runs = [link.run for link in links if link.kind == WANDB and link.run]
    return (("WANDB_RUN_ID", runs[-1]), ("WANDB_RESUME", "allow")) if runs else ()


def is_well_known(address: str) -> bool:
    """Whether the page is a tracking service's, or of this machine. Any other may be whatever a job likes to print."""
    return _HOSTED.match(address) is not None


def found_in(output: bytes) -> tuple[Link, ...]:
    """The pages that a piece of output names, each once."""
    found: dict[str, Link] = {}
    for match in _ADDRESS.finditer(output):
        before = output[max(0, match.start() - _LINE) : match.start()].rpartition(b"\n")[2]
        link = link_of(match[0].decode("ascii"), before.decode("utf-8", "replace"))
        if link is not None and link.address not in found:
            found[link.address] = link
            if len(found) == LINKS_MAX:
                break
    return tuple(found.values())


def link_of(address: str, before: str) -> Optional[Link]:
    """The link that this address is, by what stands before it in its line; None for any other page."""
    address = address.rstrip(".,;:!?)]}'\"")
    host, _, path = address.partition("://")[2].partition("/")
    if "@" in host or len(address) > ADDRESS_MAX:
        return None
    said = f"{before} {host}".lower()
    kind = next((kind for kind in KINDS if kind in said.replace("weights & biases", WANDB)), None)
    if kind is None or (kind in (WANDB, COMET) and not path):
        return None
    run = _RUN.search(f"/{path}")
    about = "run" if run or kind in (TENSORBOARD, COMET, CLEARML, NEPTUNE) else "project"
    return Link(kind, address, about, run.group(1) if run else "")

"""Who an agent is, and what it remembers from one start to the next: the yard that it serves, how far that had come.

By that it notices a store that went back. `feed` is kept in memory and saved now and then: each answer moves it.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass

from runyard.agent.identity import Identity
from runyard.errors import InvalidSpec
from runyard.foreign import filesystem
from runyard.model import codec
from runyard.model.beat import Hello, Welcome
from runyard.model.host import Host

log = logging.getLogger("runyard.agent")


@dataclass(frozen=True)
class Seen:
    """The yard's id ("": none yet), and of it the highest epoch and event."""

    yard: str = ""
    epoch: int = 0
    feed: int = 0


def hello(me: Identity, host: Host, seen: Seen) -> Hello:
    """How this process, as the agent, begins."""
    return Hello(
        agent=me.agent, host=host, user=me.user, uid=me.uid, pid=os.getpid(), boot_id=host.boot_id, version=me.version,
        yard=seen.yard, epoch=seen.epoch, feed=seen.feed,
    )  # fmt: skip


def distrust(seen: Seen, welcome: Welcome, busy: bool) -> str:
    """Why nothing that this yard says is done ("" if it is the one that we serve, and no older copy of it). `busy`:
    attempts are here."""
    if welcome.accepted:
        return ""
    if seen.yard and welcome.yard != seen.yard:
        return f"attempts of yard {seen.yard} are here, this server is yard {welcome.yard}" if busy else ""
    if welcome.epoch < seen.epoch:
        return f"epoch {welcome.epoch} is older than {seen.epoch}, which was seen here"
    if welcome.feed < seen.feed:
        return f"the store ends at event {welcome.feed}, {seen.feed} was seen here"
    return ""


def load(path: str) -> Seen:
    """What was saved, or nothing."""
    try:
        with open(path, encoding="ascii") as file:
            return codec.decode(Seen, json.load(file))
    except (FileNotFoundError, ValueError, InvalidSpec):  # a power cut may have left it empty
        return Seen()


def save(path: str, seen: Seen) -> None:
    """Keep it, whole or not at all, as well as the disk allows. It is not flushed: that would hold the agent's one
    thread."""
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        filesystem.put(path, codec.dumps(seen).encode("ascii"))
    except OSError as error:
        log.warning("what was seen of the yard cannot be kept: %s", error)

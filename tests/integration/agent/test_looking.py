"""The agent's look at its machine."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator

from runyard.agent.look import Looker
from runyard.model.host import Host

PATIENCE_MS = 20_000


def test_a_look_that_fails_is_tried_again() -> None:
    host = Host("host", "name", "boot", 2, 1_000)
    looks: Iterator[Host] = iter([host])

    def look() -> Host:
        if not tried:
            tried.append(None)
            raise KeyError("strange")
        return next(looks)

    tried: list[None] = []
    looker = Looker(look, time.monotonic, busy_every_s=0.0)
    looker.ask()
    poll = select.poll()
    poll.register(looker.fileno(), select.POLLIN)
    assert poll.poll(PATIENCE_MS)
    assert looker.take() is host

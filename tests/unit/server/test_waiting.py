"""How long a beat waits on the server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from runyard.model.beat import Answer, Report
from runyard.server import waiting
from tests.unit.server.client import Silent


class Idle:
    """Has no orders; keeps the reports."""

    def __init__(self) -> None:
        self.heard: list[Report] = []

    def beat(self, report: Report) -> Answer:
        self.heard.append(report)
        return Answer("yard", 1, len(self.heard))


@pytest.mark.parametrize("wait_s", [31.0, 300.0, 1e9])
def test_no_beat_waits_so_long_that_its_agent_seems_silent(monkeypatch: pytest.MonkeyPatch, wait_s: float) -> None:
    """Whatever an agent asks for (it may be of another version, or have a setting of its own)."""
    monkeypatch.setattr(waiting, "BEAT_WAIT_MAX_S", 0.01)
    service: Any = Idle()

    async def offload(verb: Callable[[Report], Answer], report: Report) -> Answer:
        return verb(report)

    beat = waiting.beat(Silent(), service, Report("a", 1, wait_s=wait_s), offload)
    assert asyncio.run(asyncio.wait_for(beat, 20)).number == 2
    assert len(service.heard) == 2

"""How long a beat waits on the server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from runyard.model.beat import Answer, Report
from runyard.server import waiting
from runyard.service.changes import Changes
from tests.unit.server.client import Silent


class Idle:
    """Has no orders; keeps the reports."""

    def __init__(self) -> None:
        self.heard: list[Report] = []

    def beat(self, report: Report) -> Answer:
        self.heard.append(report)
        return Answer("yard", 1, len(self.heard))


async def here(verb: Callable[[Report], Answer], report: Report) -> Answer:
    return verb(report)


@pytest.mark.parametrize("wait_s", [31.0, 300.0, 1e9])
def test_no_beat_waits_so_long_that_its_agent_seems_silent(monkeypatch: pytest.MonkeyPatch, wait_s: float) -> None:
    """Whatever an agent asks for (it may be of another version, or have a setting of its own)."""
    monkeypatch.setattr(waiting, "BEAT_WAIT_MAX_S", 0.01)
    service: Any = Idle()
    beat = waiting.beat(Silent(), service, Report("a", 1, wait_s=wait_s), here)
    assert asyncio.run(asyncio.wait_for(beat, 20)).number == 2
    assert len(service.heard) == 2


def test_a_beat_that_the_next_one_ends_asks_for_nothing_more() -> None:
    """What there is to tell is told once, in the answer of the next one."""
    topics, service = Changes(), Idle()
    told: Any = service

    async def two() -> tuple[Answer, Answer]:
        first = asyncio.create_task(waiting.beat(topics, told, Report("a", 1, number=1, wait_s=30.0), here))
        while not topics._waiting:  # private: nobody else asks who waits
            await asyncio.sleep(0)
        second = asyncio.create_task(waiting.beat(topics, told, Report("a", 1, number=2, wait_s=30.0), here))
        ended = await first
        topics.publish(("agent:a",))
        return ended, await second

    ended, answered = asyncio.run(asyncio.wait_for(two(), 20))
    assert ended.number == 1 and ended.empty
    assert answered.number == 3
    assert [report.number for report in service.heard] == [1, 2, 2]

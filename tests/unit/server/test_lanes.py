"""Calls that take long keep no others waiting."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from runyard.model import codec
from runyard.model.beat import Answer, Report
from runyard.server.routes import LANES, QUICK, SLOW
from tests.unit.server.client import JSON, Silent, Told, application, exchange

CALLS = LANES[SLOW] + LANES[QUICK]
"""More than any pool has threads."""

PATIENCE_S = 30.0


class Blocked:
    """Diffs, details, searches and exports come to no end before `free`; beats and stops do what they do."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.begun = threading.Semaphore(0)

    def _wait(self, *args: Any) -> Any:
        self.begun.release()
        assert self.free.wait(PATIENCE_S)

    compare = job = pack = jobs = submit = _wait

    def beat(self, report: Report) -> Answer:
        return Answer("yard", 1, 1)

    def stop(self, call: Any) -> tuple[()]:
        return ()


SUBMISSION = b'{"specs": [{"command": ["true"], "workdir": "/"}], "key": "abcdefgh"}'


@pytest.mark.parametrize(
    "slow",
    [
        ("GET", "/jobs/1/diff?to=2", b""),
        ("GET", "/jobs/1", b""),
        ("POST", "/exports", b"[1]"),
        ("GET", "/jobs", b""),
        ("POST", "/jobs", SUBMISSION),
    ],
    ids=lambda slow: " ".join(slow[:2]),
)
def test_a_beat_and_a_stop_pass_them(slow: tuple[str, str, bytes]) -> None:
    service = Blocked()
    app = application(service, topics=Silent())
    report = codec.dumps(Report("a", 1)).encode()

    async def scene() -> list[Told]:
        slow_ones = [asyncio.create_task(exchange(app, *slow, headers=[JSON])) for _ in range(CALLS)]
        await asyncio.to_thread(service.begun.acquire, timeout=PATIENCE_S)
        try:
            return [
                await asyncio.wait_for(exchange(app, "POST", path, body, headers=[JSON]), PATIENCE_S)
                for path, body in (("/agents/a/beat", report), ("/jobs/stop", b'{"ids": [1]}'))
            ]
        finally:
            service.free.set()
            await asyncio.gather(*slow_ones)

    assert [told.status for told in asyncio.run(scene())] == [200, 200]

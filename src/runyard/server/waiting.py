"""The two calls that wait: `changes`, and an agent's beat. Neither holds a thread while it waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from runyard.api import Service
from runyard.errors import InvalidSpec
from runyard.model.beat import Answer, Report
from runyard.settings import BEAT_WAIT_MAX_S

WAIT_MAX_S = 300.0
TOPICS_MAX = 1_024

Offload = Callable[..., Any]


class Topics(Protocol):
    """What `service.changes.Changes` offers."""

    @property
    def position(self) -> int: ...

    def publish(self, topics: tuple[str, ...]) -> None: ...

    def since(self, topics: tuple[str, ...], after: int) -> bool: ...

    def watch(self, topics: tuple[str, ...], after: int, wake: Callable[[], object]) -> Callable[[], None]: ...


async def changed(topics: Topics, names: tuple[str, ...], after: int, timeout_s: float) -> int:
    """`api.Service.changed` without a thread."""
    if len(names) > TOPICS_MAX:
        raise InvalidSpec(f"at most {TOPICS_MAX} topics at a time", "topic")
    if after <= 0:
        return topics.position
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()
    leave = topics.watch(names, after, lambda: loop.call_soon_threadsafe(woken.set))
    try:
        await asyncio.wait_for(woken.wait(), min(timeout_s, WAIT_MAX_S))
        return topics.position
    except TimeoutError:
        return after
    finally:
        leave()


async def beat(topics: Topics, service: Service, report: Report, offload: Offload) -> Answer:
    """Take the report in; with nothing to order wait for something, or for the agent's next beat to end this one.

    Not so long that the agent would be taken for silent meanwhile, however long it wants to wait. One that is ended has
    the answer that it waited with, as if that had come late: what is new is in that of the next beat.
    """
    agent = (f"agent:{report.agent}",)
    topics.publish((f"beat:{report.agent}",))
    position = topics.position
    answer: Answer = await offload(service.beat, report)
    if not answer.empty or report.wait_s <= 0:
        return answer
    newer = (f"beat:{report.agent}",)
    await changed(topics, (*agent, *newer), position, min(report.wait_s, BEAT_WAIT_MAX_S))
    if topics.since(newer, position):
        return answer
    nothing_new = replace(report, observed=(), all=None, host=None)
    return await offload(service.beat, nothing_new)  # type: ignore[no-any-return]

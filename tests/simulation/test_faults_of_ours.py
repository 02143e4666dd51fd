"""Faults of our own in an agent: one order that cannot be carried out, one turn that fails. The rest goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from runyard.model.beat import Observed, Order
from runyard.model.spec import JobSpec
from tests.simulation.ground import Toy
from tests.simulation.world import World


def test_an_order_that_fails_in_an_unknown_way_is_given_up_and_the_next_one_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Toy.start

    def stumble(engine: Toy, order: Order, environment: str, script: str) -> None:
        if order.key.job_id == 1:
            raise KeyError("strange")
        start(engine, order, environment, script)

    monkeypatch.setattr(Toy, "start", stumble)
    world = World(tmp_path)
    world.add_station(cpus=2)
    world.submit(JobSpec(command=("a",)), JobSpec(command=("b",)))
    world.calm()
    assert world.words() == {1: "not-started", 2: "succeeded"}
    assert "'strange'" in str(world.job(1).reason)


def test_a_turn_that_fails_is_not_the_agents_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    agent = world.add_station().agent
    assert agent is not None
    polled: list[None] = []

    def stumble(engine: Toy) -> list[Observed]:
        polled.append(None)
        if len(polled) == 1:
            raise KeyError("strange")
        agent.end()
        return []

    monkeypatch.setattr(Toy, "poll", stumble)
    agent.run()
    assert len(polled) == 2

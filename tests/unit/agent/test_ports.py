"""Ports: never twice, only free ones, late again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runyard.agent.ports import Ports
from runyard.model.attempt import AttemptKey


def key(job: int) -> AttemptKey:
    return AttemptKey(job, 1, "token")


def test_each_has_its_own_and_nobody_gets_what_is_taken_outside() -> None:
    ports = Ports(100, 105, free=lambda port: port != 102)
    assert ports.grant(key(1), 2) == (100, 101)
    assert ports.grant(key(2), 2) == (103, 104)
    assert ports.grant(key(3), 2) is None
    assert ports.grant(key(3), 1) == (105,)
    ports.release(key(1))
    assert ports.grant(key(4), 2) == (100, 101)


def test_what_was_given_back_is_given_again_last() -> None:
    ports = Ports(100, 102, free=lambda port: True)
    given_out = []
    for job in range(1, 5):
        given_out.append(ports.grant(key(job), 1))
        ports.release(key(job))
    assert given_out == [(100,), (101,), (102,), (100,)]


def test_those_of_an_earlier_agent_are_kept() -> None:
    ports = Ports(100, 101, free=lambda port: True)
    ports.keep(key(1), [100])
    assert ports.grant(key(2), 1) == (101,)
    assert ports.grant(key(3), 1) is None


def test_none_and_no_range() -> None:
    assert Ports(100, 99, free=lambda port: True).grant(key(1), 0) == ()
    assert Ports(100, 99, free=lambda port: True).grant(key(1), 1) is None


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 4)), max_size=40), st.integers(0, 2_000))
def test_nobody_ever_shares_one(steps: list[tuple[int, int]], begin: int) -> None:
    ports = Ports(20, 29, begin, free=lambda port: port % 5 != 0)
    held: dict[int, tuple[int, ...]] = {}
    for job, count in steps:
        if job in held:
            ports.release(key(job))
            del held[job]
        elif (granted := ports.grant(key(job), count)) is not None:
            held[job] = granted
            assert len(set(granted)) == count
    everything = [port for granted in held.values() for port in granted]
    assert len(everything) == len(set(everything))
    assert all(20 <= port <= 29 and port % 5 for port in everything)

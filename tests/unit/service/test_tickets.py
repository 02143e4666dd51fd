"""Tickets: for one stream, one account, one time, a short time."""

from __future__ import annotations

import pytest

from runyard.errors import NotFound, Unavailable
from runyard.service.tickets import GOOD_S, STREAMS_MAX, Tickets


class Office:
    """Tickets, and a clock that the test moves."""

    def __init__(self) -> None:
        self.at = 100.0
        self.tickets = Tickets(lambda: self.at)


def test_two_ends_of_one_stream() -> None:
    tickets = Office().tickets
    asker, agent = tickets.issue(1, 2)
    one, other = tickets.claim(asker, "GET", 1), tickets.claim(agent, "POST", 2)
    assert one.stream == other.stream and one.asker and not other.asker
    assert tickets.issue(1, 2)[0] not in (asker, agent) and len(asker) == 32


def test_each_way_once() -> None:
    tickets = Office().tickets
    asker, _ = tickets.issue(1, 1)
    tickets.claim(asker, "GET", 1)
    with pytest.raises(NotFound):
        tickets.claim(asker, "GET", 1)
    tickets.claim(asker, "POST", 1)
    with pytest.raises(NotFound):
        tickets.claim(asker, "POST", 1)


def test_nobody_elses_nor_one_that_is_none() -> None:
    tickets = Office().tickets
    asker, agent = tickets.issue(1, 2)
    for ticket, uid in ((asker, 2), (agent, 1), ("0" * 32, 1), ("", 1)):
        with pytest.raises(NotFound):
            tickets.claim(ticket, "GET", uid)
    tickets.claim(asker, "GET", 1)


def test_not_for_long() -> None:
    office = Office()
    asker, _ = office.tickets.issue(1, 1)
    office.at += GOOD_S
    with pytest.raises(NotFound):
        office.tickets.claim(asker, "GET", 1)


def test_not_when_the_stream_is_over() -> None:
    tickets = Office().tickets
    asker, agent = tickets.issue(1, 1)
    tickets.void(tickets.claim(asker, "GET", 1).stream)
    for ticket, way in ((asker, "POST"), (agent, "GET")):
        with pytest.raises(NotFound):
            tickets.claim(ticket, way, 1)


def test_not_too_many() -> None:
    office = Office()
    for _ in range(STREAMS_MAX):
        office.tickets.issue(1, 1)
    with pytest.raises(Unavailable):
        office.tickets.issue(1, 1)
    office.at += GOOD_S
    office.tickets.issue(1, 1)

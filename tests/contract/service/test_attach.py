"""The way to a job's terminal: a ticket for the caller, and an order for the agent that holds it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runyard.errors import Conflict, InvalidSpec, NotFound, Unavailable
from runyard.model.attaching import AttachCall
from runyard.model.beat import AttachOrder
from runyard.service.controller import CONNECTED_S
from tests.contract.service.harness import Yard, job


def test_the_agent_is_told_until_it_has_heard(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit(job(tty=True))
    assert hand.beat().start[0].tty
    hand.starts(made)
    ticket = yard.service.attach(AttachCall(made, read_only=True, lines=24))
    assert ticket.attempt == 1
    (order,) = yard.service.beat(hand.report()).attach
    assert order == AttachOrder(hand.key(made), order.ticket, read_only=True, lines=24)
    assert order.ticket != ticket.ticket, "each end has its own"
    assert hand.beat().attach == (order,)
    assert hand.beat().attach == ()


def test_a_viewer_waits_for_the_next_incarnation(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit(job(tty=True))
    hand.beat()
    hand.starts(made)
    yard.service.attach(AttachCall(made))
    hand.hello()
    assert [order.key for order in hand.beat(whole=True).attach] == [hand.key(made)]


def test_what_has_none_or_does_not_run_is_refused(yard: Yard) -> None:
    hand = yard.agent()
    bare, ended = yard.submit(job(), job(tty=True))
    hand.beat()
    hand.starts(bare)
    hand.starts(ended)
    hand.ends(ended)
    waiting = yard.submit(job(tty=True, hold=True))[0]
    for made, why in ((bare, "no terminal"), (ended, "has ended: it is succeeded"), (waiting, "it is held")):
        with pytest.raises(Conflict, match=why):
            yard.service.attach(AttachCall(made))
    with pytest.raises(NotFound):
        yard.service.attach(AttachCall(99))
    assert hand.beat().attach == ()


def test_an_agent_that_is_away_lets_nobody_in(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit(job(tty=True))
    hand.beat()
    hand.starts(made)
    yard.clock.at += CONNECTED_S + 1
    with pytest.raises(Unavailable, match="is away; the job runs on"):
        yard.service.attach(AttachCall(made))


def test_a_terminal_and_an_input_do_not_go_together() -> None:
    with pytest.raises(InvalidSpec, match="either --tty or --input"):
        replace(job(tty=True), input="file")

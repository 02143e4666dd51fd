"""Hooks and wishes: who may be told what."""

from __future__ import annotations

import pytest

from runyard.errors import InvalidSpec
from runyard.model.hook import check_wish, hooks_of
from runyard.model.outcome import ENDED_BADLY, Outcome
from runyard.model.wish import EVENTS, Wish, matches, parse_wish

HOOKS = hooks_of(
    {
        "slack": {"url": "https://hooks.example.org/x"},
        "mail": {"mail": ["ada"], "to_domains": ["example.org"]},
        "anybody": {"mail": [], "to_domains": ["example.org"]},
    }
)


OUTCOMES = {outcome.value for outcome in Outcome}


def test_every_outcome_is_an_event() -> None:
    assert {*EVENTS} > OUTCOMES > {*ENDED_BADLY}


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("slack", Wish("slack")),
        ("slack:failed,lost", Wish("slack", ("failed", "lost"))),
        ("mail:ada@example.org", Wish("mail", to="ada@example.org")),
        ("mail:ada@example.org:started,each", Wish("mail", ("started",), "ada@example.org", True)),
    ],
)
def test_wishes(text: str, wish: Wish) -> None:
    assert parse_wish(text) == wish


@pytest.mark.parametrize(
    "text", ["", ":failed", "a b", "slack:burned", "mail:a@b@c", "mail:a@b:c@d", "mail:a@b\nBcc: x@y", "-x"]
)
def test_what_is_no_wish(text: str) -> None:
    with pytest.raises(InvalidSpec, match="notify: "):
        parse_wish(text)


@pytest.mark.parametrize(
    ("events", "told"),
    [
        (("ended",), OUTCOMES),
        (("failed",), set(ENDED_BADLY)),
        (("lost", "started"), {"lost", "started"}),
        (("succeeded",), {"succeeded"}),
        ((), set()),
    ],
)
def test_what_matches(events: tuple[str, ...], told: set[str]) -> None:
    assert {word for word in (*OUTCOMES, "started", "retried") if matches(events, word)} == told


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("slack", None),
        ("mail:bob@example.org", None),
        ("anybody:bob@EXAMPLE.org", None),
        ("nobody", "there is no hook 'nobody'; there are: slack, mail, anybody"),
        ("mail:bob@elsewhere.org", "sends no mail there"),
        ("slack:bob@example.org", "sends no mail there"),
        ("anybody", "needs an address: anybody:you@example.org"),
    ],
)
def test_whom_a_yard_tells(text: str, says: str | None) -> None:
    told = check_wish(text, HOOKS)
    assert told is None if says is None else says in (told or "")

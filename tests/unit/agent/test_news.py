"""When the server is told of what has become of attempts."""

from __future__ import annotations

import pytest

from runyard.agent.news import GATHER_S, STARTS_S, News
from runyard.agent.reconcile import Desired, put_off
from runyard.model.attempt import AttemptKey
from runyard.model.beat import Observed, Order

FIRST, SECOND, THIRD = (AttemptKey(number, 1, "token") for number in (7, 8, 9))
NOBODY = Desired()


def seen(stage: str, key: AttemptKey = FIRST) -> Observed:
    return Observed(key, stage)


def follows(before: AttemptKey) -> Desired:
    """THIRD waits for this one."""
    return put_off(NOBODY, [Order(THIRD, ("true",), "/", follows=str(before))])


@pytest.fixture
def news() -> News:
    return News()


def test_with_nothing_to_tell_nothing_is_told(news: News) -> None:
    assert news.due is None
    assert news.take() == ()


@pytest.mark.parametrize("stage", ["ended", "revoked", "unkillable"])
def test_an_end_is_told_at_once(news: News, stage: str) -> None:
    news.add(seen(stage), 5.0, follows(SECOND))
    assert news.due == 5.0


def test_one_whose_place_is_taken_over_waits_for_more(news: News) -> None:
    news.add(seen("ended"), 5.0, follows(FIRST))
    assert news.due == 5.0 + GATHER_S
    news.add(seen("ended", SECOND), 5.01, NOBODY)
    assert news.due == 5.01, "until one ends that nobody follows"


def test_a_start_waits_a_little_and_goes_with_the_next_end(news: News) -> None:
    news.add(seen("started"), 5.0, NOBODY)
    news.add(seen("started", SECOND), 5.009, NOBODY)
    assert news.due == 5.0 + STARTS_S, "counted from the first"
    news.add(seen("ended"), 5.009, NOBODY)
    assert news.due == 5.009
    assert news.take() == (seen("ended"), seen("started", SECOND)), "of each the last"
    assert news.due is None


def test_what_may_not_have_arrived_is_told_at_once_and_does_not_hide_what_is_newer(news: News) -> None:
    news.add(seen("ended"), 5.0, follows(FIRST))
    news.again([seen("started"), seen("started", SECOND)])
    assert news.due == 0.0
    assert news.take() == (seen("ended"), seen("started", SECOND))


def test_what_is_forgotten_is_told_no_more(news: News) -> None:
    news.add(seen("ended"), 5.0, NOBODY)
    news.drop(FIRST)
    assert (news.due, news.take()) == (None, ())


def test_a_beat_waits_on_the_server_unless_news_are_near(news: News) -> None:
    news.touched(5.0)
    running, starting = {FIRST: seen("started")}, {FIRST: seen("started"), SECOND: seen("claimed", SECOND)}
    assert news.waits_at(NOBODY, running) <= 5.0
    assert news.waits_at(NOBODY, starting) == 5.0 + STARTS_S
    assert news.waits_at(follows(FIRST), running) == 5.0 + GATHER_S

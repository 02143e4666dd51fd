"""When the server is told of what has become of attempts."""

from __future__ import annotations

import pytest

from runyard.agent.news import GATHER_S, QUIET_S, STARTS_S, News
from runyard.model.attempt import AttemptKey
from runyard.model.beat import Observed

FIRST, SECOND = AttemptKey(7, 1, "token"), AttemptKey(8, 1, "token")


def seen(stage: str, key: AttemptKey = FIRST) -> Observed:
    return Observed(key, stage)


@pytest.fixture
def news() -> News:
    return News()


def test_with_nothing_to_tell_nothing_is_told(news: News) -> None:
    assert news.told_at(followers=False) is None and news.told_at(followers=True) is None
    assert news.take() == ()


@pytest.mark.parametrize("stage", ["ended", "revoked", "unkillable"])
def test_an_end_is_told_at_once(news: News, stage: str) -> None:
    news.add(seen(stage), now=5.0)
    assert news.told_at(followers=False) == 5.0


def test_a_start_waits_a_little_and_goes_with_the_next_end(news: News) -> None:
    news.add(seen("started"), now=5.0)
    news.add(seen("started", SECOND), now=5.009)
    assert news.told_at(followers=False) == 5.0 + STARTS_S, "counted from the first"
    news.add(seen("ended"), now=5.009)
    told_at = news.told_at(followers=False)
    assert told_at is not None and told_at <= 5.009
    assert news.take() == (seen("ended"), seen("started", SECOND)), "of each the last"
    assert news.told_at(followers=False) is None


def test_while_short_jobs_follow_each_other_all_of_it_is_gathered(news: News) -> None:
    news.add(seen("ended"), now=5.0)
    assert news.told_at(followers=True) == 5.0 + GATHER_S


def test_what_may_not_have_arrived_is_told_at_once_and_does_not_hide_what_is_newer(news: News) -> None:
    news.add(seen("ended"), now=5.0)
    news.again([seen("started"), seen("started", SECOND)])
    assert news.told_at(followers=True) == 0.0
    assert news.take() == (seen("ended"), seen("started", SECOND))


def test_what_is_forgotten_is_told_no_more(news: News) -> None:
    news.add(seen("ended"), now=5.0)
    news.drop(FIRST)
    assert news.take() == ()


def test_a_beat_waits_on_the_server_unless_news_are_near(news: News) -> None:
    news.touched(5.0)
    running, starting = {FIRST: seen("started")}, {FIRST: seen("started"), SECOND: seen("claimed", SECOND)}
    assert news.waits_at(False, running) <= 5.0
    assert news.waits_at(False, starting) == 5.0 + STARTS_S
    assert news.waits_at(True, running) == 5.0 + QUIET_S

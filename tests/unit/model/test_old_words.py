"""The words of older systems: each means words of ours, and Que's locations hold every job once."""

from __future__ import annotations

import pytest

from runyard.model.filter import parse_selector
from runyard.model.job import WORDS
from runyard.model.old_words import LOCATIONS, OLD_STATES, VIEWS, location


def test_each_job_is_in_one_location() -> None:
    held = [word for words in VIEWS.values() for word in words]
    assert sorted(held) == sorted(WORDS)


@pytest.mark.parametrize("word", OLD_STATES)
def test_each_old_word_means_words_of_ours(word: str) -> None:
    assert set(OLD_STATES[word]) <= set(WORDS)
    assert word == word.lower() and word not in WORDS, "what is ours already means what it means here"
    for typed in (word, word.upper()):
        assert parse_selector(f"state:{typed}").words == OLD_STATES[word]


def test_they_can_be_mixed_with_ours() -> None:
    assert parse_selector("state:crash,failed,Q").words == ("lost", "failed", "held", "waiting", "queued")


def test_locations_in_any_case() -> None:
    assert {location(name.upper()) for name in LOCATIONS} == set(VIEWS)
    assert location("train") == ""

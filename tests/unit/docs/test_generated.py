"""Pages made from the code say what the code says."""

from __future__ import annotations

import pytest

from docs import generate
from runyard.model.events import KINDS, Submitted
from runyard.model.job import WORDS, JobState
from runyard.model.outcome import Outcome


def test_no_page_is_stale() -> None:
    stale = [path.name for path in generate.stale()]
    assert not stale, f"run `python docs/generate.py`: {', '.join(stale)}"


def test_every_state_outcome_and_word_has_words() -> None:
    assert set(generate.STATES) == set(JobState)
    assert set(generate.OUTCOMES) == set(Outcome)
    assert set(generate.WAITING) == set(WORDS) - {outcome.value for outcome in Outcome}


def test_the_table_of_moves_is_shown_whole() -> None:
    for state in JobState:
        for cls in set(KINDS.values()) - {Submitted}:
            generate.after(state, cls)  # fails where the examples show less, or more, than lifecycle.TABLE


def test_a_part_without_its_place_is_told() -> None:
    with pytest.raises(SystemExit, match="lacks the place for settings"):
        generate.with_part("# A page\n", "settings", "| a |")


def test_a_part_is_replaced_and_its_surroundings_are_kept() -> None:
    page = "before\n<!-- generated: x -->\n\nold\n\n<!-- end of x -->\nbehind\n"
    assert generate.with_part(page, "x", "new") == page.replace("old", "new")

"""What an agent tells of metrics, and what a store keeps of it: however it was told, and however often."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runyard.agent.board import Board
from runyard.agent.lines import Fact
from runyard.model.attempt import AttemptKey
from runyard.model.metrics import NAMES_MAX, POINTS_MAX, Measured, Metric, Reading
from runyard.store.measuring import heard

KEY = AttemptKey(7, 1, "token")


def value(number: float) -> Fact:
    return Fact((("acc", number),))


@given(st.lists(st.integers(1, 900), max_size=6))
def test_a_history_stays_small_and_does_not_depend_on_how_it_was_told(batches: list[int]) -> None:
    """Told in pieces (each twice, and once all of it again) a store has what it has when told at once."""
    whole, parts = Board(), Board()
    kept: Measured | None = None
    number = 0
    for size in batches:
        facts = [value(float(place)) for place in range(number, number + size)]
        number += size
        whole.hear(facts, (), now=1.0)
        parts.hear(facts, (), now=1.0)
        reading = parts.reading(KEY)
        kept = heard(heard(kept, reading, 1.0), reading, 2.0)
    at_once = heard(None, whole.reading(KEY), 1.0)
    if kept is not None:
        assert [metric.points for metric in kept.metrics] == [metric.points for metric in at_once.metrics]
        assert len(kept.metrics[0].points) <= POINTS_MAX
        assert kept.metrics[0].count == number
        parts.again()
        assert heard(kept, parts.reading(KEY), 9.0).metrics == kept.metrics


def test_what_is_told_late_changes_nothing() -> None:
    board = Board()
    board.hear([value(1.0)], (), now=1.0)
    early = board.reading(KEY)
    board.hear([value(2.0)], (), now=2.0)
    kept = heard(heard(None, early, 1.0), board.reading(KEY), 2.0)
    assert heard(kept, early, 3.0) == kept
    assert kept.heard_at == 2.0


def test_a_server_takes_no_more_names_than_an_agent() -> None:
    kept: Measured | None = None
    for number in range(3 * NAMES_MAX):
        kept = heard(kept, Reading(KEY, metrics=(Metric(f"n{number}", 1, 1.0, 1.0, 1.0, 1.0, 1.0),)), 1.0)
    assert kept is not None and len(kept.metrics) == NAMES_MAX

"""Some of many, in a sentence."""

from runyard.model.listing import shown


def test_what_is_too_much_is_counted() -> None:
    assert shown([]) == ""
    assert shown(["a", "b"], 2) == "a, b"
    assert shown(["a", "b", "c"], 2) == "a, b and 1 more"

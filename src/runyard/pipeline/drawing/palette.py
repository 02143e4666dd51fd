"""The colours of states: a word belongs to a family, and each family has its colours by day and by night."""

from __future__ import annotations

from dataclasses import dataclass

from runyard.pipeline.drawing.picture import ANY, NOT_OK, OK

PLAIN = "plain"

FAMILIES = {
    "waiting": ("waiting", "queued", "pending"),
    "held": ("held", "paused"),
    "running": ("starting", "running", "stopping"),
    "good": ("succeeded", "passed"),
    "bad": ("failed", "killed", "timeout", "oom", "lost", "not-started"),
    "gone": ("cancelled", "skipped"),
}
"""Which words are shown alike."""

_FAMILY_OF = {word: family for family, words in FAMILIES.items() for word in words}


@dataclass(frozen=True)
class Colours:
    """What a box is filled with, and what its border and its word are drawn in."""

    fill: str
    ink: str


DAY = {
    "waiting": Colours("#fff6dd", "#9a6700"),
    "held": Colours("#f3ebff", "#7a46d1"),
    "running": Colours("#e1efff", "#0f5fd0"),
    "good": Colours("#e3f6e8", "#1a7f37"),
    "bad": Colours("#ffe6e4", "#c0202b"),
    "gone": Colours("#eff1f3", "#656d76"),
    PLAIN: Colours("#ffffff", "#59636e"),
}
NIGHT = {
    "waiting": Colours("#33290f", "#e3b341"),
    "held": Colours("#2a1f42", "#c297ff"),
    "running": Colours("#10264a", "#79b8ff"),
    "good": Colours("#10301b", "#56d364"),
    "bad": Colours("#401b1d", "#ff8f87"),
    "gone": Colours("#22272e", "#9198a1"),
    PLAIN: Colours("#1c2128", "#9198a1"),
}

EDGES = {OK: "#8c959f", ANY: "#2f7de1", NOT_OK: "#d1434b"}
"""What edges are drawn in, by day and by night."""


def family(word: str) -> str:
    """The family of a state's word; one that is not known has none."""
    return _FAMILY_OF.get(word, PLAIN)

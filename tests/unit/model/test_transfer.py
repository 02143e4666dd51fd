"""What is refused before anything of an import is taken in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runyard.errors import InvalidSpec
from runyard.model import codec
from runyard.model.events import Held, Recorded, Submitted
from runyard.model.group import Group
from runyard.model.spec import JobSpec
from runyard.model.transfer import Cargo, Story

STORY = Story(1, (Recorded(1, 1, Submitted(5.0, JobSpec(("true",), workdir="/"))), Recorded(1, 2, Held(6.0, "ann"))))
CARGO = Cargo("x", "there", 9.0, (STORY,), (Group(1, "array", "g", "ann", 1, made_at=5.0),))


@pytest.mark.parametrize("at", [1e300, -1.0, 1e11])
@pytest.mark.parametrize("where", ["cargo", "event", "group"])
def test_times_that_are_none(at: float, where: str) -> None:
    first, second = STORY.events
    held = Story(1, (first, replace(second, event=Held(at, "ann"))))
    group = replace(CARGO.groups[0], made_at=at)
    bad = {"cargo": {"at": at}, "event": {"stories": (held,)}, "group": {"groups": (group,)}}[where]
    with pytest.raises(InvalidSpec, match="which is no time since 1970"):
        replace(CARGO, **bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("at", ["NaN", "Infinity"])
def test_numbers_that_are_none(at: str) -> None:
    with pytest.raises(InvalidSpec, match="where a number was expected"):
        codec.loads(Cargo, codec.dumps(CARGO).replace('"at":6.0', f'"at":{at}'))

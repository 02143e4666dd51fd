"""Stop rules of a sweep: `acc >= 0.99` ends it when a cell is that good, `loss > 2 after 100` ends a cell that is still
that bad at step 100."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Optional

from runyard.errors import InvalidSpec
from runyard.model.record import dataclass

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
RULES_MAX = 16

_RULE = re.compile(r"\s*([^\s<>=]{1,128})\s*(>=|<=|>|<)\s*([-+0-9.eE]+)\s*(?:after\s+(\d{1,12})\s*)?")


@dataclass(frozen=True)
class Rule:
    """Where a cell reports such a value, the rest of the sweep is ended; with `after` (a step) that cell alone, once it
    has come so far."""

    metric: str
    comparison: str
    value: float
    after: Optional[int] = None

    def __post_init__(self) -> None:
        if self.comparison not in COMPARISONS:
            raise InvalidSpec(f"{self.comparison!r} is none of {' '.join(COMPARISONS)}", "stop-when")

    @property
    def text(self) -> str:
        """As it was written."""
        step = f" after {self.after}" if self.after is not None else ""
        return f"{self.metric} {self.comparison} {self.value:g}{step}"

    def holds(self, value: float, step: Optional[int]) -> bool:
        """Whether a cell that reports this value of the metric at this step is meant."""
        if self.after is not None and (step is None or step < self.after):
            return False
        return COMPARISONS[self.comparison](value, self.value)


def parse_rule(text: str) -> Rule:
    """The rule in this text."""
    match = _RULE.fullmatch(text)
    try:
        value = float(match[3]) if match else None
    except ValueError:
        value = None
    if match is None or value is None:
        raise InvalidSpec(f"{text!r} is no rule: say 'acc >= 0.99', or 'loss > 2 after 100'", "stop-when")
    return Rule(match[1], match[2], value, int(match[4]) if match[4] else None)

"""What a running job reports of itself: metrics, progress and stage, as an agent reads them and a store keeps them.

All of it is a summary that can be told again: `count` says how many values it holds, so an older one, or the same one
twice, changes nothing. Histories are thinned: of values 1, 2, 3 ... those are kept whose number fits a stride, a power
of two that grows with the history, so what is left does not depend on how it was told. `at` is wall time of the host.
"""

from __future__ import annotations

import re
from typing import Optional

from runyard.errors import InvalidSpec
from runyard.model.attempt import AttemptKey
from runyard.model.record import changed, dataclass

NAMES_MAX = 64
"""Metrics of one attempt. Further names are not taken."""

POINTS_MAX = 200
"""Points of one metric's history."""

STAGE_MAX = 40
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_./@%-]{0,63}", re.ASCII)

STALLED_LEAST_S = 60.0
STALLED_PAUSES = 3.0
STALLED_STEPS = 10.0
"""A job has stalled when its silence is longer than each of these: the first one, so many of its longest pauses, so
many of its usual ones."""

STALLED_REPORTS = 5
"""A job that has reported less often than this has no usual pause yet."""

Point = tuple[int, float, float, float]
"""The number of the value (from 1), its step, its time, and itself."""


@dataclass(frozen=True)
class Metric:
    """One metric of an attempt: how many values, the last, the least and the greatest of them, and some of them.

    In a reading `points` are those since the reading before; in a store all that are kept.
    """

    name: str
    count: int
    last: float
    least: float
    most: float
    step: float
    at: float
    points: tuple[Point, ...] = ()

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise InvalidSpec(f"{self.name[:80]!r} is no name of a metric", "metric")
        if len(self.points) > POINTS_MAX:
            raise InvalidSpec(f"more than {POINTS_MAX} points", "metric")


@dataclass(frozen=True)
class Progress:
    """How far an attempt says that it is: `done` of `total` (0: it has not said) in `stage`.

    `from_done` and `from_at` are where its present pace began. `reports` counts the times that anything was heard, from
    `first_at` to `at`, with at most `longest_s` between them.
    """

    stage: str = ""
    done: float = 0.0
    total: float = 0.0
    from_done: float = 0.0
    from_at: float = 0.0
    reports: int = 0
    first_at: float = 0.0
    at: float = 0.0
    longest_s: float = 0.0

    def __post_init__(self) -> None:
        if len(self.stage) > STAGE_MAX or not self.stage.isprintable():
            raise InvalidSpec("a stage is a short text", "stage")

    @property
    def percent(self) -> Optional[float]:
        """From 0 to 100."""
        return max(0.0, min(100.0, 100.0 * self.done / self.total)) if self.total > 0 else None

    def left_s(self, now: float) -> Optional[float]:
        """How long it will still take at its present pace; None if there is no pace yet."""
        gone, spent = self.done - self.from_done, self.at - self.from_at
        if self.total <= 0 or gone <= 0 or spent <= 0:
            return None
        return max(0.0, (self.total - self.done) * spent / gone - max(0.0, now - self.at))

    def stalled(self, silent_s: float) -> bool:
        """Whether this silence is far longer than its own pauses have been."""
        if self.reports < STALLED_REPORTS or (self.total > 0 and self.done >= self.total):
            return False
        usual_s = (self.at - self.first_at) / (self.reports - 1)
        return silent_s > max(STALLED_LEAST_S, STALLED_PAUSES * self.longest_s, STALLED_STEPS * usual_s)


@dataclass(frozen=True)
class Reading:
    """What an agent has read of one attempt since it told of it last."""

    key: AttemptKey
    progress: Progress = Progress()
    metrics: tuple[Metric, ...] = ()

    def __post_init__(self) -> None:
        if len(self.metrics) > NAMES_MAX:
            raise InvalidSpec(f"more than {NAMES_MAX} metrics", "metrics")


@dataclass(frozen=True)
class Measured:
    """All that is kept of what an attempt has reported. `heard_at` is when the server heard of it last."""

    number: int
    progress: Progress
    heard_at: float
    metrics: tuple[Metric, ...] = ()


def stride_for(count: int) -> int:
    """The stride of a history of so many values."""
    stride = 1
    while count > stride * POINTS_MAX:
        stride *= 2
    return stride


def fits(number: int, stride: int) -> bool:
    """Whether the value of this number (from 1) is kept."""
    return (number - 1) % stride == 0


def merged(kept: Optional[Metric], told: Metric) -> Metric:
    """What is kept of a metric after this was told of it."""
    before = kept.points if kept is not None else ()
    if kept is not None and told.count <= kept.count:
        return kept
    first = told.points[0][0] if told.points else told.count + 1
    stride = stride_for(told.count)
    points = [point for point in before if point[0] < first] + list(told.points)
    return changed(told, points=tuple(point for point in points if fits(point[0], stride))[-POINTS_MAX:])

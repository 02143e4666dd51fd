"""What one attempt has reported so far, put together from its facts. Pure: `now` is an argument.

All of it is kept, so that an agent can tell it again, or keep it on disk (`Kept`) and go on where the one before it had
stopped. An explicit `::progress` counts more than a bar. Of several bars the one that has been at it for longest is the
job's, until it is full.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from runyard.agent.lines import Bar, Fact
from runyard.model.attempt import AttemptKey
from runyard.model.metrics import NAMES_MAX, Metric, Point, Progress, Reading, fits, stride_for
from runyard.model.record import changed, dataclass

FUTURE_S = 60.0
"""A time that a job gives may be so much later than ours."""


@dataclass(frozen=True)
class Kept:
    """A board on disk, with how far output and metrics file were read."""

    output_at: int = 0
    file_at: int = 0
    progress: Progress = Progress()
    metrics: tuple[Metric, ...] = ()
    bar: Optional[Bar] = None
    explicit: bool = False


class Board:
    """The summary of one attempt."""

    def __init__(self, kept: Kept = Kept()) -> None:  # noqa: B008  # it is frozen
        self.progress = kept.progress
        self._bar = kept.bar
        self._explicit = kept.explicit
        self._metrics = {metric.name: metric for metric in kept.metrics}
        self._points = {metric.name: list(metric.points) for metric in kept.metrics}
        self._told: dict[str, int] = {}

    @property
    def empty(self) -> bool:
        """Nothing was ever reported."""
        return not self.progress.reports

    def hear(self, facts: Iterable[Fact], bars: Iterable[Bar], now: float) -> bool:
        """Take what was read; whether there was any news."""
        news = False
        for fact in facts:
            self._take(fact, now)
            news = True
        for bar in bars:
            news = self._draw(bar, now) or news
        if news:
            self._heard(now)
        return news

    def reading(self, key: AttemptKey) -> Reading:
        """What was not told yet."""
        fresh = []
        for name, metric in self._metrics.items():
            told = self._told.get(name, 0)
            if metric.count > told:
                fresh.append(changed(metric, points=tuple(p for p in self._points[name] if p[0] > told)))
                self._told[name] = metric.count
        return Reading(key, self.progress, tuple(fresh))

    def again(self) -> None:
        """Nobody may have heard what was told."""
        self._told.clear()

    def kept(self, output_at: int, file_at: int) -> Kept:
        """As it goes to disk."""
        metrics = tuple(changed(metric, points=tuple(self._points[name])) for name, metric in self._metrics.items())
        return Kept(output_at, file_at, self.progress, metrics, self._bar, self._explicit)

    def _take(self, fact: Fact, now: float) -> None:
        at = fact.at if fact.at is not None and 0 < fact.at < now + FUTURE_S else now
        for name, value in fact.values:
            self._add(name, value, fact.step, at)
        if fact.stage is not None:
            self.progress = changed(self.progress, stage=fact.stage, done=0.0, total=0.0)
            self._bar, self._explicit = None, False
        if fact.progress is not None:
            self._explicit = True
            self._advance(self.progress.stage, *fact.progress, now)

    def _add(self, name: str, value: float, step: Optional[float], at: float) -> None:
        before = self._metrics.get(name)
        if before is None and len(self._metrics) >= NAMES_MAX:
            return
        count = before.count + 1 if before is not None else 1
        least = value if before is None else min(before.least, value)
        most = value if before is None else max(before.most, value)
        here = float(count) if step is None else step
        self._metrics[name] = Metric(name, count, value, least, most, here, at)
        self._keep(name, (count, here, at, value))

    def _keep(self, name: str, point: Point) -> None:
        """The point, if it belongs to the history; a longer one has wider strides."""
        points = self._points.setdefault(name, [])
        stride = stride_for(point[0])
        if stride != stride_for(point[0] - 1):
            points[:] = [one for one in points if fits(one[0], stride)]
        if fits(point[0], stride):
            points.append(point)

    def _draw(self, bar: Bar, now: float) -> bool:
        """A bar was drawn; whether that says something new of the job."""
        before = self._bar
        if self._explicit or bar == before:
            return False
        if before is not None and before.about != bar.about:
            full = before.done >= before.total
            if not full and bar.spent_s < before.spent_s:
                return False
        new = before is None or before.about != bar.about
        self._bar = bar
        stage = bar.about if new and bar.about else self.progress.stage
        self._advance(stage, bar.done, bar.total, now)
        return True

    def _advance(self, stage: str, done: float, total: float, now: float) -> None:
        """So much is done now. Another stage, another whole or a step back begin a new pace."""
        before = self.progress
        anew = before.total != total or before.stage != stage or done < before.done
        start = (done, now) if anew else (before.from_done, before.from_at)
        self.progress = changed(before, stage=stage, done=done, total=total, from_done=start[0], from_at=start[1])

    def _heard(self, now: float) -> None:
        before = self.progress
        pause_s = max(0.0, now - before.at) if before.reports > 1 else 0.0  # the first one is that of the start
        self.progress = changed(
            before,
            reports=before.reports + 1,
            first_at=before.first_at if before.reports else now,
            at=now,
            longest_s=max(before.longest_s, pause_s),
        )

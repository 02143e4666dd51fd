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
from runyard.model.metrics import NAMES_MAX, POINTS_MAX, Metric, Progress, Reading, fits, stride_for
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


class _Series:
    """The values of one metric; `told` is the number of the last one that was told."""

    def __init__(self, metric: Metric) -> None:
        self.count, self.told = metric.count, 0
        self._last, self._least, self._most = metric.last, metric.least, metric.most
        self._step, self._at = metric.step, metric.at
        self._points = list(metric.points)
        self._stride = stride_for(metric.count)

    def add(self, value: float, step: Optional[float], at: float) -> None:
        """One value more. A longer history has wider strides."""
        self.count += 1
        self._last, self._at = value, at
        self._step = float(self.count) if step is None else step
        if value < self._least:
            self._least = value
        elif value > self._most:
            self._most = value
        if self.count > self._stride * POINTS_MAX:
            self._stride *= 2
            self._points = [one for one in self._points if fits(one[0], self._stride)]
        if fits(self.count, self._stride):
            self._points.append((self.count, self._step, at, value))

    def metric(self, name: str, after: int = 0) -> Metric:
        """As it is told and kept, with the points after this number."""
        points = tuple(point for point in self._points if point[0] > after)
        return Metric(name, self.count, self._last, self._least, self._most, self._step, self._at, points)


class Board:
    """The summary of one attempt."""

    def __init__(self, kept: Kept = Kept()) -> None:  # noqa: B008  # it is frozen
        self.progress = kept.progress
        self._bar = kept.bar
        self._explicit = kept.explicit
        self._series = {metric.name: _Series(metric) for metric in kept.metrics}

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
        for name, series in self._series.items():
            if series.count > series.told:
                fresh.append(series.metric(name, series.told))
                series.told = series.count
        return Reading(key, self.progress, tuple(fresh))

    def again(self) -> None:
        """Nobody may have heard what was told."""
        for series in self._series.values():
            series.told = 0

    def kept(self, output_at: int, file_at: int) -> Kept:
        """As it goes to disk."""
        metrics = tuple(series.metric(name) for name, series in self._series.items())
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
        series = self._series.get(name)
        if series is None:
            if len(self._series) >= NAMES_MAX:
                return
            series = self._series[name] = _Series(Metric(name, 0, 0.0, value, value, 0.0, at))
        series.add(value, step, at)

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

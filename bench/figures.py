"""What a measurement gives: one Line of the table, with what stands beside it and every sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import mean, median

NOT_INSTALLED = "not installed"


@dataclass(frozen=True)
class Beside:
    """The raw limit, or a peer. `ratio` is ours to it (None: there is none to give)."""

    name: str
    shown: str
    ratio: float | None = None


@dataclass(frozen=True)
class Line:
    """One thing measured. `met` is None where there is no target; `samples` go to the JSON file."""

    what: str
    ours: str
    beside: tuple[Beside, ...] = ()
    target: str = ""
    met: bool | None = None
    samples: dict[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """A rate in jobs per second, and the yardstick's just before and just after it."""

    rate: float
    before: float
    after: float

    @property
    def ratio(self) -> float:
        return self.rate / mean((self.before, self.after))


def middle_rate(samples: Sequence[Sample]) -> float:
    """The median rate."""
    return median(sample.rate for sample in samples)


def middle_ratio(samples: Sequence[Sample]) -> float:
    """The median of the ratios to the yardstick."""
    return median(sample.ratio for sample in samples)


def raw_beside(samples: Sequence[Sample]) -> Beside:
    """The yardstick of these samples."""
    raw = median(mean((sample.before, sample.after)) for sample in samples)
    return Beside("raw", f"{raw:,.0f}/s", middle_ratio(samples))


def ms(seconds: float) -> str:
    """Seconds as a reader of the table wants them."""
    return (
        f"{seconds * 1000:.1f} ms"
        if seconds < 0.1
        else f"{seconds * 1000:.0f} ms"
        if seconds < 1
        else f"{seconds:.2f} s"
    )


def spread(seconds: Sequence[float]) -> str:
    """Median and range."""
    return f"{ms(median(seconds))} ({ms(min(seconds))} - {ms(max(seconds))})"

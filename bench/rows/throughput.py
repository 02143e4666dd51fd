"""No-op jobs, two at a time: from the release of a filled queue, and with their submission; peers beside us."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

from bench import raw
from bench.directory import directory
from bench.figures import NOT_INSTALLED, Beside, Line, Sample, middle_rate, middle_ratio, raw_beside
from bench.peers import PEERS
from bench.peers.base import Peer, Rates
from bench.scale import Scale
from bench.yard import Yard, yard

TARGET, STRETCH = 0.35, 0.5
REPEATED_MOST = 1_000
"""Peers are measured once where there are more jobs than this."""


def measure(scale: Scale) -> Iterator[Line]:
    """Two Lines for each number of jobs."""
    for jobs in scale.no_ops:
        with yard(parallel=2) as own:
            excluding = [_sample(scale, partial(_released, own, jobs)) for _ in range(scale.repeats)]
            including = [_sample(scale, partial(_submitted, own, jobs)) for _ in range(scale.repeats)]
        peers = [_peer(peer, jobs, scale, middle_rate(excluding), middle_rate(including)) for peer in PEERS]
        yield _line(f"{jobs:,} no-op jobs, 2 at a time, from release", excluding, [without for without, _ in peers])
        yield _line(f"{jobs:,} no-op jobs, submission included", including, [with_it for _, with_it in peers])


def _sample(scale: Scale, rate: Callable[[], float]) -> Sample:
    return next(raw.beside([rate], scale.raw_jobs))


def _released(own: Yard, jobs: int) -> float:
    """The queue is filled while it is paused; the clock starts at its release."""
    own.queue(paused=True)
    ids = own.submit([own.spec(raw.NO_OP)] * jobs)
    begin = time.perf_counter()
    own.queue(paused=False)
    own.drain(ids[-1])
    taken = time.perf_counter() - begin
    own.check(ids)
    return jobs / taken


def _submitted(own: Yard, jobs: int) -> float:
    begin = time.perf_counter()
    ids = own.submit([own.spec(raw.NO_OP)] * jobs)
    own.drain(ids[-1])
    taken = time.perf_counter() - begin
    own.check(ids)
    return jobs / taken


def _line(what: str, samples: list[Sample], peers: list[Beside | None]) -> Line:
    ratio = middle_ratio(samples)
    return Line(
        what,
        f"{middle_rate(samples):,.0f}/s = {ratio:.2f} of raw",
        (raw_beside(samples), *(beside for beside in peers if beside is not None)),
        f">= {TARGET} of raw (stretch {STRETCH})",
        ratio >= TARGET,
        {"ratio": [sample.ratio for sample in samples], "jobs_per_s": [sample.rate for sample in samples]},
    )


def _peer(
    peer: Peer, jobs: int, scale: Scale, excluding: float, including: float
) -> tuple[Beside | None, Beside | None]:
    """A peer from release and with submission, and ours to it."""
    if peer.no_ops is None or jobs > peer.no_ops_most:
        return None, None
    if not peer.installed():
        return Beside(peer.name, NOT_INSTALLED), Beside(peer.name, NOT_INSTALLED)
    rates: list[Rates] = []
    samples = []
    for _ in range(scale.repeats if jobs <= REPEATED_MOST else 1):
        samples.append(_sample(scale, lambda: _one(peer, jobs, rates)))
    to_raw = [sample.ratio for sample in samples]
    with_it = _beside(peer.name, including, [rate.including for rate in rates], to_raw)
    released = [rate.excluding for rate in rates if rate.excluding is not None]
    if not released:
        return None, with_it
    to_raw = [s.ratio * r / s.rate for s, r in zip(samples, released, strict=True)]
    return _beside(peer.name, excluding, released, to_raw), with_it


def _one(peer: Peer, jobs: int, rates: list[Rates]) -> float:
    assert peer.no_ops is not None
    with directory() as path:
        rates.append(peer.no_ops(jobs, path))
    return rates[-1].including


def _beside(name: str, ours: float, theirs: list[float], to_raw: list[float]) -> Beside:
    rate = median(theirs)
    return Beside(name, f"{rate:,.0f}/s = {median(to_raw):.2f} of raw", ours / rate)

"""How much is measured: the whole, or (`--quick`) enough to see that everything works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Numbers of jobs and of repetitions."""

    repeats: int = 3
    raw_jobs: int = 1_000
    no_ops: tuple[int, ...] = (1_000, 10_000)
    latencies: int = 20
    gaps: int = 20
    bulk: int = 100_000
    waiting: int = 100_000
    shapes: int = 50
    done: int = 1_000_000
    running: int = 200
    rendered: int = 10_000
    rendered_beside: int = 1_000
    idle_s: float = 20.0


QUICK = Scale(
    repeats=1,
    raw_jobs=300,
    no_ops=(300,),
    latencies=5,
    gaps=5,
    bulk=5_000,
    waiting=5_000,
    done=20_000,
    running=20,
    rendered=1_000,
    rendered_beside=200,
    idle_s=3.0,
)

"""Many days of a yard under every trouble that we know, each decided by a seed. (See `chaos`, `world`, `history`.)

RUNYARD_SEEDS says how many days (1,000), RUNYARD_SEED plays that one alone and prints its steps.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.simulation.chaos import Day

SEEDS = int(os.environ.get("RUNYARD_SEEDS", "1000"))
STEPS = 100
AT_A_TIME = 25
MEMORY = "/dev/shm"


def played(seeds: Sequence[int]) -> list[str]:
    """What went wrong on these days."""
    logging.disable(logging.CRITICAL)
    return [f"seed {seed}: {said}" for seed in seeds if (said := trouble(seed))]


def trouble(seed: int) -> str:
    """What went wrong on this day ("": nothing)."""
    with tempfile.TemporaryDirectory(dir=MEMORY if os.path.isdir(MEMORY) else None) as directory:
        try:
            Day(seed, Path(directory)).play(STEPS)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to this seed
            return f"{type(error).__name__}: {error}"
    return ""


@pytest.mark.timeout(60 + SEEDS)
def test_days(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if "RUNYARD_SEED" in os.environ:
        replay(int(os.environ["RUNYARD_SEED"]), tmp_path, capsys)
        return
    parts = [range(first, min(SEEDS, first + AT_A_TIME)) for first in range(0, SEEDS, AT_A_TIME)]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        wrong = [said for part in pool.map(played, parts) for said in part]
    if wrong:
        told = "\n".join(wrong[:10])
        pytest.fail(
            f"{len(wrong)} of {SEEDS} days\n{told}\nreplay one: RUNYARD_SEED=n pytest tests/simulation", pytrace=False
        )


def replay(seed: int, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One day, with its steps told."""
    day = Day(seed, directory)
    try:
        day.play(STEPS)
    finally:
        with capsys.disabled():
            sys.stdout.write("\n".join(day.log) + "\n")


def test_the_same_seed_gives_the_same_day(tmp_path: Path) -> None:
    logs = []
    for name in ("once", "again"):
        (tmp_path / name).mkdir()
        day = Day(4, tmp_path / name)
        day.play(STEPS)
        logs.append((day.log, day.world.history.happened, day.world.words()))
    assert logs[0] == logs[1]

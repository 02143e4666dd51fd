"""Whatever the graph and whichever jobs fail: the same jobs pass, fail and are skipped in every backend.

One run has many graphs beside each other, since starting some backends takes time. A seed that fails is in the message.
"""

from __future__ import annotations

import random

import pytest

from runyard.pipeline.graph import Graph
from runyard.pipeline.pipeline import Pipeline
from runyard.pipeline.state import FAILED, PASSED, SKIPPED
from tests.contract.pipeline.conftest import Ground

JOBS_MAX = 200
SIZE_MAX = 12
CODES = (0, 0, 0, 0, 1, 2, 126, 255)


def add_graph(pipeline: Pipeline, number: int, chance: random.Random) -> set[str]:
    """Add a graph to the pipeline; who in it would fail."""
    names = [f"graph {number} job {job}" for job in range(chance.randint(1, SIZE_MAX))]
    density = chance.choice((0.1, 0.3, 0.8))
    failing = set()
    for place, name in enumerate(names):
        code = chance.choice(CODES)
        needs = [other for other in names[:place] if chance.random() < density]
        pipeline.submit(f"exit {code}", name=name, depends=chance.sample(needs, len(needs)), log=False)
        if code:
            failing.add(name)
    return failing


@pytest.mark.parametrize("seed", [1])
def test_the_same_everywhere(ground: Ground, seed: int) -> None:
    chance = random.Random(seed)
    pipeline = ground.create(f"seed {seed}")
    failing: set[str] = set()
    number = 0
    while len(pipeline) < min(JOBS_MAX, ground.many):
        failing |= add_graph(pipeline, number, chance)
        number += 1
    skipped = Graph(pipeline.whole.needs).skipped(failing)
    pipeline.run()
    state = pipeline.state()
    found = {job.name: job.status for job in state.jobs}
    expected = {
        job.name: SKIPPED if job.name in skipped else FAILED if job.name in failing else PASSED for job in pipeline.jobs
    }
    assert found == expected, f"seed {seed}"
    assert all(job.code is not None for job in state.of(PASSED, FAILED))
    assert all(job.reason == f"{skipped[job.name]} did not pass" for job in state.of(SKIPPED))

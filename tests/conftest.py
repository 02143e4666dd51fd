"""The real parts that tests of several kinds need, each started when first used, one for each process of the run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.slurm import INSTALLED, Slurm


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """The Slurm that all tests of this process share."""
    if not INSTALLED:
        pytest.skip("takes a Slurm (packages slurm-wlm and munge)")
    made = Slurm(tmp_path_factory.mktemp("slurm") / "cluster")
    yield made
    made.end()


@pytest.fixture
def slurm(cluster: Slurm) -> Iterator[Slurm]:
    """A Slurm with an empty queue. What the test leaves in it is cancelled."""
    yield cluster
    cluster.clear()

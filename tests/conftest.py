"""The real parts that tests of several kinds need, each started when first used, one for each process of the run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness import airflow as airflow_harness
from tests.harness import slurm as slurm_harness
from tests.harness.airflow import Airflow
from tests.harness.slurm import Slurm


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """The Slurm that all tests of this process share."""
    if not slurm_harness.INSTALLED:
        pytest.skip("takes a Slurm (packages slurm-wlm and munge)")
    made = Slurm(tmp_path_factory.mktemp("slurm") / "cluster")
    yield made
    made.end()


@pytest.fixture
def slurm(cluster: Slurm) -> Iterator[Slurm]:
    """A Slurm with an empty queue. What the test leaves in it is cancelled."""
    yield cluster
    cluster.clear()


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """The Airflow that all tests of this process share; none of them shares a database."""
    if not airflow_harness.INSTALLED:
        pytest.skip("takes an Airflow: tests/prerequisites.sh makes .venv-airflow")
    made = Airflow(tmp_path_factory.mktemp("airflow") / "own")
    yield made
    made.end()

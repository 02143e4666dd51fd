"""The backends that keep the contract, each with what it runs on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runyard.errors import Conflict
from runyard.pipeline.pipeline import Pipeline
from tests.harness.airflow import Airflow
from tests.harness.slurm import Slurm
from tests.harness.tmux import tmux_server
from tests.harness.yard import Yard

AT_ONCE = 2
"""How many jobs run beside each other where that is for us to say."""


@dataclass(frozen=True)
class Ground:
    """Where pipelines of one backend can be run. `at_once`: how many jobs it runs beside each other, at most.

    `many` is a number of jobs that it can do in some seconds. `options` are those of every pipeline.
    """

    backend: str
    directory: Path
    at_once: int = 1
    many: int = 1_000
    options: Mapping[str, Any] = field(default_factory=dict)
    made: list[Pipeline] = field(default_factory=list)

    def create(self, name: str = "contract", **options: object) -> Pipeline:
        """A pipeline with a directory of its own."""
        place = self.directory / f"run-{len(list(self.directory.iterdir()))}"
        place.mkdir(mode=0o700)
        given = {"size": self.at_once, "directory": str(place), **self.options, **options}
        self.made.append(Pipeline.create(name, self.backend, **given))
        return self.made[-1]

    def end(self) -> None:
        """End what still runs: a test that failed did not come to it."""
        for pipeline in self.made:
            with suppress(Conflict):  # its directory has gone
                pipeline.kill()


Making = Callable[[pytest.FixtureRequest, Path], AbstractContextManager[Ground]]


@contextmanager
def serial(request: pytest.FixtureRequest, directory: Path) -> Iterator[Ground]:
    yield Ground("serial", directory)


@contextmanager
def slurm(request: pytest.FixtureRequest, directory: Path) -> Iterator[Ground]:
    cluster: Slurm = request.getfixturevalue("slurm")
    request.getfixturevalue("monkeypatch").setenv("SLURM_CONF", cluster.environ({})["SLURM_CONF"])
    yield Ground("slurm", directory, at_once=8, many=100)


@contextmanager
def tmux(request: pytest.FixtureRequest, directory: Path) -> Iterator[Ground]:
    with tmux_server(request.getfixturevalue("monkeypatch")):
        yield Ground("tmux", directory, at_once=4)


@pytest.fixture(scope="session")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """A yard for all pipelines: its server, its agent, real runners. Not in the default place."""
    with Yard(tmp_path_factory.mktemp("yard"), min_free_mb=0) as made:
        made.start()
        assert made.cpus >= AT_ONCE
        yield made


@contextmanager
def queued(request: pytest.FixtureRequest, directory: Path) -> Iterator[Ground]:
    made: Yard = request.getfixturevalue("yard")
    yield Ground("yard", directory, at_once=AT_ONCE, options={"home": made.home.root})


@contextmanager
def airflow(request: pytest.FixtureRequest, directory: Path) -> Iterator[Ground]:
    installed: Airflow = request.getfixturevalue("airflow")
    request.getfixturevalue("monkeypatch").setenv("PATH", installed.environ(os.environ)["PATH"])
    yield Ground("airflow", directory, many=50)


GROUNDS: dict[str, Making] = {"serial": serial, "tmux": tmux, "yard": queued, "slurm": slurm, "airflow": airflow}
"""A new backend joins here."""


@pytest.fixture(params=GROUNDS)
def ground(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    """A backend; its home, and everybody's state, are the test's own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RUNYARD_HOME", str(tmp_path / "home"))
    directory = tmp_path / "runs"
    directory.mkdir()
    with GROUNDS[request.param](request, directory) as made:
        yield made
        made.end()

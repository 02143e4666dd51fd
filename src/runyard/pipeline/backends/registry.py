"""The ways to run a pipeline, by name."""

from __future__ import annotations

from runyard.errors import InvalidSpec
from runyard.model.nearest import meant
from runyard.pipeline.backends.airflow import Airflow
from runyard.pipeline.backends.base import Backend
from runyard.pipeline.backends.serial import Serial
from runyard.pipeline.backends.slurm import Slurm
from runyard.pipeline.backends.tmux import Tmux
from runyard.pipeline.backends.yard import Yard
from runyard.pipeline.runs import Run

BACKENDS: dict[str, type[Backend]] = {
    "serial": Serial,
    "tmux": Tmux,
    "yard": Yard,
    "slurm": Slurm,
    "airflow": Airflow,
}
"""In the order in which they ask for more."""


def backend(name: str) -> Backend:
    """The backend of this name; InvalidSpec if there is none."""
    if name not in BACKENDS:
        raise InvalidSpec(
            f"there is no backend {name!r}{meant(name, BACKENDS, 'use ' + ', '.join(BACKENDS))}", "backend"
        )
    return BACKENDS[name]()


def of_run(run: Run) -> Backend:
    """The backend that runs it."""
    return backend(run.manifest.backend)


def available() -> list[str]:
    """The names of those that can run something on this machine now."""
    return [name for name, make in BACKENDS.items() if not make().lacks()]

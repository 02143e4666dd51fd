"""What every way to run a pipeline can do. The contract suite goes over all of them.

A backend holds nothing of a run: everything that it needs to find it again is in the run's directory, so that any
process can ask. Rendering is pure and in `render/`; what is started, and how it stands, is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from runyard.errors import InvalidSpec
from runyard.model.record import dataclass
from runyard.pipeline.layout import Layout, Rendering
from runyard.pipeline.runs import Run
from runyard.pipeline.spec import PipelineSpec
from runyard.pipeline.state import PipelineState

KEEP, KILL, CAPTURE = FATES = ("keep", "kill", "capture")


@dataclass(frozen=True)
class Start:
    """How a run is started. `block`: in the foreground where the backend can, with its output on ours.

    `environ` is what its jobs get beside the variables of the pipeline. What is done at the end about what people can
    look at: `onfail` where a job failed, `onexit` elsewhere. `keep` it, `kill` it, or `capture`: write it into a file
    first. Where there is nothing to look at (serial) both say nothing; in Slurm `kill` ends the other jobs when the
    first one has failed.
    """

    block: bool = False
    environ: Mapping[str, str] | None = None
    onfail: str = KEEP
    onexit: str = KILL

    def __post_init__(self) -> None:
        for name, fate in (("onfail", self.onfail), ("onexit", self.onexit)):
            if fate not in FATES:
                raise InvalidSpec(f"{fate!r} is none of {', '.join(FATES)}", name)


class Backend(Protocol):
    """One way to run a pipeline."""

    name: str

    def lacks(self) -> str:
        """What is missing on this machine to run anything so, as a sentence ("": nothing is)."""

    def render(self, layout: Layout) -> Rendering:
        """The files to run it by. InvalidSpec where it asks for what this backend has not."""

    def readable(self, spec: PipelineSpec) -> str:
        """What would be run, for people."""

    def facts(self, spec: PipelineSpec, directory: str) -> dict[str, str]:
        """What has to be remembered to find a run again, before it is started."""

    def start(self, run: Run, how: Start) -> None:
        """Start it; its files are written. Conflict if it runs already."""

    def state(self, run: Run) -> PipelineState:
        """How it stands now."""

    def wait(self, run: Run, timeout_s: float) -> None:
        """Return when something may have changed, at the latest after this time."""

    def kill(self, run: Run) -> None:
        """End what runs of it and start nothing more. Returns when it is told."""

    def attach(self, run: Run, job: str = "") -> tuple[str, ...]:
        """The program that shows a running job ("": any of them) in this terminal; () if there is nothing to show."""

"""The Python face of pipelines: jobs are submitted to it, and it is looked at, written, run and watched.

pipeline = runyard.Pipeline.create("demo", backend="tmux", size=4)
first = pipeline.submit("echo hello")
pipeline.submit("echo world", depends=first)
pipeline.run()

The same with cmd_queue's words and ways is in `cmd_queue`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from runyard.config import load
from runyard.errors import Conflict, InvalidSpec, NotFound, TimedOut
from runyard.model.nearest import meant
from runyard.pipeline import runs, shelf
from runyard.pipeline.backends import registry
from runyard.pipeline.backends.base import KEEP, KILL, Backend, Start
from runyard.pipeline.drawing.picture import of_needs
from runyard.pipeline.graph import Graph
from runyard.pipeline.layout import Layout, Rendering
from runyard.pipeline.reading import options as reading
from runyard.pipeline.runs import Run
from runyard.pipeline.showing.monitor import REFRESH_S, watch
from runyard.pipeline.showing.printing import COLORS, show
from runyard.pipeline.spec import PipelineJob, PipelineSpec, free_name
from runyard.pipeline.state import INIT, RUNNING, JobState, PipelineState
from runyard.settings import Home

Needs = str | PipelineJob | Iterable[str | PipelineJob] | None
DEFAULT_NAME = "pipeline"
WAIT_S = 0.4
INLINE, NO_MONITOR = "inline", "none"
MONITORS = (INLINE, NO_MONITOR)
"""How a run is watched that is waited for."""


class Pipeline:
    """A pipeline that is being put together. `create` makes one; `name`, `backend` and `jobs` can be read."""

    def __init__(self, spec: PipelineSpec, backend: Backend, directory: str) -> None:
        self.spec = spec
        self.backend = backend
        self.directory = directory
        self._jobs: dict[str, PipelineJob] = {job.name: job for job in spec.jobs}
        self._sync: tuple[str, ...] = ()

    @classmethod
    def create(
        cls, name: str = DEFAULT_NAME, backend: str = "serial", directory: str | os.PathLike[str] = "", **options: Any
    ) -> Pipeline:
        """A new pipeline. `backend`: serial, tmux, slurm, airflow or yard; `directory`: where its files go.

        Options: `size` (jobs at a time), `gpus` (devices to share, tmux), `cwd`, `preamble`, `env` (variables of all
        jobs), `public` (names of those whose values may stand in scripts), and for slurm any option of sbatch.
        InvalidSpec names what is wrong.
        """
        spec = reading.spec_of(name, options)
        where = reading.text(directory, "directory") if directory else place(name)
        return cls(spec, registry.backend(backend), where)

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def jobs(self) -> tuple[PipelineJob, ...]:
        """The jobs, in the order of their submission."""
        return tuple(self._jobs.values())

    def __len__(self) -> int:
        return len(self._jobs)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}, {len(self)} jobs, {self.backend.name}>"

    def submit(self, command: str, name: str = "", depends: Needs = None, **options: Any) -> PipelineJob:
        """Add a command. `depends` are jobs, or names of jobs, that have to pass before it is run.

        Options: `cwd`, `log` (True: its output is kept), `tags`, `preamble`, `setup`, `teardown`, `env`, `cpus`, `mem`
        (MB or "8GB"), `gpus`, and for slurm any option of sbatch. InvalidSpec names what is wrong; nothing is added
        then.
        """
        if not isinstance(command, str):
            raise InvalidSpec(f"a text for the shell was expected, not {command!r}", "command")
        name = name or free_name(self.name, len(self), self._jobs)
        if name in self._jobs:
            raise InvalidSpec(f"there is a job {name!r} already", "name")
        needs = tuple(dict.fromkeys((*self._sync, *self._names(depends))))
        return self.add(PipelineJob(name, command, needs, **reading.job_options(options)))

    def add(self, job: PipelineJob) -> PipelineJob:
        """Add a job that is made already."""
        self._names(job.needs)
        self._jobs[job.name] = job
        return job

    def sync(self) -> Pipeline:
        """What is submitted from now on needs all that nobody needs so far."""
        self._sync = self.graph.sinks
        return self

    @property
    def graph(self) -> Graph:
        """Who needs whom."""
        return Graph({name: job.needs for name, job in self._jobs.items()})

    def graph_text(self, reduced: bool = True, vertical_chains: bool = False) -> str:
        """Who needs whom, as network text; `reduced`: without the edges that others imply, `vertical_chains`: who needs
        one job alone stands below it. InvalidSpec if jobs need each other in a circle."""
        picture = of_needs(self.graph.needs)
        network = import_module("runyard.pipeline.drawing.network")
        lines = network.lines(picture.reduced() if reduced else picture, vertical_chains)
        return "".join(f"{line}\n" for line in lines)

    def print_graph(self, reduced: bool = True, vertical_chains: bool = False) -> None:
        """Print that, below a heading."""
        text = self.graph_text(reduced, vertical_chains)
        sys.stdout.write(f"Graph{' (reduced)' if reduced else ''}:\n{text}")

    @property
    def whole(self) -> PipelineSpec:
        """The pipeline as it is now. InvalidSpec if jobs need each other in a circle."""
        return reading.whole(self.spec, self.jobs)

    def _names(self, depends: Needs) -> tuple[str, ...]:
        wanted = (depends,) if isinstance(depends, (str, PipelineJob)) else tuple(depends or ())
        names = tuple(one.name if isinstance(one, PipelineJob) else one for one in wanted if one is not None)
        for name in names:
            if name not in self._jobs:
                raise NotFound(f"there is no job {name!r} in {self.name!r}{meant(str(name), self._jobs)}")
        return names

    @property
    def layout(self) -> Layout:
        """Where its files lie."""
        return self._layout(self.whole)

    def _layout(self, spec: PipelineSpec) -> Layout:
        return Layout(os.path.abspath(self.directory), spec)

    def render(self) -> Rendering:
        """The scripts that it is run by, as text."""
        return self.backend.render(self.layout)

    def commands(self, full: bool = False, without: Iterable[str] = ()) -> str:
        """Its commands as text for people, or (`full`) the script itself; without the jobs of these tags."""
        spec = self.whole.without(tuple(without))
        if full:
            return self.backend.render(self._layout(spec)).script.text
        return self.backend.readable(spec)

    def print_commands(self, full: bool = False, without: Iterable[str] = (), style: str = COLORS) -> None:
        """Print its commands, or (`full`) all its scripts; without the jobs of these tags.

        `style`: "colors", "rich" (a frame), "plain", or "auto" (colours on a terminal).
        """
        layout = self._layout(self.whole.without(tuple(without)))
        if not full:
            return show([(layout.directory, self.backend.readable(layout.spec))], style)
        made = self.backend.render(layout)
        show([(file.path, file.text) for file in made.files if file.program or file is made.script], style)

    def write(self) -> str:
        """Write its scripts; the path of the one to run. Nothing is started."""
        self._check_idle()
        run = self._made()
        return run.write(self.backend.render(run.layout))

    def run(
        self,
        block: bool = True,
        monitor: str = NO_MONITOR,
        environ: Mapping[str, str] | None = None,
        onfail: str = KEEP,
        onexit: str = KILL,
    ) -> dict[str, Any]:
        """Run it; how it stands afterwards (`read_state`). `block`: return when all jobs have ended.

        `monitor`: "inline" shows it live meanwhile, whose user may leave before the end; "none" shows nothing. `onfail`
        and `onexit` say what is done at the end about the sessions in which a job failed, and about the others: "keep"
        them, "kill" them, or "capture": write what they show into a file first. A job that fails raises nothing: look
        at `failed`. Conflict if it is running already, or the backend refuses.
        """
        if monitor not in MONITORS:
            raise InvalidSpec(f"{monitor!r} is none of {', '.join(MONITORS)}", "monitor")
        watched = block and monitor == INLINE
        how = Start(block and not watched, environ, onfail, onexit)
        missing = self.backend.lacks()
        if missing:
            raise Conflict(f"{self.backend.name}: {missing}")
        run = self._made()
        rendering = self.backend.render(run.layout)
        with run.starting():
            self._check_idle()
            run.write(rendering)
            self.backend.start(run, how)
        if watched:
            return watch(run, self.backend).as_dict()
        return self._ended(run).as_dict() if block else self.read_state()

    def wait(self, timeout_s: float | None = None) -> dict[str, Any]:
        """Wait until its run is over; how it stands then. TimedOut if that takes longer, NotFound if it has none."""
        return self._ended(runs.load(self.directory), timeout_s).as_dict()

    def state(self) -> PipelineState:
        """How its run stands; before it is written, that nothing is."""
        try:
            run = runs.load(self.directory)
        except NotFound:
            return PipelineState(self.name, INIT, tuple(JobState(name) for name in self._jobs))
        return self.backend.state(run)

    def read_state(self) -> dict[str, Any]:
        """The same as a dict: status, passed, failed, skipped, running, pending, total, and each of the jobs."""
        return self.state().as_dict()

    def monitor(self, refresh_s: float = REFRESH_S) -> dict[str, Any]:
        """Show its run live until it is over, or whoever looks has left; how it stands then. NotFound: it has none."""
        return watch(runs.load(self.directory), self.backend, refresh_s).as_dict()

    def kill(self) -> None:
        """End what runs of it, and start nothing more. Nothing happens if it does not run."""
        try:
            run = runs.load(self.directory)
        except NotFound:
            return
        self.backend.kill(run)

    def change_backend(self, backend: str, **options: Any) -> Pipeline:
        """The same pipeline, with all that its jobs have, for another backend."""
        own = {"name": self.name, **reading.options_of(self.spec), **options}
        new = type(self).create(backend=backend, **own)
        for job in self.jobs:
            new.add(job)
        return new

    def _ended(self, run: Run, timeout_s: float | None = None) -> PipelineState:
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while not (state := self.backend.state(run)).over:
            rest = WAIT_S if until is None else min(WAIT_S, until - time.monotonic())
            if rest <= 0:
                raise TimedOut(f"pipeline {self.name!r} still runs after {timeout_s:g} seconds; nothing was ended")
            self.backend.wait(run, rest)
        return state

    def _made(self) -> Run:
        whole = self.whole
        return runs.make(self.directory, self.backend.name, whole, self.backend.facts(whole, self.directory))

    def _check_idle(self) -> None:
        if self.state().status == RUNNING:
            raise Conflict(f"pipeline {self.name!r} is running; wait for it, or kill it first")


def place(name: str) -> str:
    """A directory for a new run below the home."""
    return shelf.place(Home(load(os.environ).home), name)

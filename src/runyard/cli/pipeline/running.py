"""`pipeline run` and `monitor`: to its end in front of somebody, or behind."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from runyard.cli.context import App
from runyard.cli.lazy import EXIT_INTERRUPTED
from runyard.cli.options import as_json
from runyard.cli.pipeline.options import CommandBehind, chosen, of_a_target, one_run, shelf
from runyard.cli.render.text import harmless
from runyard.errors import RunyardError
from runyard.model.record import changed
from runyard.pipeline import runs
from runyard.pipeline.backends import registry
from runyard.pipeline.backends.base import FATES, KEEP, KILL
from runyard.pipeline.pipeline import INLINE, MONITORS, NO_MONITOR, Pipeline
from runyard.pipeline.runs import Run
from runyard.pipeline.shelf import Shelf, place
from runyard.pipeline.showing.monitor import watch
from runyard.pipeline.spec import Draft
from runyard.pipeline.state import RUNNING, PipelineState

DEFAULT_BACKEND, QUEUED = "serial", "yard"


@click.command("run", cls=CommandBehind)
@of_a_target
@click.option("--detach", "--no-wait", "detach", is_flag=True, help="Return when it has been started.")
@click.option("--monitor", type=click.Choice(MONITORS), help="inline: show it live meanwhile; none: wait in silence.")
@click.option("--onfail", type=click.Choice(FATES), default=KEEP, help="Of tmux sessions in which a job failed.")
@click.option("--onexit", type=click.Choice(FATES), default=KILL, help="Of the other sessions.")
@as_json
@click.pass_obj
def run(app: App, /, target: str | None, detach: bool, monitor: str | None, **options: Any) -> int:
    """Run a pipeline, and wait until all its jobs have ended. Exits with 0 if all have passed, else with 1.

    NAME is one that was put together here, or was run; FILE is YAML or JSON (-: standard input). Each run has a
    directory of its own; the last one is what `status` and `monitor` show. Ctrl-C ends a serial run; others go on,
    and `ry pipeline kill` ends them. The exit code is 130 then. Of tmux sessions --onfail and --onexit keep, kill or
    capture (into a file) what is left at the end.

    \b
    Examples:
      ry pipeline run digits
      ry pipeline run digits.yaml --backend tmux --size 4
      ry pipeline run digits --backend slurm --detach
      ry pipeline run --backend slurm --sbatch partition=gpu -- python train.py
    """
    fates = {name: options.pop(name) for name in ("onfail", "onexit")}
    pipeline = pipeline_of(app, chosen(app, target, options))
    _collect(shelf(app), app.settings.keep_runs_days, app.now())
    with _remarks_told(app):
        return _run(app, pipeline, monitor, detach, fates)


def _run(app: App, pipeline: Pipeline, monitor: str | None, detach: bool, fates: dict[str, Any]) -> int:
    if detach:
        pipeline.run(block=False, **fates)
        return _told_start(app, pipeline)
    if app.output.as_json:
        pipeline.run(block=False, **fates)
        with _interrupted(app, pipeline):
            pipeline.wait()
        return _told_end(app, pipeline)
    monitor = monitor or (NO_MONITOR if pipeline.backend.name == DEFAULT_BACKEND else INLINE)
    with _interrupted(app, pipeline):
        pipeline.run(monitor=monitor, **fates)
    state = pipeline.state()
    if monitor == NO_MONITOR and pipeline.backend.name != DEFAULT_BACKEND:
        app.output.line(f"{harmless(state.name)}: {state.status}, {state.summary}")
    left = left_to_see(runs.load(pipeline.directory), state) if fates["onfail"] == KEEP else ""
    if left:
        app.output.note(f"ry: the session in which a job failed stays: {left}")
    return exit_code(state)


@click.command("monitor")
@one_run
@click.pass_obj
def monitor(app: App, target: str | None) -> int:
    """Watch a run until it is over: live on a terminal, a line for each change elsewhere.

    Without a name the last run of all. Keys: a goes to a running job, k ends all (it asks), q leaves, and so does
    Ctrl-C: the run goes on. Exits as `run` does.

    \b
    Example:
      ry pipeline monitor digits
    """
    found = shelf(app).newest(target)
    return exit_code(watch(found, registry.of_run(found)))


def pipeline_of(app: App, found: Draft) -> Pipeline:
    """The pipeline, to be run in a directory of its own. Who uses the yard of another machine queues it there, unless
    somebody named a backend."""
    spec, far = found.spec, app.settings.is_far
    if far and not spec.host:
        spec = changed(spec, host=app.settings.host, home=app.settings.far_home)
    elif app.flags.get("home") and not (far or spec.home or spec.host):
        spec = changed(spec, home=app.settings.home)
    backend = found.backend or (QUEUED if far else DEFAULT_BACKEND)
    return Pipeline(spec, registry.backend(backend), place(app.home, spec.name))


def state_of(run: Run) -> PipelineState | None:
    """How a run stands; None where its backend cannot be asked."""
    try:
        return registry.of_run(run).state(run)
    except RunyardError:
        return None


def left_to_see(run: Run, state: PipelineState) -> str:
    """What to type to look at what a run that is over has left on a terminal ("": nothing)."""
    argv = registry.of_run(run).attach(run) if state.over else ()
    return " ".join(f"'{word}'" if word.startswith("=") else shlex.quote(word) for word in argv)  # zsh takes =word


def exit_code(state: PipelineState) -> int:
    """0 if all have passed, 130 if whoever watched has left before the end, else 1."""
    return EXIT_INTERRUPTED if not state.over else int(not state.good)


@contextmanager
def _remarks_told(app: App) -> Iterator[None]:
    """What Python would warn of (an option that a backend has no use for) is told as `ry` tells it."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *where: app.output.note(f"ry: {harmless(str(message))}")
        yield


@contextmanager
def _interrupted(app: App, pipeline: Pipeline) -> Iterator[None]:
    """What is told of a run that somebody does not want to wait for."""
    try:
        yield
    except KeyboardInterrupt:
        if pipeline.backend.name == DEFAULT_BACKEND:  # not there to be waited for when it runs behind us
            pipeline.kill()
        name, typed = harmless(pipeline.name), shlex.quote(pipeline.name)
        if pipeline.state().over:
            app.output.note(f"ry: pipeline {name} is interrupted; `ry pipeline status {typed}` tells what was done")
        else:
            app.output.note(
                f"ry: pipeline {name} runs on; `ry pipeline monitor {typed}` watches it, "
                f"`ry pipeline kill {typed}` ends it"
            )
        raise click.exceptions.Exit(EXIT_INTERRUPTED) from None


def _told_start(app: App, pipeline: Pipeline) -> int:
    """The directory of the run in a pipe; on a terminal what can be done with it."""
    if app.output.as_json:
        app.output.json({"directory": pipeline.directory, "backend": pipeline.backend.name, **pipeline.read_state()})
    elif app.output.terminal:
        app.output.line(
            f"pipeline {harmless(pipeline.name)} runs; `ry pipeline monitor {shlex.quote(pipeline.name)}` watches it"
        )
    else:
        app.output.line(pipeline.directory)
    return 0


def _told_end(app: App, pipeline: Pipeline) -> int:
    state = pipeline.state()
    code = exit_code(state)
    told = {"directory": pipeline.directory, "backend": pipeline.backend.name, **state.as_dict()}
    app.output.json({**told, "ry_exit_code": code})
    return code


def _collect(kept: Shelf, days: int, now: float) -> None:
    """Runs that ended long ago go."""
    for run in kept.old(days, now):
        state = state_of(run)
        if state is not None and state.status != RUNNING:
            kept.discard(run)

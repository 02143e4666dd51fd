"""`pipeline rm` and `kill`: runs are ended, pipelines go. Only what belongs to them is touched."""

from __future__ import annotations

import click

from runyard.cli.context import App
from runyard.cli.options import as_json, complete_pipelines, dry_run, yes
from runyard.cli.pipeline.options import one_run, shelf
from runyard.cli.pipeline.running import state_of
from runyard.cli.pipeline.seeing import Line, record
from runyard.cli.render.json import of_named
from runyard.cli.render.text import counted, harmless
from runyard.cli.selecting import YES
from runyard.errors import RunyardError, UsageError
from runyard.pipeline.backends import registry
from runyard.pipeline.pipeline import WAIT_S
from runyard.pipeline.runs import Run
from runyard.pipeline.shelf import Kept, Shelf
from runyard.pipeline.spec import Draft
from runyard.pipeline.state import RUNNING


@click.command("kill")
@one_run
@click.pass_obj
def kill(app: App, target: str | None) -> int:
    """End the last run of a pipeline (without a name: of all). Its files stay.

    \b
    Example:
      ry pipeline kill digits
    """
    run = shelf(app).newest(target)
    name = harmless(run.spec.name)
    state = registry.of_run(run).state(run)
    if state.status == RUNNING or state.of(RUNNING):  # a job may have outlived its script
        _end(run)
        app.output.line(f"pipeline {name} is ended")
    else:
        app.output.line(f"pipeline {name} does not run")
    return 0


@click.command("rm")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_pipelines)
@click.option("--all", "-a", "everything", is_flag=True, help="All pipelines and runs.")
@yes
@dry_run
@as_json
@click.pass_obj
def rm(app: App, names: tuple[str, ...], everything: bool, yes: bool, dry_run: bool) -> int:
    """Remove pipelines: what was put together here, and all runs with their scripts and logs.

    A run that goes on is ended first. Nothing else is: no process, tmux session, Slurm job or queued job of others.
    It asks first where that ends something or removes more than one.

    \b
    Examples:
      ry pipeline rm digits
      ry pipeline rm --all --yes
    """
    if bool(names) == everything:
        raise UsageError("name the pipelines that are to go, or say --all")
    kept = shelf(app)
    known = kept.names()
    for name in names:
        if name not in known:
            raise kept.missing(name)
    wanted = list(dict.fromkeys(names)) if names else known
    found = [(name, kept.draft(name), kept.runs(name)) for name in wanted]
    running = [one.run for _, _, runs in found for one in runs if _runs(one.run)]
    if not dry_run and not yes and (running or len(wanted) > 1):
        _ask(app, wanted, len(running))
    records = [record(_line(name, draft, runs)) for name, draft, runs in found]
    if not dry_run:
        for name, _, runs in found:
            _remove(kept, name, [one.run for one in runs])
    if app.output.as_json:
        app.output.json(of_named("remove", wanted, records, dry_run))
    else:
        for name, _, runs in found:
            told = "would be removed" if dry_run else "is removed"
            app.output.line(f"pipeline {harmless(name)} {told}, with {counted(len(runs), 'run')}")
    return 0


def _ask(app: App, names: list[str], running: int) -> None:
    what = f"{counted(len(names), 'pipeline')} ({', '.join(map(harmless, names))})"
    ends = f", and end {counted(running, 'run')}" if running else ""
    if not app.output.asks or app.output.as_json:
        raise UsageError(f"this would remove {what}{ends}; confirm with --yes")
    if app.output.ask(f"remove {what}{ends}? [y/N]") not in YES:
        raise RunyardError("nothing was removed")


def _line(name: str, draft: Draft | None, runs: list[Kept]) -> Line:
    return Line(name, draft, runs[0], state_of(runs[0].run)) if runs else Line(name, draft)


def _runs(run: Run) -> bool:
    state = state_of(run)
    return state is None or state.status == RUNNING


def _remove(kept: Shelf, name: str, runs: list[Run]) -> None:
    for run in runs:
        _end(run)
        kept.discard(run)
    kept.remove(name)


def _end(run: Run) -> None:
    """End it, and wait until it is over. Also what has ended may have left something that is its own (a session)."""
    backend = registry.of_run(run)
    if backend.lacks():
        return
    backend.kill(run)
    while backend.state(run).status == RUNNING:
        backend.wait(run, WAIT_S)

"""`pipeline ls` and `status`: how pipelines stand, and the jobs of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import click

from runyard.cli.context import App
from runyard.cli.options import as_json, complete_pipelines
from runyard.cli.pipeline.options import one_run, shelf
from runyard.cli.pipeline.running import left_to_see, state_of
from runyard.cli.render.grid import Column, Grid, Row
from runyard.cli.render.text import clock, harmless, span
from runyard.pipeline.backends import registry
from runyard.pipeline.shelf import Kept, Shelf
from runyard.pipeline.spec import Draft
from runyard.pipeline.state import (
    DONE,
    FAILED,
    INIT,
    INTERRUPTED,
    PASSED,
    PENDING,
    RUNNING,
    SKIPPED,
    JobState,
    PipelineState,
)

DRAFT, UNKNOWN = "draft", "unknown"
COLOURS = {PASSED: "succeeded", FAILED: "failed", SKIPPED: "skipped", RUNNING: "running", INTERRUPTED: "killed"}
"""The word of jobs that a state is coloured like."""


class Line(NamedTuple):
    """A line of the list: a pipeline that waits to be run, or a run and how it stands (None: it cannot be told)."""

    name: str
    draft: Draft | None
    kept: Kept | None = None
    state: PipelineState | None = None

    @property
    def word(self) -> str:
        """How it stands in a word."""
        if self.kept is None:
            return DRAFT
        return UNKNOWN if self.state is None else word_of(self.state)


@click.command("ls")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_pipelines)
@click.option("--all", "-a", "everything", is_flag=True, help="All runs, not only the last one of each pipeline.")
@as_json
@click.pass_obj
def ls(app: App, names: tuple[str, ...], everything: bool) -> int:
    """List pipelines: those that were put together here, and the last run of each.

    \b
    Examples:
      ry pipeline ls
      ry pipeline ls digits --all
    """
    lines = list(_lines(shelf(app), names, everything))
    if app.output.as_json:
        app.output.json([record(line) for line in lines])
    elif not lines and app.output.terminal:
        app.output.note("no pipelines; `ry pipeline new` makes one, `ry pipeline run FILE` runs one")
    else:
        app.output.grid(_table(lines, app.now()))
    return 0


@click.command("status")
@one_run
@as_json
@click.pass_obj
def status(app: App, target: str | None) -> int:
    """The jobs of the last run of a pipeline (without a name: of all): how they stand, and where their logs are.

    \b
    Examples:
      ry pipeline status
      ry pipeline status digits --json
    """
    run = shelf(app).newest(target)
    state = registry.of_run(run).state(run)
    if app.output.as_json:
        app.output.json({"directory": run.layout.directory, "backend": run.manifest.backend, **state.as_dict()})
        return 0
    app.output.facts(
        (name, harmless(value))
        for name, value in (
            ("pipeline", f"{state.name}, {word_of(state)}"),
            ("jobs", state.summary),
            ("backend", run.manifest.backend),
            ("directory", run.layout.directory),
            ("left to see", left_to_see(run, state)),
        )
        if value
    )
    app.output.line()
    app.output.grid(_jobs(state, app.now(), f"{run.layout.directory}/"))
    return 0


def word_of(state: PipelineState) -> str:
    """How a run stands in a word."""
    if state.status == DONE:
        return PASSED if state.good else FAILED
    return "not started" if state.status == INIT else state.status


def record(line: Line) -> dict[str, Any]:
    """A line for `--json`."""
    spec = line.kept.run.spec if line.kept is not None else line.draft.spec if line.draft is not None else None
    chosen = line.kept.run.manifest.backend if line.kept is not None else line.draft.backend if line.draft else ""
    counts = line.state.counts if line.state is not None else {}
    return {
        "name": line.name,
        "draft": line.draft is not None,
        "backend": chosen,
        "state": line.word,
        "total": len(spec.jobs) if spec is not None else 0,
        **{name: counts.get(name) for name in (PASSED, FAILED, SKIPPED, RUNNING, PENDING)},
        "directory": line.kept.run.layout.directory if line.kept is not None else None,
        "written_at": line.kept.written_at if line.kept is not None else None,
    }


def _lines(kept: Shelf, names: tuple[str, ...], everything: bool) -> Iterator[Line]:
    """Drafts that were never run, then runs, the newest first."""
    drafts = {draft.spec.name: draft for draft in kept.drafts()}
    runs = kept.runs()
    known = {*drafts, *(one.run.spec.name for one in runs)}
    for name in names:
        if name not in known:
            raise kept.missing(name)
    wanted = set(names) or known
    seen: set[str] = set()
    found = []
    for one in runs:
        name = one.run.spec.name
        if name in wanted and (everything or name not in seen):
            found.append(Line(name, drafts.get(name), one, state_of(one.run)))
        seen.add(name)
    yield from (Line(name, draft) for name, draft in drafts.items() if name in wanted - seen)
    yield from found


def _table(lines: list[Line], now: float) -> Grid:
    columns = (
        Column("PIPELINE", flexible=True), Column("BACKEND", spare=3), Column("STATE", firm=True),
        Column("JOBS", right=True, firm=True), Column("PASSED", right=True, spare=4), Column("FAILED", right=True),
        Column("SKIPPED", right=True, spare=2), Column("WHEN", spare=1),
    )  # fmt: skip
    return Grid(columns, tuple(_row(line, now) for line in lines))


def _row(line: Line, now: float) -> Row:
    told = record(line)
    counts = (str(told[name]) if told[name] is not None else "" for name in (PASSED, FAILED, SKIPPED))
    when = clock(line.kept.written_at, now) if line.kept is not None else ""
    cells = (line.name, told["backend"], line.word, str(told["total"]), *counts, when)
    return Row(tuple(map(harmless, cells)), COLOURS.get(line.word, line.word))


def _jobs(state: PipelineState, now: float, directory: str) -> Grid:
    """The jobs as a table; logs in the directory of the run by their place there."""
    columns = (
        Column("JOB", flexible=True), Column("STATE", firm=True), Column("CODE", right=True, optional=True),
        Column("TIME", right=True, optional=True), Column("REASON", flexible=True, optional=True, spare=2),
        Column("LOG", flexible=True, optional=True, spare=1),
    )  # fmt: skip
    return Grid(columns, tuple(_job(job, now, directory) for job in state.jobs))


def _job(job: JobState, now: float, directory: str) -> Row:
    took = "" if job.started_at is None else span((now if job.ended_at is None else job.ended_at) - job.started_at)
    log = job.log.removeprefix(directory)
    code = "" if job.code is None else str(job.code)
    return Row(tuple(map(harmless, (job.name, job.status, code, took, job.reason, log))), COLOURS.get(job.status, ""))

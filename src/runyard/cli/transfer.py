"""`export` and `import`: jobs with their whole story, in a file (`model.export` has its form)."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import TextIO

import click

from runyard.api import Service
from runyard.cli.context import App
from runyard.cli.options import SELECTORS, any_jobs, as_json, complete_files, dry_run
from runyard.cli.render.text import counted, harmless, numbers
from runyard.cli.submit import here, text_of
from runyard.errors import InvalidSpec, NotFound, UsageError
from runyard.model import export as export_form
from runyard.model.export import FORMAT, Export, Head
from runyard.model.filter import JobQuery
from runyard.model.transfer import Unloaded

PAGE = 1_000
"""How many jobs are asked for at a time."""
KEY_BYTES = 16
SHOWN = 20
"""How many pairs of ids are printed; --json has all."""


@click.command("export", epilog=SELECTORS)
@any_jobs
@click.option(
    "-o", "--output", metavar="FILE", shell_complete=complete_files,
    help="Write it there (a name that ends in /: a file with the time in its name); default: standard output.",
)  # fmt: skip
@click.option("--with-environment", "whole", is_flag=True, help="With the values of environments: secrets, perhaps.")
@click.pass_obj
def export(app: App, selectors: tuple[str, ...], output: str | None, whole: bool) -> int:
    """Write jobs to a file: specs, events, attempts and results, with their groups, queues and scripts.

    Without JOB everything. Of environments it has the names and hashes alone, unless --with-environment says otherwise.

    \b
    Examples:
      ry export -o saves/
      ry export sweep:lr -o lr.jsonl
    """
    ids = _ids(app.service(), selectors)
    with _target(app, output) as (file, path):
        file.writelines(_lines(app, ids, whole))
    if path:
        app.output.note(f"{counted(len(ids), 'job')} written to {harmless(path)}")
    return 0


@click.command("import")
@click.argument("file", metavar="FILE", shell_complete=complete_files)
@click.option("--from", "source", type=click.Choice(("que",)), help="FILE is the Runs.json of Que.")
@click.option("--command", metavar="TEXT", help="With --from: what its runs run, as in 'train.py {config_path}'.")
@click.option("--release", is_flag=True, help="Let jobs go that waited over there, instead of holding them.")
@dry_run
@as_json
@click.pass_obj
def import_(app: App, file: str, source: str | None, command: str | None, release: bool, dry_run: bool) -> int:
    """Take jobs of another yard in, once, however often it is said: again after a failure, it goes on where it was.

    They get new ids, and what waits for them follows. A job that was running over there is lost; one that waited is
    held. Queues that are not here are made.

    \b
    Examples:
      ry import lr.jsonl
      ry import --dry-run - < lr.jsonl
      ry import --from que Runs.json --command "python train.py {config_path}"
    """
    if command is not None and source is None:
        raise UsageError("--command goes with --from: an export says itself what its jobs run")
    text = text_of(file)
    what = "standard input" if file == "-" else file
    taken = export_form.read(io.StringIO(text), what) if source is None else _of_que(app, text, command)
    if dry_run:
        _preview(app, taken)
        return 0
    service = app.service()
    for name, data in taken.blobs.items():
        if service.put_blob(data) != name:
            raise InvalidSpec(f"the blob {name[:12]}... holds something else: the file was changed", "import")
    _report(app, service.unload(replace(taken.cargo, release=release)))
    return 0


@contextmanager
def _target(app: App, output: str | None) -> Iterator[tuple[TextIO, str]]:
    """Where it goes, and the path of a file: that is there as a whole or not at all, and its owner's alone."""
    if output is None or output == "-":
        yield sys.stdout, ""
        return
    path = output
    if output.endswith("/") or os.path.isdir(output):
        path = os.path.join(output, time.strftime("runyard-%Y%m%d-%H%M%S.jsonl", time.localtime(app.now())))
    made = f"{path}.{os.getpid()}.new"
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with open(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            yield file, path
            file.flush()
            os.fsync(file.fileno())
        os.replace(made, path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        if os.path.exists(made):
            os.unlink(made)


def _lines(app: App, ids: Sequence[int], whole: bool) -> Iterator[str]:
    """The lines of an export of these jobs."""
    service = app.service()
    status = service.status()
    head = Head(FORMAT, os.urandom(KEY_BYTES).hex(), status.yard, app.now(), status.version)
    cargos = (service.pack(tuple(ids[start : start + PAGE])) for start in range(0, len(ids), PAGE))

    def blob(name: str) -> bytes | None:
        try:
            return service.blob(name)
        except NotFound:
            return None

    return export_form.lines(head, cargos, blob, whole)


def _ids(service: Service, selectors: Sequence[str]) -> list[int]:
    """The jobs that are meant, in order; all of them by pages, since they may be many."""
    if selectors:
        return sorted(row.id for row in service.jobs(JobQuery(selectors=tuple(selectors))))
    ids: list[int] = []
    while rows := service.jobs(JobQuery(limit=PAGE, after_id=ids[-1] if ids else 0, cells=True)):
        ids += [row.id for row in rows]
    return ids


def _of_que(app: App, text: str, command: str | None) -> Export:
    reader = import_module("runyard.submitting.que_runs")
    return Export(reader.cargo(text, command or reader.COMMAND, here(app).ground.cwd, app.now()), {})


def _preview(app: App, taken: Export) -> None:
    ids = [story.id for story in taken.cargo.stories]
    if app.output.as_json:
        app.output.json({"would_import": ids})
        return
    app.output.line(f"would import {counted(len(ids), 'job')}")
    if taken.lacking:
        app.output.line(f"  {counted(len(taken.lacking), 'environment')} without values")


def _report(app: App, done: Unloaded) -> None:
    output = app.output
    if output.as_json:
        output.json(done)
        return
    new = sorted(done.ids.values())
    output.line(f"{counted(len(new), 'job')} {'here already' if done.before else 'imported'}: {numbers(new)}")
    pairs = [(old, job_id) for old, job_id in done.ids.items() if old != job_id]
    for old, job_id in pairs[:SHOWN]:
        output.line(f"  {old} is now {job_id}")
    if len(pairs) > SHOWN:
        output.line(f"  and {len(pairs) - SHOWN} more (--json has them all)")
    for old, group in done.groups.items():
        if old != group:
            output.line(f"  group {old} is now {group}")
    told = (
        ("queues made", done.queues),
        ("lost", done.lost),
        ("held", done.held),
        ("without environment", done.lacking),
    )
    for what, which in told:
        if which:
            text = ", ".join(which) if what == "queues made" else numbers(which)  # type: ignore[arg-type]
            output.line(f"{what}: {text}")

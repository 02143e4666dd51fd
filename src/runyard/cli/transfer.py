"""`export` and `import`: jobs with their whole story, in a file of JSON lines (docs/export.md says what is in it)."""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import Any, TextIO

import click

from runyard.api import Service
from runyard.cli.context import App
from runyard.cli.options import SELECTORS, any_jobs, as_json, complete_files, dry_run
from runyard.cli.render.text import counted, harmless, numbers
from runyard.errors import InvalidSpec, NotFound, UsageError
from runyard.model import codec
from runyard.model.filter import JobQuery
from runyard.model.group import Group
from runyard.model.queue import Queue
from runyard.model.spec import JobSpec
from runyard.model.transfer import FORMAT, Cargo, Story, Unloaded

PAGE = 1_000
"""So many jobs are asked for at a time."""
KEY_BYTES = 16
SHOWN = 20
"""So many pairs of ids are printed; --json has all."""


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
    service = app.service()
    with _target(app, output) as (file, path):
        count = _write(service, selectors, whole, file, app.now())
    if path:
        app.output.note(f"{counted(count, 'job')} written to {harmless(path)}")
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
    """Take jobs of another yard in: all of them or none, and once, however often it is said.

    They get new ids, and what waits for them follows. A job that was running over there is lost; one that waited is
    held. Queues that are not here are made.

    \b
    Examples:
      ry import lr.jsonl
      ry import --dry-run - < lr.jsonl
      ry import --from que Runs.json --command "python train.py {config_path}"
    """
    if source is not None:
        return _from_que(app, file, command, release, dry_run)
    loaded = _Loaded(_lines(file))
    if dry_run:
        _preview(app, loaded)
        return 0
    service = app.service()
    for data, name in loaded.blobs:
        if service.put_blob(data) != name:
            raise InvalidSpec(f"the blob {name[:12]}... holds something else: the file was changed", "import")
    _report(app, service.unload(codec.decode(Cargo, {**loaded.cargo, "release": release})))
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


def _write(service: Service, selectors: Sequence[str], whole: bool, file: TextIO, now: float) -> int:
    """Write everything; the number of jobs."""

    def line(kind: str, value: Any) -> None:
        file.write(json.dumps({kind: value}) + "\n")

    status = service.status()
    key = os.urandom(KEY_BYTES).hex()
    line("runyard", {"format": FORMAT, "id": key, "yard": status.yard, "at": now, "version": status.version})
    count, groups, queues, blobs = 0, set[int](), set[str](), dict[str, str]()
    for ids in _pages(service, selectors):
        cargo = service.pack(ids)
        for queue in cargo.queues:
            if queue.name not in queues:
                queues.add(queue.name)
                line("queue", codec.encode(queue))
        for group in cargo.groups:
            if group.id not in groups:
                groups.add(group.id)
                line("group", codec.encode(group))
        for reading in cargo.readings:
            line("metrics", codec.encode(reading))
        for story in cargo.stories:
            line("job", codec.encode(story))
            blobs.update(_blobs(story))
            count += 1
    for name, kind in blobs.items():
        line(kind, _blob(service, kind, name, whole))
    line("end", {"jobs": count})
    return count


def _pages(service: Service, selectors: Sequence[str]) -> Iterator[tuple[int, ...]]:
    if selectors:
        ids = tuple(sorted(row.id for row in service.jobs(JobQuery(selectors=tuple(selectors)))))
        yield from (ids[start : start + PAGE] for start in range(0, len(ids), PAGE))
        return
    last = 0
    while rows := service.jobs(JobQuery(limit=PAGE, after_id=last, cells=True)):
        last = rows[-1].id
        yield tuple(row.id for row in rows)


def _blobs(story: Story) -> Iterator[tuple[str, str]]:
    """The hashes that a job names, and what each is."""
    for recorded in story.events:
        spec = getattr(recorded.event, "spec", None)
        if isinstance(spec, JobSpec):
            yield from ((name, kind) for name, kind in _named(spec) if name)


def _named(spec: JobSpec) -> tuple[tuple[str, str], ...]:
    return (spec.environment, "environment"), (spec.script, "script")


def _blob(service: Service, kind: str, name: str, whole: bool) -> dict[str, Any]:
    try:
        data = service.blob(name)
    except NotFound:
        return {"hash": name}
    if kind == "script" or whole:
        return {"hash": name, "data": base64.b64encode(data).decode("ascii")}
    return {"hash": name, "names": sorted(json.loads(data))}


def _lines(path: str) -> Iterator[Any]:
    """The lines of a file, as JSON."""
    what = "standard input" if path == "-" else path
    try:
        with open(0 if path == "-" else path, encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                try:
                    value = json.loads(text)
                except (ValueError, RecursionError):
                    raise InvalidSpec(f"{what}, line {number}: not JSON", "import") from None
                if not isinstance(value, dict) or len(value) != 1:
                    raise InvalidSpec(f"{what}, line {number}: an object with one key was expected", "import")
                yield value
    except OSError as error:
        raise UsageError(f"{what} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{what} is no text in UTF-8") from None


class _Loaded:
    """An export as it was read. `lacking` are hashes of environments without values."""

    def __init__(self, lines: Iterable[Any]) -> None:
        self.jobs: list[Any] = []
        self.blobs: list[tuple[bytes, str]] = []
        self.lacking: set[str] = set()
        rest: dict[str, list[Any]] = {"queue": [], "group": [], "metrics": []}
        head = end = None
        for line in lines:
            ((kind, value),) = line.items()
            if head is None and kind != "runyard":
                break
            if kind == "runyard":
                head = _head(value)
            elif kind == "job":
                self.jobs.append(value)
            elif kind in rest:
                rest[kind].append(value)
            elif kind in ("environment", "script"):
                self._keep(value)
            elif kind == "end":
                end = value
        if head is None:
            raise InvalidSpec("this is no export of `ry export`: its first line says so", "import")
        if end is None or end.get("jobs") != len(self.jobs):
            raise InvalidSpec("the export is not whole: its end is missing", "import")
        self.queues = codec.decode(tuple[Queue, ...], rest["queue"])
        self.groups = codec.decode(tuple[Group, ...], rest["group"])
        self.cargo = {
            "export_id": head["id"], "yard": head["yard"], "at": head["at"], "stories": self.jobs,
            "queues": rest["queue"], "groups": rest["group"],
            "readings": rest["metrics"],
        }  # fmt: skip

    def _keep(self, value: Any) -> None:
        if "data" in value:
            self.blobs.append((base64.b64decode(value["data"]), value["hash"]))
        else:
            self.lacking.add(value["hash"])


def _head(value: Any) -> dict[str, Any]:
    form = value.get("format") if isinstance(value, dict) else None
    if form != FORMAT:
        raise InvalidSpec(f"the export has form {form!r}, this version reads {FORMAT}: upgrade it", "import")
    return dict(value)


def _preview(app: App, loaded: _Loaded) -> None:
    if app.output.as_json:
        app.output.json({"would_import": [story["id"] for story in loaded.jobs]})
        return
    app.output.line(f"would import {counted(len(loaded.jobs), 'job')}")
    if loaded.lacking:
        app.output.line(f"  {counted(len(loaded.lacking), 'environment')} without values")


def _from_que(app: App, file: str, command: str | None, release: bool, dry: bool) -> int:
    reader = import_module("runyard.cli.que_runs")
    try:
        with open(0 if file == "-" else file, "rb") as stream:
            data = stream.read()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    cargo: Cargo = reader.cargo(data, command or reader.COMMAND, os.getcwd(), app.now())
    if dry:
        app.output.line(f"would import {counted(len(cargo.stories), 'job')}")
    else:
        _report(app, app.service().unload(replace(cargo, release=release)))
    return 0


def _report(app: App, done: Unloaded) -> None:
    output = app.output
    if output.as_json:
        output.json(done)
        return
    new = sorted(done.ids.values())
    output.line(f"{counted(len(new), 'job')} {'here already' if done.before else 'imported'}: {numbers(new)}")
    pairs = list(done.ids.items())
    for old, job_id in pairs[:SHOWN]:
        output.line(f"  {old} is now {job_id}")
    if len(pairs) > SHOWN:
        output.line(f"  and {len(pairs) - SHOWN} more (--json has them all)")
    for old, group in done.groups.items():
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

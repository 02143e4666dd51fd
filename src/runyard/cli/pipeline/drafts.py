"""`pipeline new` and `submit`: a pipeline that is put together on the command line."""

from __future__ import annotations

from typing import Any

import click

from runyard.cli.context import App
from runyard.cli.options import as_json, complete_pipelines
from runyard.cli.pipeline.options import (
    CommandBehind,
    backend,
    command_of,
    given,
    needs_of,
    of_a_job,
    preamble,
    sbatch,
    shelf,
    size,
    variables,
    words_behind,
    workdir,
)
from runyard.cli.render.text import counted, harmless
from runyard.errors import InvalidSpec, NotFound
from runyard.model.nearest import meant
from runyard.model.record import changed
from runyard.pipeline.backends import registry
from runyard.pipeline.reading import options as reading
from runyard.pipeline.spec import Draft, PipelineJob, free_name


@click.command("new")
@click.argument("name", metavar="NAME")
@backend
@size
@click.option("--gpus", metavar="LIST", help="The devices that its jobs share (tmux): 0,1.")
@workdir
@variables
@click.option("--public", multiple=True, metavar="NAMES", help="Variables whose values may stand in scripts.")
@preamble
@sbatch
@click.option("--force", is_flag=True, help="Begin anew what is there already.")
@as_json
@click.pass_obj
def new(app: App, /, name: str, force: bool, **options: Any) -> int:
    """Begin a pipeline. What is said here is for all of its jobs.

    \b
    Examples:
      ry pipeline new digits
      ry pipeline new digits --backend slurm --sbatch partition=gpu
      ry pipeline new digits --preamble 'source venv/bin/activate' --force
    """
    values = given(options)
    chosen = values.pop("backend", "")
    if chosen:
        registry.backend(chosen)
    spec = reading.spec_of(name, values)
    shelf(app).put(Draft(spec, chosen), replace=force)
    if app.output.as_json:
        app.output.json({"pipeline": name, "backend": chosen, "total": 0})
    else:
        app.output.line(f"pipeline {harmless(name)} is begun")
    return 0


@click.command("submit", cls=CommandBehind)
@click.argument("name", metavar="NAME", shell_complete=complete_pipelines)
@click.argument("text", nargs=-1, metavar="[TEXT]")
@of_a_job
@click.option("--command", metavar="TEXT", help="The command as one text, instead of behind --.")
@as_json
@click.pass_obj
def submit(app: App, /, name: str, text: tuple[str, ...], command: str | None, **options: Any) -> int:
    """Add a command to a pipeline.

    It comes after `--`, word by word as it is; or it is one quoted text, which the shell runs. Options may stand
    anywhere before it. Any number of these may be typed at a time. In a pipe only the job's name is printed.

    \b
    Examples:
      ry pipeline submit digits -J fetch -- curl -O https://example.org/digits.tar
      ry pipeline submit digits --needs fetch -J unpack 'tar xf digits.tar && ls'
      ry pipeline submit digits -- python train.py --lr 0.1
    """
    line = command_of((*text, *words_behind()), command)
    job_name, needs = options.pop("job_name"), options.pop("needs")
    fields = reading.job_options(given(options))
    added: list[PipelineJob] = []

    def change(draft: Draft) -> Draft:
        added.append(_job(draft, job_name, line, {**fields, "needs": needs_of(needs, draft)}))
        return changed(draft, spec=reading.whole(draft.spec, (*draft.spec.jobs, added[-1])))

    _told(app, shelf(app).change(name, change), added[-1])
    return 0


def _job(draft: Draft, name: str | None, command: str, fields: dict[str, Any]) -> PipelineJob:
    known = [job.name for job in draft.spec.jobs]
    if name in known:
        raise InvalidSpec(f"there is a job {name!r} already", "name")
    for need in fields["needs"]:
        if need not in known:
            raise NotFound(f"there is no job {need!r} in {draft.spec.name!r}{meant(need, known)}")
    return PipelineJob(name or free_name(draft.spec.name, len(known), known), command, **fields)


def _told(app: App, draft: Draft, job: PipelineJob) -> None:
    output, total = app.output, len(draft.spec.jobs)
    if output.as_json:
        output.json({"pipeline": draft.spec.name, "name": job.name, "needs": job.needs, "total": total})
    elif output.terminal:
        output.line(f"job {harmless(job.name)} is added: {counted(total, 'job')} in {harmless(draft.spec.name)}")
    else:
        output.line(harmless(job.name))

"""`import-run`: a run that was done elsewhere, as an ended job with its results."""

from __future__ import annotations

import os

import click

from runyard.cli.context import App
from runyard.cli.options import as_json, complete_files
from runyard.cli.render.text import harmless
from runyard.cli.submit import here
from runyard.errors import InvalidSpec, UsageError
from runyard.model.attempt import Result
from runyard.model.lifecycle import replay
from runyard.model.outcome import Outcome
from runyard.model.params import assigned
from runyard.model.spec import DEFAULT_QUEUE, JobSpec
from runyard.model.transfer import Cargo, reported, retold
from runyard.submitting import spelling
from runyard.submitting.ground import Ground
from runyard.submitting.past import past_moment

ID, KEY_BYTES = 1, 16
PLACE = "elsewhere"
FAILURE = 1
ENDS = tuple(outcome.value for outcome in Outcome if outcome.value not in ("skipped", "not-started", "killed"))


@click.command("import-run")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[--] COMMAND...")
@click.option("-J", "--name", default="", metavar="NAME", help="Its name (default: its program or script).")
@click.option("-D", "--workdir", default="", metavar="DIR", help="Where it ran (default: here).")
@click.option("-q", "--queue", default=DEFAULT_QUEUE, metavar="NAME", help="Its queue (default: default).")
@click.option("--note", default="", metavar="TEXT", help="What it was for.")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter.")
@click.option("--metric", "metrics", multiple=True, metavar="NAME=NUMBER", help="The last value of a metric.")
@click.option("--started", metavar="WHEN", help="When it started: 9:00, -2h (default: when it ended).")
@click.option("--ended", metavar="WHEN", help="When it ended: yesterday, 2026-11-01T12:30 (default: now).")
@click.option("--outcome", type=click.Choice(ENDS), help="How it ended (default: by its exit code).")
@click.option("--exit-code", type=click.IntRange(0, 255), help="What it returned (default: 0).")
@click.option("--log", metavar="FILE", shell_complete=complete_files, help="The file with its output; it stays there.")
@as_json
@click.pass_obj
def import_run(
    app: App, words: tuple[str, ...], name: str, workdir: str, queue: str, note: str, params: tuple[str, ...],
    metrics: tuple[str, ...], started: str | None, ended: str | None, outcome: str | None, exit_code: int | None,
    log: str | None,
) -> int:  # fmt: skip
    """Add a run that was done elsewhere, with its results, as an ended job.

    \b
    Example:
      ry import-run --param lr=0.1 --metric acc=0.93 -- python train.py --lr 0.1
    """
    place = here(app)
    ended_at = past_moment(ended, place.now, "ended") if ended else place.now
    started_at = past_moment(started, place.now, "started") if started else ended_at
    if started_at > ended_at:
        raise UsageError("it cannot have ended before it started")
    spec = JobSpec(
        command=words or (name,),
        name=name,
        workdir=_path(workdir, place.ground),
        queue=queue,
        params=spelling.parameters(params, "param", place),
        note=note,
    )
    story = retold(ID, spec, PLACE, (started_at, started_at, ended_at), _result(outcome, exit_code))
    values = dict(map(_metric, metrics))
    cargo = Cargo(
        os.urandom(KEY_BYTES).hex(), PLACE, place.now, (story,), readings=(reported(ID, values, ended_at),),
        outputs={ID: _log(log, place.ground)} if log else {},
    )  # fmt: skip
    job_id = app.service().unload(cargo).ids[ID]
    if app.output.as_json:
        app.output.json({"id": job_id})
    elif app.output.terminal:
        word = replay(ID, (recorded.event for recorded in story.events)).word
        app.output.line(f"job {job_id} ({harmless(spec.label)}) is here as {word}")
    else:
        app.output.line(str(job_id))
    return 0


def _result(outcome: str | None, exit_code: int | None) -> Result:
    """What its final record says."""
    named = "" if outcome in (None, "succeeded", "failed") else outcome
    code = exit_code if exit_code is not None else FAILURE if outcome == "failed" else 0
    if (outcome == "succeeded" and code) or (outcome == "failed" and not code):
        raise UsageError(f"exit code {code} is not that of one that {outcome}")
    status = None if named and exit_code is None else code << 8
    return Result("operator", status, named or "")


def _metric(text: str) -> tuple[str, float]:
    form = "NAME=NUMBER, as in acc=0.93"
    name, value = assigned(text, form, "metric")
    try:
        return name, float(value)
    except ValueError:
        raise InvalidSpec(f"{text!r}: use {form}", "metric") from None


def _path(path: str, ground: Ground) -> str:
    return os.path.abspath(os.path.join(ground.cwd, ground.expand(path)))


def _log(path: str, ground: Ground) -> str:
    whole = _path(path, ground)
    if not ground.exists(whole) or ground.is_directory(whole):
        raise InvalidSpec(f"there is no file {whole}{ground.where}", "log")
    return whole

"""`import-run`: a run that was done elsewhere, as an ended job with its results."""

from __future__ import annotations

import os
from dataclasses import replace

import click

from runyard.cli.context import App
from runyard.cli.options import as_json, complete_files
from runyard.cli.render.text import harmless
from runyard.cli.submit import here
from runyard.errors import InvalidSpec, UsageError
from runyard.model.attempt import Attempt, AttemptKey, Placement, Result
from runyard.model.events import Assigned, Ended, Event, Recorded, Started, Submitted
from runyard.model.job import Outcome
from runyard.model.lifecycle import replay
from runyard.model.metrics import Metric, Reading
from runyard.model.spec import JobSpec
from runyard.model.transfer import Cargo, Story
from runyard.submitting import fields

ID, TOKEN, KEY_BYTES = 1, "import", 16
PLACE = "elsewhere"
FAILURE = 1
ENDS = tuple(outcome.value for outcome in Outcome if outcome.value not in ("skipped", "not-started", "killed"))


@click.command("import-run")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[--] COMMAND...")
@click.option("-J", "--name", default="", metavar="NAME", help="Its name (default: its program or script).")
@click.option("-D", "--workdir", default="", metavar="DIR", help="Where it ran (default: here).")
@click.option("-q", "--queue", default="", metavar="NAME", help="The queue that it counts for (default: default).")
@click.option("--note", default="", metavar="TEXT", help="What it was for.")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter.")
@click.option("--metric", "metrics", multiple=True, metavar="NAME=NUMBER", help="The last value of a metric.")
@click.option("--started", metavar="WHEN", help="When it started (default: when it ended).")
@click.option("--ended", metavar="WHEN", help="When it ended (default: now).")
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
      ry import-run -J baseline --param lr=0.1 --metric acc=0.93 --ended 2026-11-01T12:30 -- python train.py
    """
    place = here(app)
    end_at = fields.begin(ended, "ended", place) if ended else app.now()
    start_at = fields.begin(started, "started", place) if started else end_at
    if start_at > end_at:
        raise UsageError("it cannot have ended before it started")
    spec = JobSpec(
        command=words or (name,),
        name=name,
        workdir=os.path.abspath(os.path.join(place.cwd, os.path.expanduser(workdir))),
        params=fields.parameters(params, "param", place),
        note=note,
    )
    spec = replace(spec, queue=queue) if queue else spec
    story = Story(ID, _story(spec, (start_at, end_at), _result(outcome, exit_code)))
    reading = Reading(AttemptKey(ID, 1, TOKEN), metrics=tuple(_metric(text, end_at) for text in metrics))
    outputs = {ID: _log(log, place.cwd)} if log else {}
    cargo = Cargo(os.urandom(KEY_BYTES).hex(), PLACE, app.now(), (story,), readings=(reading,), outputs=outputs)
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


def _story(spec: JobSpec, times: tuple[float, float], result: Result) -> tuple[Recorded, ...]:
    start_at, end_at = times
    key = AttemptKey(ID, 1, TOKEN)
    events: tuple[Event, ...] = (
        Submitted(start_at, spec),
        Assigned(start_at, Attempt(1, TOKEN, start_at, (Placement(PLACE, PLACE),))),
        Started(start_at, key),
        Ended(end_at, key, result),
    )
    return tuple(Recorded(ID, number, event) for number, event in enumerate(events, 1))


def _metric(text: str, at: float) -> Metric:
    name, equals, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        raise InvalidSpec(f"{text!r}: use NAME=NUMBER, as in acc=0.93", "metric") from None
    if not equals or not name:
        raise InvalidSpec(f"{text!r}: use NAME=NUMBER, as in acc=0.93", "metric")
    return Metric(name, 1, number, number, number, 0.0, at)


def _log(path: str, cwd: str) -> str:
    whole = os.path.abspath(os.path.join(cwd, os.path.expanduser(path)))
    if not os.path.isfile(whole):
        raise InvalidSpec(f"there is no file {whole}", "log")
    return whole

"""`submit`: from the command line to ids that are on disk."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from runyard.api import Receipt, Submission
from runyard.cli.context import App
from runyard.cli.job_options import WordsCommand, given, job_options, request
from runyard.cli.options import as_json, dry_run
from runyard.cli.render.text import counted, harmless, memory, numbers, words
from runyard.errors import StorageFull, Unavailable, UsageError
from runyard.model.filter import JobQuery
from runyard.submitting.build import Builder
from runyard.submitting.fields import Here

if TYPE_CHECKING:
    from runyard.model.spec import JobSpec

UNPLANNED = ("", "is about to be planned")
TRIES = 3
"""How often a submission is sent before it is given up. Its key makes it count once."""


@click.command("submit", cls=WordsCommand)
@job_options
@click.option("--file", "-f", metavar="FILE", help="Many jobs: a JSON or YAML list or JSON lines; - is standard input.")
@dry_run
@as_json
@click.pass_obj
def submit(app: App, /, words: tuple[str, ...], file: str | None, dry_run: bool, **options: Any) -> int:
    """Put a job, or many, into the queue.

    The command comes after `--` as it is; or it is one quoted text, which the shell runs; or a script file (`#!`,
    *.sh, *.py) with its arguments, of which a copy is kept: later edits change nothing.

    Unless told otherwise a job gets 1 cpu, no memory limit, no gpu, the queue `default`, no time limit, this
    directory and this environment.

    In a pipe only the ids are printed, one a line.

    \b
    Examples:
      ry submit -G1 -t 2h -- python train.py --lr 0.1
      ry submit "make data && make train"
      ry submit -a 0-9%2 train.sh
      ry submit -d afterok:12 -J report -- python report.py
      ry submit --file sweep.json

    A file holds a list of objects whose keys are the long flags, with `command` (a list or a text); a name in it can
    be waited for by `after`.
    """
    builder = Builder(app.service(), here(app), dry=dry_run)
    if file is not None:
        if words:
            raise UsageError("either a command or --file, please")
        submission = _bulk(builder, file, given(options))
    else:
        submission = builder.submission(request(words, options))
    if dry_run:
        return _preview(app, submission)
    receipt = deliver(app, submission)
    for remark in builder.remarks:
        app.output.note(f"ry: {harmless(remark)}")
    report(app, submission, receipt)
    return 0


def here(app: App) -> Here:
    """Where and when this command runs."""
    return Here(app.environ, os.getcwd(), app.now(), app.settings.environment_max_kb)


def _bulk(builder: Builder, file: str, common: dict[str, Any]) -> Submission:
    bulk = import_module("runyard.submitting.bulk")  # only who has a file pays for it
    gc.disable()  # 100,000 specs are kept to the end: looking for garbage among them doubles the time
    try:
        if file == "-":
            text = sys.stdin.read()
        else:
            with open(file, encoding="utf-8") as stream:
                text = stream.read()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    submission: Submission = bulk.submission(builder, bulk.parse(text), common)
    return submission


def deliver(app: App, submission: Submission) -> Receipt:
    """Send it; a server that went away meanwhile gets it again under the same key."""
    for _ in range(TRIES - 1):
        try:
            return app.service().submit(submission)
        except StorageFull:
            raise
        except Unavailable:
            app.forget_service()
    return app.service().submit(submission)


def report(app: App, submission: Submission, receipt: Receipt) -> None:
    """Tell the ids, and on a terminal what is going to happen."""
    output = app.output
    if output.as_json:
        output.json({"ids": receipt.ids, "existing": receipt.existing})
    elif not output.terminal:
        output.line("\n".join(map(str, receipt.ids)))
    elif len(receipt.ids) == 1:
        output.line(_one(app, submission.specs[0], receipt))
        output.line(f"  {asked(submission.specs[0])}")
    else:
        output.line(_many(submission, receipt))


def _one(app: App, spec: JobSpec, receipt: Receipt) -> str:
    job_id = receipt.ids[0]
    row = app.service().jobs(JobQuery(selectors=(str(job_id),)))[0]
    if receipt.existing:
        return f"job {job_id} ({harmless(row.name)}) is there already: {row.word}"
    waits = row.state == "pending"
    reason = (
        row.reason
        if row.reason not in UNPLANNED
        else ("starts when a GPU is free" if spec.resources.gpus.count else "starts when there is room")
    )
    return f"job {job_id} ({harmless(row.name)}) {row.word}" + (f": {harmless(reason)}" if waits else "")


def _many(submission: Submission, receipt: Receipt) -> str:
    new = sorted(set(receipt.ids) - set(receipt.existing))
    lines = [f"{counted(len(new), 'job')} queued: {numbers(new)}"] if new else []
    if receipt.existing:
        lines.append(f"{counted(len(receipt.existing), 'job')} there already: {numbers(receipt.existing)}")
    if submission.array is not None and submission.array.parallel:
        lines.append(f"  at most {submission.array.parallel} at a time")
    return "\n".join(lines)


def asked(spec: JobSpec) -> str:
    """What a job asks for, in words."""
    resources = spec.resources
    gpus = resources.gpus
    which = f" {gpus.model}" if gpus.model else ""
    share = f" with {memory(gpus.memory_mb)} each" if gpus.memory_mb else ""
    those = f" ({numbers(gpus.indices)})" if gpus.indices else ""
    parts = [
        counted(resources.cpus, "cpu"),
        f"{memory(resources.memory_mb)} memory" if resources.memory_mb else "no memory limit",
        f"{gpus.count}{which} gpu{'' if gpus.count == 1 else 's'}{those}{share}" if gpus.count else "no gpu",
        f"queue {spec.queue}",
        f"at most {words(spec.time_limit_s)}" if spec.time_limit_s else "no time limit",
    ]
    return ", ".join(parts) + (f", run by {spec.shell}" if spec.shell else "")


def _preview(app: App, submission: Submission) -> int:
    count = len(submission.array.indices) if submission.array is not None else len(submission.specs)
    if app.output.as_json:
        app.output.json({"would_submit": count, "specs": submission.specs, "array": submission.array})
        return 0
    app.output.line(f"would submit {counted(count, 'job')}")
    for spec in submission.specs[:20]:
        app.output.line(f"  {harmless(spec.label)}: {asked(spec)}: {harmless(spec.line)}")
    if len(submission.specs) > 20:
        app.output.line(f"  and {len(submission.specs) - 20} more")
    return 0

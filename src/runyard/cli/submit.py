"""`submit`: from the command line to ids that are on disk."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from runyard.api import Receipt, Submission
from runyard.cli.context import App
from runyard.cli.contract import asked, other_options
from runyard.cli.job_options import WordsCommand, given, job_options, request
from runyard.cli.options import as_json, complete_files, dry_run
from runyard.cli.render.text import counted, harmless, label, numbers
from runyard.errors import StorageFull, Unavailable, UsageError
from runyard.model.filter import JobQuery
from runyard.model.listing import shown
from runyard.submitting.build import Builder
from runyard.submitting.dependencies import DEFAULT_KIND
from runyard.submitting.ground import Here, here_of

if TYPE_CHECKING:
    from runyard.model.spec import JobSpec

PREVIEWED = 20
"""How many entries of a file --dry-run shows."""
TRIES = 3
"""How often a submission is sent before it is given up. Its key makes it count once."""


@click.command("submit", cls=WordsCommand)
@job_options
@click.option(
    "--file", "-f", metavar="FILE", shell_complete=complete_files,
    help="Many jobs: a JSON or YAML list or JSON lines; - is standard input.",
)  # fmt: skip
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

    A file holds a list of objects whose keys are the long flags, with `command` (a list or a text; with `script: true`
    a list that begins with a script, which is copied). A name in it can be waited for by `after`, that of an array
    (`array: 0-9%2`) means all of its jobs.
    """
    builder = Builder(app.service(), here(app), dry=dry_run)
    if file is not None:
        if words:
            raise UsageError("either a command or --file, please")
        submission = _bulk(builder, file, given(options))
    else:
        submission = builder.submission(request(words, options))
    receipt = sent(app, submission, builder.remarks, dry_run)
    if receipt is not None:
        report(app, submission, receipt)
        if app.output.terminal and len(receipt.ids) == 1 and not receipt.existing:
            for told in twins(app, submission.specs[0], receipt.ids):
                app.output.note(f"ry: {told}")
    return 0


def here(app: App) -> Here:
    """Where and when this command runs, and the machine that it submits to."""
    return here_of(app.environ, app.now(), app.settings, app.ground)


def _bulk(builder: Builder, file: str, common: dict[str, Any]) -> Submission:
    bulk = import_module("runyard.submitting.bulk")  # only who has a file pays for it
    gc.disable()  # 100,000 specs are kept to the end: looking for garbage among them doubles the time
    submission: Submission = bulk.submission(builder, bulk.parse(text_of(file)), common)
    return submission


def text_of(file: str) -> str:
    """What the file holds; standard input too is UTF-8, whatever the locale says."""
    what = "standard input" if file == "-" else file
    try:
        if file == "-":
            data = sys.stdin.buffer.read() if sys.stdin is not None else b""
        else:
            with open(file, "rb") as stream:
                data = stream.read()
        return data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{what} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{what} is no text in UTF-8") from None


def sent(app: App, submission: Submission, remarks: Iterable[str], dry: bool) -> Receipt | None:
    """Deliver it, or show it (None); what was remarked when it was made is told."""
    tell(app, remarks)
    if dry:
        preview(app, submission)
        return None
    return deliver(app, submission)


def deliver(app: App, submission: Submission) -> Receipt:
    """Send it, and tell what the server remarks; one that went away meanwhile gets it again under the same key."""
    for last in (False,) * (TRIES - 1) + (True,):
        try:
            receipt = app.service().submit(submission)
            break
        except Unavailable as error:
            if last or isinstance(error, StorageFull):
                raise
            app.forget_service()
    tell(app, receipt.remarks)
    return receipt


def tell(app: App, remarks: Iterable[str]) -> None:
    """Tell what the user should know and did not ask."""
    for remark in remarks:
        app.output.note(f"ry: {harmless(remark)}")


def report(app: App, submission: Submission, receipt: Receipt) -> None:
    """Tell the ids, and on a terminal what is going to happen."""
    output = app.output
    if output.as_json:
        output.json(receipt)
    elif not output.terminal:
        output.line("\n".join(map(str, receipt.ids)))
    elif len(receipt.ids) == 1:
        output.line(_one(app, receipt))
        output.line(f"  {_asked(app, submission, 1)}")
    else:
        output.line(_many(receipt))
        if len(submission.specs) == 1:
            output.line(f"  {_asked(app, submission, 1)}")


def _one(app: App, receipt: Receipt) -> str:
    job_id = receipt.ids[0]
    row = app.service().jobs(JobQuery(selectors=(str(job_id),)))[0]
    if receipt.existing:
        return f"job {job_id} ({label(row)}) is there already: {row.word}"
    reason = f": {harmless(row.reason)}" if row.state == "pending" else ""
    return f"job {job_id} ({label(row)}) {row.word}{reason}"


def twins(app: App, spec: JobSpec, new: Sequence[int] = ()) -> list[str]:
    """That another job has the same code, command and parameters, if the latest such one is not among the new ones."""
    service = app.service()
    found = [job_id for job_id in service.alike(spec) if job_id not in new][:1]
    rows = service.jobs(JobQuery(selectors=(str(found[0]),))) if found else ()
    return [f"job {row.id} ({label(row)}), {row.word}, has the same code, command and parameters" for row in rows]


def _many(receipt: Receipt) -> str:
    new = sorted(set(receipt.ids) - set(receipt.existing))
    lines = [f"{counted(len(new), 'job')} queued: {numbers(new)}"] if new else []
    if receipt.existing:
        lines.append(f"{counted(len(receipt.existing), 'job')} there already: {numbers(receipt.existing)}")
    return "\n".join(lines)


def _asked(app: App, submission: Submission, place: int) -> str:
    """What the job at this place asks for, and all else that its user said. (That it is held says its state.)"""
    array = submission.arrays.get(place)
    limit = [f"at most {array.parallel} at a time"] if array is not None and array.parallel else []
    spec = submission.specs[place - 1]
    more = (name if text == "true" else f"{name} {text}" for name, text in other_options(spec))
    return asked(spec, [*limit, *_before(spec, submission), *more])


def _before(spec: JobSpec, submission: Submission) -> Iterator[str]:
    """Whom it waits for, by numbers and by names of this submission."""
    for kind in dict.fromkeys(wanted.kind for wanted in spec.after):
        mine = [wanted.job_id for wanted in spec.after if wanted.kind == kind]
        names = [harmless(submission.specs[-job_id - 1].label) for job_id in mine if job_id < 0]
        ids = [numbers([job_id for job_id in mine if job_id > 0])] if max(mine) > 0 else []
        yield f"{'after' if kind == DEFAULT_KIND else kind} {shown([*ids, *names])}"


def preview(app: App, submission: Submission) -> None:
    """Tell what would be submitted."""
    specs, arrays = submission.specs, submission.arrays
    count = len(specs) - len(arrays) + sum(len(array.indices) for array in arrays.values())
    if app.output.as_json:
        app.output.json({"would_submit": count, "specs": specs, "arrays": arrays})
        return
    app.output.line(f"would submit {counted(count, 'job')}")
    for place, spec in enumerate(specs[:PREVIEWED], 1):
        many = f"[{len(arrays[place].indices)} jobs]" if place in arrays else ""
        line = f": {harmless(spec.line)}" if spec.line != spec.label else ""
        held = "held, " if spec.hold else ""
        app.output.line(f"  {harmless(spec.label)}{many}: {held}{_asked(app, submission, place)}{line}")
    if len(specs) > PREVIEWED:
        app.output.line(f"  and {len(specs) - PREVIEWED} more")

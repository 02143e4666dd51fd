"""`show` and its parts: everything about one job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module

import click

from runyard.api import JobDetail, JobRow, Service
from runyard.cli.code_facts import code_facts
from runyard.cli.context import App
from runyard.cli.contract import asked, other_options
from runyard.cli.ls import elapsed, gpus, progress
from runyard.cli.options import SELECTORS, as_json, one_job
from runyard.cli.render.facts import line_of
from runyard.cli.render.json import plain
from runyard.cli.render.text import harmless, label, memory, moment, numbers, span
from runyard.cli.selecting import attempt_of, single
from runyard.errors import Conflict, NotFound
from runyard.model.attempt import Attempt
from runyard.model.checkpoint import GOES_ON
from runyard.model.ending import describe, exit_code
from runyard.model.events import KIND_OF
from runyard.model.group import GroupQuery
from runyard.model.metrics import Measured, Metric
from runyard.model.notice import Told
from runyard.model.outcome import ENDED_BADLY

NAMES_SHOWN = 8
METRICS_SHOWN = 12
WORDS_LINES = 5
WORDS_BYTES = 2_000
"""So much of the output of a job that failed."""

INFERRED = "inferred"


@click.command("show", epilog=SELECTORS)
@one_job
@click.option("--script", is_flag=True, help="Print the script as it was copied at submit, and nothing else.")
@as_json
@click.pass_obj
def show(app: App, selector: str, script: bool) -> int:
    """Everything about a job (default: your last one); of one that failed also its last output.

    Times are local. The command is written as a shell would read it, so that it can be typed again.

    \b
    Examples:
      ry show 12
      ry show 12 --script
    """
    service = app.service()
    detail = service.job(single(app, attempt_of(selector)[0]).id)
    if script:
        return _script(app, detail)
    if app.output.as_json:
        app.output.json(record(detail))
        return 0
    measured = service.metrics(detail.row.id) if detail.row.metrics else ()
    group = _group(service, detail.row.group)
    app.output.facts([*_facts(detail, app.now(), measured, group), *_last_words(service, detail.row)])
    return 0


def _script(app: App, detail: JobDetail) -> int:
    if not detail.spec.script:
        raise NotFound(f"job {detail.row.id} has no script: its command is {detail.row.command}")
    log = app.output.log()
    log.write(app.service().blob(detail.spec.script))
    log.end()
    return 0


def record(detail: JobDetail) -> dict[str, object]:
    """The job for `--json`: the fields of `ls`, and beside them the rest."""
    events = [
        {"number": event.number, "kind": KIND_OF[type(event.event)], **plain(event.event)} for event in detail.events
    ]
    rest = {name: value for name, value in plain(detail).items() if name not in ("row", "events")}
    return {**plain(detail.row), **rest, "events": events}


def _group(service: Service, number: int | None) -> str:
    """What a sweep or a pipeline is called."""
    rows = service.groups(GroupQuery(id=number)) if number is not None else ()
    return "".join(f" ({row.group.kind} {row.group.name})" for row in rows)


def _facts(detail: JobDetail, now: float, measured: Sequence[Measured], group: str) -> Iterator[tuple[str, str]]:
    row, spec = detail.row, detail.spec
    yield "job", f"{row.id} ({label(row)})"
    yield "state", _state(row)
    if row.note:
        yield "note", harmless(row.note)
    if row.reason:
        yield "reason", harmless(row.reason)
    yield "command", line_of(spec.command, bool(spec.shell))
    if spec.script:
        yield "script", f"copied at submit; `ry show {row.id} --script` prints it"
    for line in spec.setup:
        yield "setup", harmless(line)
    if spec.template:
        yield "template", harmless(spec.template)
    if spec.params:
        yield "parameters", ", ".join(harmless(f"{name}={value}") for name, value in spec.params)
    for name, value in spec.public:
        yield "variable", harmless(f"{name}={value}")
    yield "workdir", harmless(row.workdir)
    yield from code_facts(detail)
    yield "asks for", asked(spec)
    if detail.limits:
        yield "limits", harmless(detail.limits)
    if spec.after:
        yield "after", ", ".join(f"{after.kind}:{after.job_id}" for after in spec.after)
    yield from other_options(spec)
    yield from _place(row, group)
    yield "user", harmless(row.user)
    yield "submitted", moment(row.submitted_at)
    yield from _times(row, now)
    if progress(row):
        yield "progress", progress(row)
    if measured:
        yield from _metrics(measured[-1].metrics)
    if detail.environment:
        shown = ", ".join(harmless(name) for name in detail.environment[:NAMES_SHOWN])
        more = len(detail.environment) - NAMES_SHOWN
        yield "environment", f"{len(detail.environment)} variables: {shown}" + (f" and {more} more" if more > 0 else "")
    for told in detail.told:
        yield "told", _told(told)
    if detail.dependants:
        yield "waited for by", numbers(detail.dependants)
    for attempt in detail.attempts:
        yield f"attempt {attempt.number}", _attempt(attempt)


def _metrics(metrics: Sequence[Metric]) -> Iterator[tuple[str, str]]:
    """The last value of each, and between which all of them were."""
    for place, metric in enumerate(metrics[:METRICS_SHOWN]):
        between = f", from {metric.least:.6g} to {metric.most:.6g} in {metric.count} values" if metric.count > 1 else ""
        yield "metrics" * (not place), f"{metric.name} {metric.last:.6g} at step {metric.step:.6g}{between}"
    if len(metrics) > METRICS_SHOWN:
        yield "", f"and {len(metrics) - METRICS_SHOWN} more; `--json` has the last value of each"


def _state(row: JobRow) -> str:
    code = f", exit code {row.exit_code}" if row.exit_code is not None else ""
    flags = "".join(f", {flag}" for flag in row.flags)
    return row.word + code + flags


def _place(row: JobRow, group: str) -> Iterator[tuple[str, str]]:
    if row.group is not None:
        index = f", index {row.array_index}" if row.array_index is not None else ""
        yield "group", f"{row.group}{harmless(group)}{index}"
    if row.host:
        pid = f", pid {row.pid}" if row.pid else ""
        devices = f", gpu {gpus(row)}" if row.gpus else ""
        yield "host", f"{harmless(row.host)}{pid}{devices}"


def _times(row: JobRow, now: float) -> Iterator[tuple[str, str]]:
    if row.started_at is not None:
        ran = "ran" if row.ended_at is not None else "has run"
        yield "started", f"{moment(row.started_at)}, {ran} {elapsed(row, now)}"
    if row.ended_at is not None:
        yield "ended", moment(row.ended_at)


def _attempt(attempt: Attempt) -> str:
    parts = [f"assigned {moment(attempt.assigned_at)}"]
    if attempt.started_at is not None:
        parts.append(f"started {moment(attempt.started_at)}")
    if attempt.ended_at is not None and attempt.started_at is not None:
        parts.append(f"ran {span(attempt.ended_at - attempt.started_at)}")
    if attempt.paused_s:
        parts.append(f"paused for {span(attempt.paused_s)}")
    if attempt.pause is not None:
        by = f" by {attempt.pause.by}" if attempt.pause.by else ""
        parts.append(f"paused since {moment(attempt.pause.at)}{by}")
    for placement in attempt.placements:
        if placement.ports:
            parts.append(f"port{'s' if len(placement.ports) > 1 else ''} {', '.join(map(str, placement.ports))}")
        if placement.result is not None:
            parts.append(_result(exit_code(placement.result.wait_status), placement.result.why))
            parts += [text for text in (describe(placement.result),) if text]
            if placement.result.max_rss_mb:
                parts.append(f"{span(placement.result.cpu_s)} of cpu, {memory(placement.result.max_rss_mb)} at most")
            source = placement.result.source
            parts.append(source if source == INFERRED else f"known from the {source}")
    return harmless(", ".join(parts))


def _last_words(service: Service, row: JobRow) -> Iterator[tuple[str, str]]:
    """The end of the output of a job that failed: it mostly says why."""
    if row.outcome not in ENDED_BADLY or not row.exit_code:
        return
    try:
        data = service.tail(row.id, 0, WORDS_LINES).data
    except (Conflict, NotFound):  # it was collected, or there was none
        return
    lines: list[str] = import_module("runyard.cli.render.tame").bare(data[-WORDS_BYTES:]) if data else []
    for place, line in enumerate(lines):
        yield "last output" * (not place), line


def _told(told: Told) -> str:
    """How a hook took what was said of it."""
    how = "told" if not told.problem else f"not told: {harmless(told.problem)}"
    later = f"; again at {moment(told.again_at)}" if told.again_at is not None else ""
    return f"{told.hook}: {told.event} {how}, {moment(told.at)}{later}"


def _result(code: int | None, why: str) -> str:
    if why and why not in GOES_ON:
        return why
    return "no exit code" if code is None else f"exit code {code}"

"""`logs`, `tail` and `head`: the output of jobs, while they run and afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

import click

from runyard.api import Chunk, JobRow
from runyard.cli.context import App
from runyard.cli.following import CHUNK_BYTES, Enough, Follower, Sink
from runyard.cli.options import SELECTORS, any_jobs
from runyard.cli.render.output import LogOutput
from runyard.cli.render.text import harmless, label
from runyard.cli.selecting import attempt_of, selected, single
from runyard.errors import Conflict, NotFound, UsageError

LINES = 10
LINES_MAX = 1_000_000
_NUMBER = re.compile(r"-\d+")

raw = click.option("--raw", is_flag=True, help="The bytes as they are, also on a terminal.")
follow_flag = click.option("-f", "--follow", is_flag=True, help="Go on as more is written, to the end of the job.")


class LinesCommand(click.Command):
    """A verb that takes `-20` for `-n 20`, as tail and head do."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(_spelled_out(args)))


def _spelled_out(args: Sequence[str]) -> Iterator[str]:
    before = ""
    for arg in args:
        yield f"-n{arg[1:]}" if _NUMBER.fullmatch(arg) and before not in ("-n", "--lines") else arg
        before = arg


@click.command("logs", cls=LinesCommand, epilog=SELECTORS + "\n12.2 is the second attempt of job 12; NAME.2 works too.")
@any_jobs
@follow_flag
@click.option("-n", "--lines", type=click.IntRange(0, LINES_MAX), help="Only the last lines.")
@raw
@click.pass_obj
def logs(app: App, selectors: tuple[str, ...], follow: bool, lines: int | None, raw: bool) -> int:
    """The output of a job (default: your last one).

    On a terminal colours are shown and all other escape sequences are not; in a pipe the bytes are untouched.

    \b
    Examples:
      ry logs 12
      ry logs -f
      ry logs 12.1 -n 50
    """
    return _show(app, selectors, _Wanted("tail" if lines is not None else "all", lines or 0, follow, raw))


@click.command("tail", cls=LinesCommand, epilog=SELECTORS)
@any_jobs
@follow_flag
@click.option("-n", "--lines", type=click.IntRange(0, LINES_MAX), default=LINES, help="How many (default: 10).")
@raw
@click.pass_obj
def tail(app: App, selectors: tuple[str, ...], follow: bool, lines: int, raw: bool) -> int:
    """The last lines of a job's output.

    \b
    Examples:
      ry tail 12
      ry tail -3 12 13
      ry tail -f
    """
    return _show(app, selectors, _Wanted("tail", lines, follow, raw))


@click.command("head", cls=LinesCommand, epilog=SELECTORS)
@any_jobs
@click.option("-f", "--follow", is_flag=True, help="Wait until so many lines have been written.")
@click.option("-n", "--lines", type=click.IntRange(0, LINES_MAX), default=LINES, help="How many (default: 10).")
@raw
@click.pass_obj
def head(app: App, selectors: tuple[str, ...], follow: bool, lines: int, raw: bool) -> int:
    """The first lines of a job's output.

    \b
    Examples:
      ry head 12
      ry head -3 'train*'
    """
    return _show(app, selectors, _Wanted("head", lines, follow, raw))


class _Wanted:
    """Which part of an output, and how."""

    def __init__(self, part: str, lines: int, follow: bool, raw: bool) -> None:
        self.part = part
        self.lines = lines
        self.follow = follow
        self.raw = raw


class FirstLines:
    """Passes the first lines on and then wants no more."""

    def __init__(self, sink: Sink, lines: int) -> None:
        self._sink = sink
        self._left = lines

    def write(self, data: bytes) -> None:
        end = 0
        while self._left and end < len(data):
            found = data.find(b"\n", end)
            end = len(data) if found < 0 else found + 1
            self._left -= found >= 0
        self._sink.write(data[:end])
        if not self._left:
            raise Enough


def chosen(app: App, selectors: Sequence[str]) -> list[tuple[JobRow, int]]:
    """The jobs, each with the attempt that is meant (0: the latest)."""
    meant = [_attempt_of(app, text) for text in selectors or ("@",)]
    if len(meant) > 1 and not any(number for _, number in meant):
        return [(row, 0) for row in selected(app, selectors)]
    found = []
    for job, number in meant:
        found += (
            [(single(app, job), number)] if number or not selectors else [(row, 0) for row in selected(app, (job,))]
        )
    return found


def _attempt_of(app: App, selector: str) -> tuple[str, int]:
    """As `attempt_of`, of a name too (`train.2`), unless a job is called so with the dot and all."""
    name, dot, number = selector.rpartition(".")
    if dot and name and not name.isdecimal() and attempt_of(f"1.{number}")[1]:
        try:
            selected(app, (selector,))
        except NotFound:
            return name, int(number)
    return attempt_of(selector)


def _show(app: App, selectors: Sequence[str], wanted: _Wanted) -> int:
    jobs = chosen(app, selectors)
    if wanted.follow and len(jobs) > 1:
        raise UsageError("one job at a time can be followed")
    code = 0
    for place, (row, number) in enumerate(jobs):
        if len(jobs) > 1:
            app.output.line(("\n" if place else "") + f"==> {row.id} ({label(row)}) <==")
            if not row.attempt:
                continue
        log = app.output.log(raw=wanted.raw)
        try:
            _one(app, row, number, wanted, log)
        except (Conflict, NotFound) as error:
            if len(jobs) == 1:
                raise
            app.output.note(f"ry: {harmless(error.message)}")
            code = 1
        finally:
            log.end()
    return code


def _one(app: App, row: JobRow, number: int, wanted: _Wanted, log: LogOutput) -> None:
    if wanted.follow:
        _follow(app, row, number, wanted, log)
    elif wanted.part == "all":
        _whole(app, row.id, number, log)
    else:
        log.write(_lines(app, row.id, number, wanted).data)


def _follow(app: App, row: JobRow, number: int, wanted: _Wanted, log: LogOutput) -> None:
    sink: Sink = FirstLines(log, wanted.lines) if wanted.part == "head" else log
    follower = Follower(app, row.id, sink, number)
    if wanted.part == "tail" and row.attempt:
        chunk = _lines(app, row.id, number, wanted)
        log.write(chunk.data)
        follower.skip(chunk, number or row.attempt)
    with suppress(Enough):
        follower.to_the_end()


def _lines(app: App, job_id: int, number: int, wanted: _Wanted) -> Chunk:
    if wanted.part == "head":
        return app.service().head(job_id, number, wanted.lines)
    return app.service().tail(job_id, number, wanted.lines)


def _whole(app: App, job_id: int, number: int, log: LogOutput) -> None:
    """All that there is now; what is written meanwhile is not waited for."""
    offset, size = 0, None
    while size is None or offset < size:
        chunk = app.service().output(job_id, number, offset, CHUNK_BYTES)
        size = chunk.size if size is None else size
        if not chunk.data:
            return
        log.write(chunk.data)
        offset = chunk.offset + len(chunk.data)

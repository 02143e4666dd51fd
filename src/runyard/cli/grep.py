"""`grep`: search the output of jobs, running or ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click

from runyard.api import GrepQuery
from runyard.cli.context import App
from runyard.cli.logs import chosen
from runyard.cli.options import SELECTORS, any_jobs
from runyard.cli.render.output import LogOutput
from runyard.cli.render.text import harmless
from runyard.errors import Conflict, NotFound, UsageError

LINES_MAX = 1_000_000
FOUND, NOT_FOUND = 0, 1

context_lines = click.IntRange(0, LINES_MAX)


@click.command("grep", epilog=SELECTORS)
@click.argument("pattern")
@any_jobs
@click.option("-i", "ignore_case", is_flag=True, help="Ignore case.")
@click.option("-v", "invert", is_flag=True, help="Lines that do not match.")
@click.option("-n", "number", is_flag=True, help="With line numbers.")
@click.option("-c", "count", is_flag=True, help="Only count the lines.")
@click.option("-E", "extended", is_flag=True, help="An extended regular expression.")
@click.option("-A", "after", type=context_lines, default=0, metavar="NUM", help="So many lines after each.")
@click.option("-B", "before", type=context_lines, default=0, metavar="NUM", help="So many lines before each.")
@click.option("-C", "around", type=context_lines, default=0, metavar="NUM", help="So many lines before and after.")
@click.option("--raw", is_flag=True, help="The bytes as they are, also on a terminal.")
@click.pass_obj
def grep(app: App, /, pattern: str, selectors: tuple[str, ...], around: int, raw: bool, **flags: bool | int) -> int:
    """Search the output of jobs (default: your last one).

    Of several jobs each line begins with the job's id. The exit code is grep's: 0 found, 1 not found, 2 an error.

    \b
    Examples:
      ry grep -i error
      ry grep -n -A2 'loss: nan' 12-20
    """
    query = GrepQuery(
        pattern,
        ignore_case=bool(flags["ignore_case"]),
        invert=bool(flags["invert"]),
        number=bool(flags["number"]),
        count=bool(flags["count"]),
        extended=bool(flags["extended"]),
        after=max(int(flags["after"]), around),
        before=max(int(flags["before"]), around),
    )
    jobs = chosen(app, selectors)
    several = len(jobs) > 1
    found = False
    for row, number in jobs:
        if several and not row.attempt:
            continue
        prefix = f"{row.id}:".encode() if several else b""
        log = app.output.log(raw=raw)
        try:
            found |= _search(app.service().grep(row.id, number, query), log, prefix, query.count)
        except (Conflict, NotFound) as error:
            if not several:  # 1 would say that it was searched, and nothing found
                raise UsageError(error.message) from None
            app.output.note(f"ry: {harmless(error.message)}")
        finally:
            log.end()
    return FOUND if found else NOT_FOUND


def _search(pieces: Iterable[bytes], log: LogOutput, prefix: bytes, count: bool) -> bool:
    """Show what was found; whether something was."""
    if count:
        total = b"".join(pieces).strip() or b"0"
        log.write(prefix + total + b"\n")
        return total != b"0"
    found = False
    for piece in prefixed(pieces, prefix):
        found = True
        log.write(piece)
    return found


def prefixed(pieces: Iterable[bytes], prefix: bytes) -> Iterator[bytes]:
    """The pieces with the prefix before each line; a line may span any number of them."""
    at_start = True
    for piece in pieces:
        if not piece:
            continue
        body = piece[:-1].replace(b"\n", b"\n" + prefix) + piece[-1:]
        yield prefix + body if at_start else body
        at_start = piece.endswith(b"\n")

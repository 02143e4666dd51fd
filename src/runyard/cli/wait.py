"""`wait`: until jobs have ended."""

from __future__ import annotations

import click

from runyard.api import JobRow
from runyard.cli.context import App
from runyard.cli.options import SELECTORS, as_json, some_jobs
from runyard.cli.render.text import harmless, label
from runyard.cli.selecting import selected
from runyard.cli.waiting import Remarks, Watcher, exit_code, until_ended
from runyard.submitting import durations


@click.command("wait", epilog=SELECTORS)
@some_jobs
@click.option("--timeout", metavar="SPAN", help="Give up after this time (a bare number is seconds): exit code 75.")
@as_json
@click.pass_obj
def wait(app: App, selectors: tuple[str, ...], timeout: str | None) -> int:
    """Wait until jobs have ended.

    Of one job the exit code is its own: 128+n for signal n, lost 70, skipped 71, timeout 124, not-started 127,
    cancelled 130. Of several it is 0 if all succeeded, else 1.

    \b
    Examples:
      ry wait 12 && echo good
      ry wait 'train*' --timeout 2h
    """
    timeout_s = None if timeout is None else durations.seconds(timeout, "timeout", bare_s=1)
    rows = selected(app, selectors)
    ended = []
    for row in until_ended(Watcher(app), rows, timeout_s, Remarks(app).held):
        ended.append(row)
        if len(rows) > 1 or app.output.terminal:
            app.output.note(told(row))
    ended.sort(key=lambda row: row.id)
    if len(ended) == 1:
        code = exit_code(ended[0])
        if app.output.as_json:
            app.output.json(verdict(ended[0], code))
        return code
    code = 0 if all(exit_code(row) == 0 for row in ended) else 1
    if app.output.as_json:
        app.output.json({"jobs": [verdict(row, exit_code(row)) for row in ended], "ry_exit_code": code})
    return code


def verdict(row: JobRow, code: int) -> dict[str, object]:
    """How a job ended, for `--json`: `exit_code` is the command's own, `ry_exit_code` what this command returns."""
    return {
        "id": row.id,
        "name": row.name,
        "outcome": row.outcome,
        "exit_code": row.exit_code,
        "reason": row.reason,
        "ry_exit_code": code,
    }


def told(row: JobRow) -> str:
    """How a job ended, in a line."""
    code = f" (exit code {row.exit_code})" if row.exit_code else ""
    why = f": {harmless(row.reason)}" if row.reason else ""
    return f"job {row.id} ({label(row)}) {row.word}{code}{why}"

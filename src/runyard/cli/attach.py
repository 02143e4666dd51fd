"""`attach`: the terminal of a running job, on this one."""

from __future__ import annotations

import click

from runyard.api import JobRow
from runyard.cli.attaching import Attached, Manner, keys_that_leave, possible
from runyard.cli.context import App
from runyard.cli.following import Follower
from runyard.cli.options import SELECTORS, one_job
from runyard.cli.render.text import label
from runyard.cli.selecting import single
from runyard.cli.wait import told
from runyard.cli.waiting import DONE, exit_code
from runyard.errors import Conflict
from runyard.foreign.terminal import window_size

LINES = 10
"""Of what was written before, where no window says how many fit."""


@click.command("attach", epilog=SELECTORS)
@one_job
@click.option("-r", "--read-only", is_flag=True, help="Look only: nothing that is typed goes to the job.")
@click.option(
    "--detach-keys", metavar="KEYS", help="What leaves: ctrl-\\, 'ctrl-a d', none (default: as config.toml says)."
)
@click.pass_obj
def attach(app: App, selector: str, read_only: bool, detach_keys: str | None) -> int:
    """Your terminal to that of a running job (default: your last one).

    The job needs a terminal: submit it with --tty, or let its queue give it one. Ctrl-\\ detaches, and the job runs on;
    so it does if this terminal is closed. Several may look and type at a time; the window is that of who typed, came
    or changed his last. Where a job has no terminal, or this is not typed on one, its output is followed.

    The exit code is the job's, or 0 if you detach.

    \b
    Examples:
      ry attach 12
      ry attach --read-only train
      ry attach --detach-keys 'ctrl-a d' @
    """
    row = single(app, selector)
    if row.state == DONE:
        raise Conflict(f"job {row.id} ({label(row)}) has ended: it is {row.word}; `ry logs {row.id}` shows its output")
    keys = keys_that_leave(app, detach_keys)
    if not app.service().job(row.id).spec.tty:
        app.output.note(f"ry: job {row.id} ({label(row)}) has no terminal: this follows its output, Ctrl-C ends that")
        return _ended(app, _follow(app, row))
    if not possible():
        app.output.note(f"ry: this is no terminal: the output of job {row.id} is followed, nothing is sent to it")
        return _ended(app, _follow(app, row))
    last = Attached(app, row.id, Manner(keys, read_only)).to_the_end()
    if last is None:
        app.output.note(f"ry: detached; job {row.id} runs on, `ry attach {row.id}` comes back")
        return 0
    return _ended(app, last)


def _follow(app: App, row: JobRow) -> JobRow:
    """Its last lines, and what comes, to its end."""
    log = app.output.log()
    follower = Follower(app, row.id, log)
    if row.attempt:
        size = window_size(1)
        chunk = app.service().tail(row.id, 0, size.rows - 1 if size else LINES)
        log.write(chunk.data)
        follower.skip(chunk, row.attempt)
    try:
        return follower.to_the_end()
    finally:
        log.end()


def _ended(app: App, row: JobRow) -> int:
    code = exit_code(row)
    app.output.note(f"ry: {told(row)}")
    return code

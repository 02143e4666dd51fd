"""`run`: submit, show the output as it comes, exit with the job's code."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from runyard.api import JobRow, StopCall
from runyard.cli.attaching import Attached, Manner, keys_that_leave, possible
from runyard.cli.context import App
from runyard.cli.following import Follower
from runyard.cli.job_options import WordsCommand, job_options, request
from runyard.cli.options import as_json
from runyard.cli.render.output import LogOutput
from runyard.cli.submit import deliver, here, tell
from runyard.cli.wait import told, verdict
from runyard.cli.waiting import exit_code
from runyard.errors import UsageError
from runyard.submitting.build import Builder

EXIT_DETACHED = 130
SIGKILL = 9
ENDING = (signal.SIGTERM, signal.SIGHUP)
DETACH, STOP, CONTINUE = "d", "s", "c"


@click.command("run", cls=WordsCommand)
@job_options
@click.option("--detach-keys", metavar="KEYS", help="With --tty, what leaves (default: as config.toml says: ctrl-\\).")
@as_json
@click.pass_obj
def run(app: App, /, words: tuple[str, ...], detach_keys: str | None, **options: Any) -> int:
    """Submit, show the output, exit with the job's code.

    The exit code is the command's own, 128+n for signal n, or: lost 70, skipped 71, timeout 124, not-started 127,
    cancelled 130. With --json the output goes to standard error and the verdict to standard output; there
    `exit_code` is the command's and `ry_exit_code` ours.

    Ctrl-C asks whether to detach from the job or to stop it; a second Ctrl-C stops it. Where nobody can be asked,
    Ctrl-C stops it. If this command is ended otherwise (TERM, a terminal that is closed, a pipe that nobody reads any
    more), the job runs on.

    With --tty, on a terminal, this attaches to the job instead (see `ry help attach`): every key goes to it, Ctrl-\\
    detaches.

    \b
    Examples:
      ry run -G1 -- python train.py
      ry run -t 10 "make test"
    """
    keys = keys_that_leave(app, detach_keys)
    builder = Builder(app.service(), here(app))
    submission = builder.submission(request(words, options))
    if submission.arrays:
        raise UsageError("run follows one job: submit an array with `ry submit` and wait for it with `ry wait`")
    tell(app, builder.remarks)
    attaches = submission.specs[0].tty and possible() and not app.output.as_json
    manner = Manner(keys, whole=True) if attaches else None
    early = _EarlyInterrupt()
    try:
        job_id = deliver(app, submission).ids[0]
        with _last_word(app, job_id):
            row = _Run(app, job_id, early, manner).to_the_end()
    finally:
        early.end()
    if row is None:
        back = f"`ry attach {job_id}` comes back" if manner is not None else f"`ry logs -f {job_id}` shows it"
        app.output.note(f"job {job_id} runs on; {back}")
        return EXIT_DETACHED
    code = exit_code(row)
    if app.output.as_json:
        app.output.json(verdict(row, code))
    elif code:
        app.output.note(f"ry: {told(row)}")
    return code


class _EarlyInterrupt:
    """A Ctrl-C while the job is on its way: it counts when there is a job to ask about. A second one counts at once."""

    def __init__(self) -> None:
        self._came = False
        self._waits = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._waits:
            signal.signal(signal.SIGINT, self._put_off)

    def _put_off(self, number: int, frame: object) -> None:
        if self._came:
            raise KeyboardInterrupt
        self._came = True

    def count(self) -> None:
        """From now on a Ctrl-C counts, and so does the one that has come."""
        self.end()
        came, self._came = self._came, False
        if came:
            raise KeyboardInterrupt

    def end(self) -> None:
        """Nothing is put off any longer."""
        if self._waits:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._waits = False


@contextmanager
def _last_word(app: App, job_id: int) -> Iterator[None]:
    """If we end before the job does, it is said that the job runs on; then we end as we would have ended anyway."""
    text = f"ry: job {job_id} runs on; `ry stop {job_id}` stops it, `ry logs -f {job_id}` shows its output"

    def end(number: int, frame: object) -> None:
        app.output.last_word(text)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    ours = [number for number in ENDING if signal.getsignal(number) is signal.SIG_DFL]  # nohup ignores one of them
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    except BrokenPipeError:
        app.output.last_word(text)
        raise
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


class _Run:
    """A job in the foreground, and what Ctrl-C does to it."""

    def __init__(self, app: App, job_id: int, early: _EarlyInterrupt, manner: Manner | None) -> None:
        """`manner`: how it is attached to (None: its output is shown)."""
        self._app = app
        self._manner = manner
        self._early = early
        self._job_id = job_id
        self._follower: Follower | None = None
        self._log: LogOutput | None = None
        self._stopping = False

    def to_the_end(self) -> JobRow | None:
        """The job's last row, or None where the user detached. From here on Ctrl-C asks: there is a job."""
        while True:
            try:
                self._early.count()
                return self._follow()
            except KeyboardInterrupt:
                choice = self._choice()
                if choice == DETACH:
                    if self._log is not None:
                        self._log.end()
                    return None
                if self._follower is not None:
                    self._follower.reconnect()
                if choice == STOP:
                    self._stop()

    def _follow(self) -> JobRow | None:
        output = self._app.output
        if self._log is None:
            output.note(f"job {self._job_id}")
            self._log = output.log(to_stderr=output.as_json)
        if self._manner is not None:
            attached = Attached(self._app, self._job_id, self._manner)
            row = attached.to_the_end()
            if row is None or attached.seen:
                return row
        if self._follower is None:
            self._follower = Follower(self._app, self._job_id, self._log)
        last = self._follower.to_the_end()
        self._log.end()
        return last

    def _choice(self) -> str:
        """What to do; a second Ctrl-C while asked means stop."""
        if self._stopping or not self._app.output.asks:
            return STOP
        try:
            answer = self._app.output.ask(f"\njob {self._job_id}: (d)etach, (s)top or (c)ontinue?")
        except KeyboardInterrupt:
            return STOP
        return answer[:1] if answer[:1] in (STOP, CONTINUE) else DETACH

    def _stop(self) -> None:
        """Ask it to end; if it was asked before, kill it."""
        call = StopCall((self._job_id,), SIGKILL) if self._stopping else StopCall((self._job_id,))
        self._app.output.note(f"ry: {'killing' if self._stopping else 'stopping'} job {self._job_id}")
        self._stopping = True
        self._app.service().stop(call)

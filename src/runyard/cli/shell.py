"""`shell`: the same verbs at a prompt of their own, or from the lines of standard input.

Each line is one call of the command: the parser, the errors and the exit codes are those of `ry`. What goes wrong in a
line does not leave the shell.
"""

from __future__ import annotations

import os
import shlex
import sys
import traceback
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any

import click

from runyard.cli.context import App
from runyard.cli.lazy import LEAVE
from runyard.cli.use import remember
from runyard.errors import UsageError
from runyard.settings import LOCAL

if TYPE_CHECKING:
    from runyard.cli.prompt import Prompt

OURSELVES = ("ry", "runyard")
"""The word that begins a line outside of the shell."""
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


@click.command("shell")
@click.pass_context
def shell(ctx: click.Context) -> int:
    """All verbs at a prompt: with completion, history, and a line that says what runs.

    `exit`, `quit` or Ctrl-D leaves; Ctrl-C drops the line, or interrupts the verb that runs. A machine that was named
    (`ry --host gpu1 shell`) is remembered, as `ry use gpu1` does. Where standard input is no terminal, each of its
    lines is a command (`#` begins a remark), and the exit code is that of the last one that failed.

    \b
    Examples:
      ry shell
      ry --host gpu1 shell
      ry shell < commands
    """
    app: App = ctx.obj
    if app.shell is not None:
        raise UsageError("this is the shell; `exit` leaves it")
    lines = Shell(app, ctx.find_root().command)
    if not (app.output.asks and app.output.terminal):
        return lines.from_script(sys.stdin)
    if app.flags.get("host") not in (None, LOCAL):
        app.service()
        remember(app)
        app.output.note(f"{app.settings.host} is remembered; `ry use local` forgets it")
    prompt: Prompt = import_module("runyard.cli.prompt").Prompt(lines)
    return lines.from_terminal(prompt)


class Shell:
    """Runs lines. `flags` are those of the shell itself, which hold for all of them."""

    def __init__(self, app: App, root: click.Command) -> None:
        self.root = root
        self.flags: dict[str, Any] = {name: value for name, value in app.flags.items() if value is not None}
        self._app = app

    def app(self) -> App:
        """A call of the command."""
        made = self._app.line_of(self)
        made.use({})
        return made

    def from_terminal(self, prompt: Prompt) -> int:
        """Ask for lines until the user leaves."""
        with prompt:
            while True:
                try:
                    line = prompt.ask()
                    if line is None or _words(line)[:1] in ([word] for word in LEAVE):
                        return 0
                    self.run(line)
                except ValueError as error:
                    self._app.output.note(f"ry: {error}".lower())
                except KeyboardInterrupt:
                    pass

    def from_script(self, source: IO[str]) -> int:
        """Run each line; the exit code of the last that failed. What they run finds an empty standard input."""
        with open(os.dup(source.fileno()), encoding="utf-8", errors="surrogateescape") as lines:
            with open(os.devnull) as nothing:
                os.dup2(nothing.fileno(), source.fileno())
            code = 0
            for line in iter(lines.readline, ""):
                try:
                    if _words(line)[:1] in ([word] for word in LEAVE):
                        break
                    code = self.run(line) or code
                except ValueError as error:
                    self._app.output.note(f"ry: {error}: {line.strip()}")
                    code = EXIT_USAGE
        return code

    def run(self, line: str) -> int:
        """One line; its exit code."""
        words = _words(line)
        if words[:1] in ([word] for word in OURSELVES):
            words = words[1:] or ["ls"]
        if not words:
            return 0
        try:
            self.root.main(words, "ry", obj=self.app())
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 0
        except KeyboardInterrupt:
            return EXIT_INTERRUPTED
        except Exception:  # noqa: BLE001  # a fault of ours in one verb must not cost the user his shell
            self._app.output.note(traceback.format_exc().rstrip())
            return 1
        return 0


def _words(line: str) -> list[str]:
    """The words of a line as a shell splits them. ValueError if a quote is not closed."""
    return [] if line.lstrip().startswith("#") else shlex.split(line)

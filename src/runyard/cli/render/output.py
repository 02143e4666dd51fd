"""The one way out: lines, tables, JSON and the bytes of logs, on a terminal or in a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib import import_module
from typing import Any, BinaryIO

from runyard.cli.render import grid as grids
from runyard.cli.render import json as jsons
from runyard.cli.render.grid import Grid
from runyard.cli.render.text import harmless, one_line


class Output:
    """Standard output and error of one command. `as_json` is set by the verb's `--json`.

    `terminal` and `asks` are looked up if not given: whether standard output is a terminal, and whether a person can
    be asked (standard input and error are one).
    """

    def __init__(self, terminal: bool | None = None, asks: bool | None = None) -> None:
        self._terminal = terminal
        self._asks = asks
        self.as_json = False

    @property
    def terminal(self) -> bool:
        return _is_terminal(sys.stdout) if self._terminal is None else self._terminal

    @property
    def asks(self) -> bool:
        if self._asks is None:
            return _is_terminal(sys.stdin) and _is_terminal(sys.stderr)
        return self._asks

    def line(self, text: str = "") -> None:
        """A line of the answer."""
        sys.stdout.write(text + "\n")

    def note(self, text: str) -> None:
        """A remark beside the answer, on standard error; silent where JSON was asked for."""
        if not self.as_json:
            sys.stdout.flush()
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def last_word(self, text: str) -> None:
        """Say this although the process is about to end: at once, or not at all.

        Nothing is flushed before it: a signal may have come in the middle of another line.
        """
        with suppress(OSError, ValueError):
            os.write(sys.stderr.fileno(), f"{text}\n".encode("utf-8", "backslashreplace"))

    def failure(self, kind: str, message: str, exit_code: int) -> None:
        """What went wrong: one line on standard error, or an object where JSON was asked for."""
        if self.as_json:
            self.json({"error": {"kind": kind, "message": message, "exit_code": exit_code}})
        else:
            self.note(f"ry: {one_line(message)}")

    def json(self, value: Any) -> None:
        """Records as JSON."""
        sys.stdout.write(jsons.dumps(value) + "\n")

    def grid(self, grid: Grid) -> None:
        """A table: drawn on a terminal, plain in a pipe."""
        if self.terminal:
            import_module("runyard.cli.render.table").draw(grid, sys.stdout)
        else:
            sys.stdout.write("\n".join(grids.plain(grid)) + "\n")

    def painted(self, word: str) -> str:
        """The word of a job's state, in its colour where the terminal has colours."""
        if not self.terminal:
            return word
        text: str = import_module("runyard.cli.render.table").painted(word, sys.stdout)
        return text

    def facts(self, facts: Iterable[tuple[str, str]]) -> None:
        """Named values, one under the other."""
        for line in import_module("runyard.cli.render.facts").lines(facts, self.terminal):
            self.line(line)

    def csv(self, rows: Iterable[Iterable[Any]]) -> None:
        """Rows as CSV; what is not known is an empty field. On a terminal texts are made harmless."""
        writer = import_module("csv").writer(sys.stdout, lineterminator="\n")
        shown = harmless if self.terminal else str
        for row in rows:
            writer.writerow(["" if value is None else shown(str(value)) for value in row])

    def raw(self, data: bytes) -> None:
        """Bytes as they are."""
        binary = _binary()
        binary.write(data)
        binary.flush()

    def ask(self, question: str) -> str:
        """The answer of the person at the terminal, in small letters ("" at the end of input)."""
        sys.stdout.flush()
        sys.stderr.write(question + " ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower()

    def prompt(self, text: str, default: str | None, checked: Callable[[str], str]) -> str:
        """What the person at the terminal types, or the default; asked again until `checked` takes it.

        `checked` returns the value, or raises click.UsageError with what is wrong.
        """
        sys.stdout.flush()
        asked: str = import_module("click").prompt(text, default=default, value_proc=checked, err=True)
        return asked

    def log(self, raw: bool = False, to_stderr: bool = False) -> LogOutput:
        """Where the output of a job goes."""
        return LogOutput(not raw and self.terminal and not to_stderr, to_stderr)


class LogOutput:
    """Shows the bytes of a job's output: untouched in a pipe, tamed on a terminal."""

    def __init__(self, tame: bool, to_stderr: bool = False) -> None:
        self._tame = import_module("runyard.cli.render.tame").Tame() if tame else None
        self._to_stderr = to_stderr

    def write(self, data: bytes) -> None:
        """Show a piece."""
        self._put(self._tame.feed(data).encode("utf-8") if self._tame else data)

    def end(self) -> None:
        """Show what is left; nothing more comes."""
        if self._tame:
            self._put(self._tame.end().encode("utf-8"))

    def _put(self, data: bytes) -> None:
        binary = _binary(self._to_stderr)
        binary.write(data)
        binary.flush()


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False


def _binary(to_stderr: bool = False) -> BinaryIO:
    stream = sys.stderr if to_stderr else sys.stdout
    stream.flush()
    return stream.buffer

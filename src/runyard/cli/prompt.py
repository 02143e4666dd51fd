"""The prompt of `ry shell`, made with prompt_toolkit: completion, history, the status line. Only that verb loads it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import History
from prompt_toolkit.shortcuts import CompleteStyle
from prompt_toolkit.styles import Style

from runyard.cli.lazy import LEAVE, LazyGroup
from runyard.cli.render.text import harmless
from runyard.cli.shells import Prompt as Tab
from runyard.cli.status_line import StatusLine
from runyard.errors import RunyardError
from runyard.settings import Home, Settings

if TYPE_CHECKING:
    from runyard.cli.shell import Shell

HISTORY_MAX = 1_000
"""How many lines of the history are kept."""
STYLE = Style.from_dict({"bottom-toolbar": "noreverse fg:ansibrightblack", "host": "bold"})


class Prompt:
    """Asks for lines: `with Prompt(shell) as prompt: prompt.ask()`."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._settings = shell.app().settings
        self._session: PromptSession[str] = PromptSession(
            history=Lines(Home(self._settings.home).history),
            completer=Verbs(shell),
            complete_while_typing=False,
            complete_in_thread=True,
            complete_style=CompleteStyle.MULTI_COLUMN,
            bottom_toolbar=lambda: f" {self._status.text}",
            style=STYLE,
        )
        self._status = self._new_status()

    def __enter__(self) -> Prompt:
        self._status.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._status.end()

    def ask(self) -> str | None:
        """The next line; None at the end of input. KeyboardInterrupt if the user drops the line."""
        try:
            return self._session.prompt(self._before())
        except EOFError:
            return None

    def _before(self) -> StyleAndTextTuples:
        """Whose yard it is."""
        with suppress(RunyardError):
            self._look_at(self._shell.app().settings)
        name = harmless(self._settings.host) if self._settings.is_far else "ry"
        return [("class:host", name), ("", "> ")]

    def _look_at(self, settings: Settings) -> None:
        """Where another yard is used from now on, the status line is that one's."""
        if settings != self._settings:
            self._settings = settings
            self._status.end()
            self._status = self._new_status()
            self._status.start()

    def _new_status(self) -> StatusLine:
        return StatusLine(self._shell.app, self._session.app.invalidate)


class Verbs(Completer):
    """What the Tab key offers: the same as in other shells."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._paths = {"file": PathCompleter(expanduser=True), "dir": PathCompleter(True, expanduser=True)}

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        line = document.text_before_cursor
        with suppress(RunyardError, OSError, ValueError):
            items, replaced = self._tab().offered(line)
            for item in items:
                if item.type in self._paths:
                    part = Document(replaced.partition("=")[2] if replaced.startswith("-") else replaced)
                    yield from self._paths[item.type].get_completions(part, complete_event)
                else:
                    about = harmless(item.help or "")
                    yield Completion(item.value, -len(replaced), display_meta=about)
            if " " not in line.lstrip():
                yield from (Completion(word, -len(line.lstrip())) for word in LEAVE if word.startswith(line.lstrip()))

    def _tab(self) -> Tab:
        root = self._shell.root
        assert isinstance(root, LazyGroup)
        return Tab(root, {"obj": self._shell.app()}, "ry", "")


class Lines(History):
    """The lines of earlier days, one each, in a file of the home (0600). One that begins with a blank is not kept."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def load_history_strings(self) -> Iterator[str]:
        """The latest first."""
        lines = self._read()
        if len(lines) > 2 * HISTORY_MAX:
            self._write(os.O_TRUNC, lines[-HISTORY_MAX:])
        yield from reversed(lines[-HISTORY_MAX:])

    def store_string(self, string: str) -> None:
        if string.strip() not in ("", *LEAVE) and not string.startswith(" "):
            with suppress(OSError):
                self._write(os.O_APPEND, [string])

    def _read(self) -> list[str]:
        try:
            with open(self._path, encoding="utf-8", errors="replace") as file:
                return [line for line in file.read().splitlines() if line]
        except OSError:
            return []

    def _write(self, how: int, lines: Iterable[str]) -> None:
        os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | how
        with open(os.open(self._path, flags, 0o600), "w", encoding="utf-8", errors="replace") as file:
            file.writelines(" ".join(line.splitlines()) + "\n" for line in lines)

"""The terminal that a command was typed on: its window, and the modes in which keys come to us as they are typed.

Who changes its mode restores it on every way out; a second look at how it was is never needed.
"""

from __future__ import annotations

import os
import select
import termios
import tty
from contextlib import suppress
from typing import Any, Optional, TypeVar

from runyard.model.frames import WindowSize


def is_terminal(fd: int) -> bool:
    """Whether this descriptor is open, and a terminal."""
    try:
        return os.isatty(fd)
    except OSError:
        return False


def window_size(fd: int) -> Optional[WindowSize]:
    """Columns and rows; None where the terminal does not say."""
    try:
        found = os.get_terminal_size(fd)
    except OSError:
        return None
    return WindowSize(found.columns, found.lines) if found.columns and found.lines else None


Mode = TypeVar("Mode", bound="RawMode")


class RawMode:
    """Of the terminal at this descriptor: all keys are ours. In a `with`, or by `enter` and `leave`, time and again."""

    _set = staticmethod(tty.setraw)

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._before: Optional[list[Any]] = None

    def enter(self, forget_typed: bool = False) -> None:
        """`forget_typed`: what was typed and not read yet was not meant for this."""
        if self._before is None:
            before = termios.tcgetattr(self._fd)
            self._set(self._fd, termios.TCSAFLUSH if forget_typed else termios.TCSADRAIN)
            self._before = before

    def leave(self) -> None:
        """As it was."""
        before, self._before = self._before, None
        if before is not None:
            with suppress(termios.error):  # it is gone
                termios.tcsetattr(self._fd, termios.TCSADRAIN, before)

    def __enter__(self: Mode) -> Mode:
        self.enter()
        return self

    def __exit__(self, *failure: object) -> None:
        self.leave()


class KeyMode(RawMode):
    """The same, but output stays as it is, and Ctrl-C interrupts: keys beside something that is shown."""

    _set = staticmethod(tty.setcbreak)

    def key(self) -> str:
        """The key that has been typed, or "" if none has."""
        if not select.select([self._fd], [], [], 0)[0]:
            return ""
        return os.read(self._fd, 1).decode("ascii", "replace")

"""What the bytes of a terminal say about its screen: the modes that a program has set, and what to show a latecomer.

No terminal is emulated. A latecomer gets the last bytes again, less the questions in them (his terminal would answer,
and the job would take the answers for typing); a program that owns the whole screen is asked to draw it anew.
"""

from __future__ import annotations

import re

ALTERNATE = frozenset((47, 1047, 1049))
CURSOR = 25
"""The one mode that is on at first."""
KEPT = ALTERNATE | {1, CURSOR, 1000, 1002, 1003, 1004, 1006, 2004}
"""Alternate screen, cursor keys, cursor, mouse (four), focus, bracketed paste: a latecomer is told of them, and
they are taken back when he leaves."""

_MODES = re.compile(rb"\x1b\[\?([0-9;]{1,40})([hl])|\x1b(c)")
_UNFINISHED = re.compile(rb"\x1b(\[(\?[0-9;]{0,40})?)?\Z")
_TAIL = 48
"""No sequence that is looked for is longer."""

_QUESTIONS = re.compile(
    rb"\x1b\[[?>=!]?[0-9;]*(?:\$p|[cnqtx])"  # device attributes, reports of cursor, window and modes
    rb"|\x1b\][^\x07\x1b]{0,4096}\?(?:\x07|\x1b\\)"  # colours and the like
    rb"|\x1b[P_^X][^\x1b]{0,65536}\x1b\\"
    rb"|\x1bZ|\x05"
)
_BEGINNING = re.compile(rb"[\r\n\x1b]")
_TAKE_BACK = b"\x1b[0m"


class Modes:
    """The modes that are set now, by what has been written."""

    def __init__(self) -> None:
        self._set = {CURSOR}
        self._held = b""

    @property
    def alternate(self) -> bool:
        """Whether a program owns the whole screen."""
        return bool(self._set & ALTERNATE)

    def feed(self, data: bytes) -> None:
        """More has been written."""
        if b"\x1b" not in data and not self._held:
            return
        text = self._held + data
        for match in _MODES.finditer(text):
            if match.group(3):
                self._set = {CURSOR}
                continue
            named = {int(part) for part in match.group(1).split(b";") if part} & KEPT
            self._set = self._set | named if match.group(2) == b"h" else self._set - named
        unfinished = _UNFINISHED.search(text, max(0, len(text) - _TAIL))
        self._held = unfinished.group() if unfinished else b""

    def restore(self) -> bytes:
        """What brings a fresh terminal into these modes."""
        return self._say(self._set - {CURSOR}, b"h") + (b"" if CURSOR in self._set else b"\x1b[?25l")

    def undo(self) -> bytes:
        """What brings a terminal in these modes back to how it was."""
        if self._set == {CURSOR}:
            return _TAKE_BACK
        shown = b"" if CURSOR in self._set else b"\x1b[?25h"
        screen = self._say(self._set & ALTERNATE, b"l")
        return _TAKE_BACK + self._say(self._set - {CURSOR} - ALTERNATE, b"l") + screen + shown

    def _say(self, modes: set[int], letter: bytes) -> bytes:
        return b"".join(b"\x1b[?%d%s" % (mode, letter) for mode in sorted(modes))


def replay(recent: bytes, lines: int, cut: bool) -> bytes:
    """The last lines (0: all) of what was written lately, for a terminal that has not seen it. `cut`: what came before
    is not there, so it may begin in the middle of something."""
    if lines > 0:
        at = len(recent)
        for _ in range(lines):
            at = recent.rfind(b"\n", 0, at)
            if at < 0:
                break
        recent, cut = recent[at + 1 :], cut and at < 0
    if cut:
        beginning = _BEGINNING.search(recent)
        recent = recent[beginning.start() :] if beginning else recent
    return _QUESTIONS.sub(b"", recent)

"""Named values one under the other, and a command as a shell would read it. `Output` loads this when there are some.

On a terminal a long value goes on below its beginning; in a pipe it is one line.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module

from runyard.cli.render.grid import width
from runyard.cli.render.text import harmless

NAMES = 13
"""The column of the names, colon included."""
NARROWEST = 20
"""Values are not broken into shorter pieces than this."""

_PIECES = re.compile(r" *[^ ]+|  *")
_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\e"}


def lines(facts: Iterable[tuple[str, str]], terminal: bool) -> Iterator[str]:
    """The lines that tell these names and values."""
    most = max(NARROWEST, import_module("shutil").get_terminal_size().columns - NAMES - 1) if terminal else 0
    for name, value in facts:
        for place, part in enumerate(broken(value, most) if terminal else [value]):
            head = f"{name}:" if name and not place else ""
            yield f"{head:<{NAMES}} {part}".rstrip()


def broken(text: str, most: int) -> list[str]:
    """The text in lines of at most so many places, broken between words where that is possible."""
    made, line = [], ""
    for piece in _PIECES.findall(text):
        if line and width(line) + width(piece) > most:
            made.append(line)
            line, piece = "", piece.lstrip(" ")
        line += piece
        while width(line) > most:
            fits = next(place for place in range(most, 0, -1) if width(line[:place]) <= most)
            made.append(line[:fits])
            line = line[fits:]
    return [*made, line] if line or not made else made


def command(argv: Iterable[str]) -> str:
    """An argv that can be typed again: quoted for a shell, what is not printable in its $'...'."""
    return " ".join(_word(word) for word in argv)


def line_of(argv: Sequence[str], shell: bool) -> str:
    """The command of a job: the text that a shell runs as it is, an argv quoted for one."""
    return harmless(argv[0]) if shell else command(argv)


def _word(word: str) -> str:
    if word.isprintable():
        return shlex.quote(word)
    return "$'" + "".join(_ESCAPES.get(one) or _escape(one) for one in word) + "'"


def _escape(one: str) -> str:
    code = ord(one)
    if one.isprintable():
        return one
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no text
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 128 else f"\\u{code:04x}" if code < 65_536 else f"\\U{code:08x}"

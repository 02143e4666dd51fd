"""The output of a job for a terminal: colours pass, every other escape sequence does not.

A log that is shown must not be able to retitle the window, answer questions in the user's name or overwrite what was
shown before. Carriage returns pass, because progress bars are made of them.
"""

from __future__ import annotations

import codecs
import re

from runyard.cli.render.text import harmless

SPECIAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
SEQUENCE_MAX = 4_096
"""A longer unfinished sequence is shown, not waited for."""

SEQUENCES = re.compile(
    "(?P<colour>\x1b\\[[0-9;:]*m)"
    "|(?P<dropped>\x1b\\[[0-?]*[ -/]*[@-~]"
    "|\x1b\\][^\x07\x1b\n]{0,4096}(?:\x07|\x1b\\\\)"
    "|\x1b[PX^_][^\x1b\n]{0,4096}\x1b\\\\"
    "|\x1b[ -/]*[0-OQ-WYZ\\\\`-~])"
    "|(?P<other>[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f])"
)
UNFINISHED = re.compile("\x1b(?:\\[[0-?]*[ -/]*|[]PX^_][^\x07\x1b\n]{0,4096}\x1b?|[ -/]*)\\Z")
COLOUR_OFF = "\x1b[0m"


class Tame:
    """Takes bytes as they come and gives text that is safe to show."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._coloured = False

    def feed(self, data: bytes) -> str:
        """The safe form of this piece; an unfinished sequence is kept for the next."""
        text = self._held + self._decoder.decode(data)
        self._held = ""
        if not SPECIAL.search(text):
            return text
        unfinished = UNFINISHED.search(text, max(0, len(text) - SEQUENCE_MAX - 8))
        if unfinished:
            self._held = text[unfinished.start() :]
            text = text[: unfinished.start()]
        return SEQUENCES.sub(self._one, text)

    def end(self) -> str:
        """What is left when no more comes."""
        rest = SEQUENCES.sub(self._one, self._held + self._decoder.decode(b"", final=True))
        self._held = ""
        return rest + (COLOUR_OFF if self._coloured else "")

    def _one(self, match: re.Match[str]) -> str:
        if match["colour"]:
            self._coloured = True
            return match[0]
        if match["dropped"] or match[0] in "\x00\x07":
            return ""
        code = ord(match[0])
        return f"^{chr(code ^ 64)}" if code < 128 else f"\\x{code:02x}"


def bare(data: bytes) -> list[str]:
    """The lines of a whole output as they stand in the end, for a list: no colours, of a progress bar its last state,
    every other control character as an escape."""
    text = SEQUENCES.sub(lambda match: match["other"] or "", data.decode("utf-8", "replace"))
    return [harmless(line.rstrip("\r").rpartition("\r")[2].expandtabs()) for line in text.rstrip("\n").split("\n")]

"""Keys that leave an attached terminal: how they are written, and how they are noticed among what is typed.

`ctrl-\\`, `ctrl-p ctrl-q`, `ctrl-a d`, `^]`, or `none`. A key that begins the sequence is held back until it is clear
whether the rest follows; if not, all of it goes to the job.
"""

from __future__ import annotations

import re

from runyard.errors import InvalidSpec

DEFAULT = "ctrl-\\"
NONE = "none"
KEYS_MAX = 8
_CTRL = re.compile(r"(?:ctrl-|c-|\^)([a-z@\[\\\]^_])", re.IGNORECASE)


def parse(text: str, name: str = "detach-keys") -> bytes:
    """The bytes of these keys; nothing for `none`."""
    words = text.replace(",", " ").split()
    if words == [NONE]:
        return b""
    if not 0 < len(words) <= KEYS_MAX:
        raise InvalidSpec(f"{text!r}: from 1 to {KEYS_MAX} keys, as in 'ctrl-a d', or none", name)
    return b"".join(_key(word, name) for word in words)


def _key(word: str, name: str) -> bytes:
    control = _CTRL.fullmatch(word)
    if control:
        return bytes([ord(control.group(1).upper()) & 0x1F])
    if len(word) == 1 and word.isascii() and word.isprintable():
        return word.encode("ascii")
    raise InvalidSpec(f"{word!r} is no key: use ctrl-a, ^A or one character", name)


def spelled(keys: bytes) -> str:
    """How they are called: Ctrl-A d."""
    return " ".join(f"Ctrl-{chr(key | 0x40)}" if key < 32 else chr(key) for key in keys)


class Watched:
    """Looks for the keys in what is typed."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = b""

    def feed(self, typed: bytes) -> tuple[bytes, bool]:
        """What goes to the job, and whether the keys came (what follows them is dropped)."""
        if not self._keys:
            return typed, False
        text, self._held = self._held + typed, b""
        at = text.find(self._keys)
        if at >= 0:
            return text[:at], True
        for length in range(min(len(self._keys) - 1, len(text)), 0, -1):
            if text.endswith(self._keys[:length]):
                self._held = text[-length:]
                return text[:-length], False
        return text, False

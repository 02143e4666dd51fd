"""Texts for people that more than one face shows: foreign text made harmless, spans, numbers of things. Pure."""

from __future__ import annotations

DAY_S = 86_400


def harmless(text: str) -> str:
    """Text of others for a list: what could move the cursor, turn or hide text is shown as an escape.

    That is all that Unicode does not count as printable: control and format characters (marks of direction among
    them), separators other than the space, and bytes that were no text (surrogates).
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _escape(ord(one)) for one in text)


def _escape(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    short = {9: "\\t", 10: "\\n", 13: "\\r", 27: "\\e"}.get(code)
    return short or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65_536 else f"\\U{code:08x}")


def span(seconds: float) -> str:
    """A span for a column: 4.2s, 3m12s, 2h05m, 3d04h."""
    if seconds < 0:
        seconds = 0
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3_600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < DAY_S:
        return f"{whole // 3_600}h{whole % 3_600 // 60:02d}m"
    return f"{whole // DAY_S}d{whole % DAY_S // 3_600:02d}h"


def counted(number: int, noun: str) -> str:
    """1 job, 2 jobs."""
    return f"{number} {noun}{'' if number == 1 else 's'}"

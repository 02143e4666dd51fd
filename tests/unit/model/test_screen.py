"""What is known of a screen by the bytes that went to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.model.screen import Modes, replay

PIECES = st.lists(
    st.sampled_from(
        [
            b"\x1b[?1049h",
            b"\x1b[?1049l",
            b"\x1b[?25l",
            b"\x1b[?25h",
            b"\x1b[?1;2004h",
            b"\x1b[?2004;1000l",
            b"\x1bc",
            b"\x1b",
            b"[?",
            b"text\r\n",
            b"\x1b[31m",
            b"\x1b[?77h",
        ]
    )
)


def modes(*pieces: bytes) -> Modes:
    made = Modes()
    for piece in pieces:
        made.feed(piece)
    return made


@given(PIECES)
def test_cuts_make_no_difference(pieces: list[bytes]) -> None:
    text = b"".join(pieces)
    whole = modes(text)
    assert modes(*pieces).restore() == modes(*(bytes([byte]) for byte in text)).restore() == whole.restore()


@given(PIECES)
def test_undoing_undoes_and_restoring_restores(pieces: list[bytes]) -> None:
    now = modes(b"".join(pieces))
    assert modes(now.restore()).restore() == now.restore()
    assert modes(b"".join(pieces), b".", now.undo()).restore() == b""


def test_a_program_owns_the_screen() -> None:
    assert modes(b"\x1b[?1049h").alternate and modes(b"\x1b[?47h").alternate
    assert not modes(b"\x1b[?1049h", b"\x1b[?1049l").alternate
    assert modes(b"\x1b[?1049h\x1b[?25l").undo() == b"\x1b[0m\x1b[?1049l\x1b[?25h"


@pytest.mark.parametrize(
    ("recent", "lines", "shown"),
    [
        (b"a\nb\nc\n>>> ", 2, b"c\n>>> "),
        (b"a\nb\nc\n>>> ", 1, b">>> "),
        (b"a\nb\nc\n>>> ", 9, b"a\nb\nc\n>>> "),
        (b"a\nb", 0, b"a\nb"),
        (b"", 5, b""),
    ],
)
def test_the_last_lines(recent: bytes, lines: int, shown: bytes) -> None:
    assert replay(recent, lines, cut=False) == shown


def test_what_is_cut_begins_at_a_beginning() -> None:
    assert replay(b"1mred\x1b[0m", 0, cut=True) == b"\x1b[0m"
    assert replay(b"ne\nwhole", 0, cut=True) == b"\nwhole"
    assert replay(b"half\nwhole\nlast", 2, cut=True) == b"whole\nlast"


@pytest.mark.parametrize(
    "question",
    [
        b"\x1b[6n", b"\x1b[?6n", b"\x1b[c", b"\x1b[>c", b"\x1b[>0q", b"\x1b[18t", b"\x1b[?2026$p", b"\x1b]11;?\x07",
        b"\x1b]4;1;?\x1b\\", b"\x1bP+q544e\x1b\\", b"\x05", b"\x1bZ",
    ],
)  # fmt: skip
def test_nobody_is_asked_again(question: bytes) -> None:
    """His terminal would answer, and the job would take that for typing."""
    assert replay(b"before" + question + b"\x1b[31mafter", 0, cut=False) == b"before\x1b[31mafter"

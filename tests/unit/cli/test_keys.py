"""The keys that leave an attached terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.cli.keys import Watched, parse, spelled
from runyard.errors import InvalidSpec


@pytest.mark.parametrize(
    ("text", "keys", "name"),
    [
        ("ctrl-\\", b"\x1c", "Ctrl-\\"),
        ("Ctrl-P,ctrl-q", b"\x10\x11", "Ctrl-P Ctrl-Q"),
        ("ctrl-a d", b"\x01d", "Ctrl-A d"),
        ("^]", b"\x1d", "Ctrl-]"),
        ("none", b"", ""),
    ],
)
def test_how_they_are_written(text: str, keys: bytes, name: str) -> None:
    assert (parse(text), spelled(keys)) == (keys, name)


@pytest.mark.parametrize("text", ["", "ctrl-", "ctrl-1", "f1", "\x01", "ä", "a b c d e f g h i"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidSpec, match="detach-keys: "):
        parse(text)


KEYS = st.sampled_from([b"\x1c", b"\x10\x11", b"aab"])


@given(KEYS, st.lists(st.binary(max_size=4) | st.sampled_from([b"a", b"ab", b"aa", b"\x10", b"\x11"])))
def test_they_are_found_wherever_the_typing_is_cut(keys: bytes, pieces: list[bytes]) -> None:
    watched, sent, left = Watched(keys), b"", False
    for piece in pieces:
        text, left = watched.feed(piece)
        sent += text
        if left:
            break
    typed = b"".join(pieces)
    at = typed.find(keys)
    assert left == (at >= 0)
    if left:
        assert sent == typed[:at]
    else:
        assert typed.startswith(sent), "what is held back is the beginning of the keys"
        assert keys.startswith(typed[len(sent) :])


@given(st.lists(st.binary(max_size=4)))
def test_none_finds_nothing(pieces: list[bytes]) -> None:
    watched = Watched(b"")
    assert [watched.feed(piece) for piece in pieces] == [(piece, False) for piece in pieces]

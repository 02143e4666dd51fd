"""Frames: whatever is sent arrives whole and in order, however it is cut on the way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.errors import ProtocolError
from runyard.model.frames import (
    INPUT,
    OUTPUT,
    PAYLOAD_MAX,
    SIZE,
    Frame,
    FrameReader,
    WindowSize,
    frame,
    frames,
    read_size,
    size_frame,
)

FRAMES = st.lists(st.builds(Frame, st.binary(min_size=1, max_size=1), st.binary(max_size=300)), max_size=8)


@given(FRAMES, st.lists(st.integers(1, 50), min_size=1))
def test_they_arrive_as_they_were_sent(sent: list[Frame], cuts: list[int]) -> None:
    wire = b"".join(frame(*one) for one in sent)
    reader, got, turn = FrameReader(), list[Frame](), 0
    while wire:
        length = cuts[turn % len(cuts)]
        got += reader.feed(wire[:length])
        wire, turn = wire[length:], turn + 1
    assert got == sent


@given(st.binary(max_size=3 * PAYLOAD_MAX))
def test_much_is_cut_and_nothing_lost(data: bytes) -> None:
    got = FrameReader().feed(frames(OUTPUT, data))
    assert b"".join(one.payload for one in got) == data
    assert all(one.kind == OUTPUT and len(one.payload) <= PAYLOAD_MAX for one in got)


def test_nobody_of_ours_sends_more_at_a_time() -> None:
    with pytest.raises(ProtocolError, match="65537 bytes"):
        FrameReader().feed(INPUT + (PAYLOAD_MAX + 1).to_bytes(4, "big"))


@given(st.binary(max_size=2_000))
def test_nonsense_takes_no_memory(data: bytes) -> None:
    reader = FrameReader()
    try:
        got = reader.feed(data)
    except ProtocolError:
        return
    assert sum(len(one.payload) + 5 for one in got) <= len(data)


@given(st.integers(-5, 70_000), st.integers(-5, 70_000))
def test_a_window_has_a_size(columns: int, rows: int) -> None:
    (told,) = FrameReader().feed(size_frame(WindowSize(columns, rows)))
    assert told.kind == SIZE
    wanted = WindowSize(min(columns, 0xFFFF), min(rows, 0xFFFF))
    assert read_size(told.payload) == (wanted if columns > 0 and rows > 0 else None)


def test_what_is_no_size_is_none() -> None:
    assert read_size(b"") is None and read_size(b"12345") is None

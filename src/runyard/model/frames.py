"""Frames: what travels between the terminal of a job and whoever looks at it, in both directions.

A frame is one byte that says what it is, four bytes of length (the highest first) and so many bytes. Only the two ends
read them, a runner and a face; agent and server carry bytes. What an end does not know it passes over: runners outlive
upgrades.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, Optional

from runyard.errors import ProtocolError

OUTPUT, SKIPPED, SYNCED, ENDED, REFUSED = b"o", b"s", b"y", b"e", b"r"
"""From the terminal: what the job wrote; how many bytes of it this viewer has missed (in decimal); the answer to SYNC;
no more comes (JSON: `why`, `wait_status`, and `taken`: so many of the bytes that he typed were taken); why nobody is
let in, in words (none: nobody is there, perhaps not yet)."""
INPUT, SIZE, SYNC = b"i", b"w", b"q"
"""To the terminal: what was typed; columns and rows of the viewer's window; say SYNCED when all that is taken."""

PAYLOAD_MAX = 64 * 1024
_HEAD = struct.Struct(">cI")
_SIZE = struct.Struct(">HH")


class Frame(NamedTuple):
    """One frame."""

    kind: bytes
    payload: bytes


class WindowSize(NamedTuple):
    """Of a terminal, in characters."""

    columns: int
    rows: int


def frame(kind: bytes, payload: bytes = b"") -> bytes:
    """A frame on the wire."""
    return _HEAD.pack(kind, len(payload)) + payload


def frames(kind: bytes, data: bytes) -> bytes:
    """As many frames as these bytes need."""
    if len(data) <= PAYLOAD_MAX:
        return frame(kind, data)
    return b"".join(frame(kind, data[at : at + PAYLOAD_MAX]) for at in range(0, len(data), PAYLOAD_MAX))


def size_frame(size: WindowSize) -> bytes:
    """The frame that tells the size of a window."""
    return frame(SIZE, _SIZE.pack(*(min(max(side, 0), 0xFFFF) for side in size)))


def read_size(payload: bytes) -> Optional[WindowSize]:
    """The size in such a frame; None if it is none that a terminal can have."""
    if len(payload) != _SIZE.size:
        return None
    size = WindowSize(*_SIZE.unpack(payload))
    return size if size.columns and size.rows else None


class FrameReader:
    """Takes bytes as they come and gives the frames that are whole."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that these bytes complete. ProtocolError: nobody of ours speaks so."""
        self._buffer += data
        found, at = [], 0
        while len(self._buffer) - at >= _HEAD.size:
            kind, length = _HEAD.unpack_from(self._buffer, at)
            if length > PAYLOAD_MAX:
                raise ProtocolError(f"a frame of {length} bytes: nobody of ours sends so much at a time")
            end = at + _HEAD.size + length
            if len(self._buffer) < end:
                break
            found.append(Frame(kind, bytes(self._buffer[at + _HEAD.size : end])))
            at = end
        del self._buffer[:at]
        return found

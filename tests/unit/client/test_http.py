"""Answers taken apart however the bytes arrive, and whatever arrives instead of an answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.client.http import ENDLESS, HEAD_MAX, REFUSAL_MAX, Request, ResponseReader, encode_request
from runyard.errors import ProtocolError, Unavailable

BODY = bytes(range(256)) * 3 + b"\r\n\r\n0\r\n\r\n"


def plain(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nA-Name:  some value \r\n\r\n%b" % (len(body), body)


def chunked(*chunks: bytes, trailer: bytes = b"") -> bytes:
    pieces = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\n" + trailer + b"\r\n"


def to_the_end(body: bytes) -> bytes:
    return b"HTTP/1.0 200 OK\r\n\r\n" + body


def read(*pieces: bytes) -> tuple[ResponseReader, bytes]:
    reader = ResponseReader()
    return reader, b"".join([reader.feed(piece) for piece in pieces])


def each_byte(wire: bytes) -> list[bytes]:
    return [wire[i : i + 1] for i in range(len(wire))]


def cut(wire: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % len(wire) for place in places} | {len(wire)})
    return [wire[start:end] for start, end in zip([0, *ends], ends, strict=False) if start < end]


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        (plain(BODY), BODY),
        (plain(b""), b""),
        (chunked(BODY[:1], BODY[1:700], BODY[700:]), BODY),
        (chunked(), b""),
        (chunked(BODY, trailer=b"x-checksum: 1\r\nx-more: 2\r\n"), BODY),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304\r\n\r\n", b""),
    ],
)
def test_an_answer_in_one_piece_and_byte_by_byte(wire: bytes, body: bytes) -> None:
    for pieces in ([wire], each_byte(wire)):
        reader, got = read(*pieces)
        assert reader.done
        assert reader.reusable
        assert got == body


@given(
    body=st.binary(max_size=300),
    sizes=st.lists(st.integers(1, 80), max_size=6),
    places=st.lists(st.integers(0, 10_000), max_size=12),
)
def test_an_answer_in_any_pieces(body: bytes, sizes: list[int], places: list[int]) -> None:
    chunks, rest = [], body
    for size in sizes:
        chunks.append(rest[:size])
        rest = rest[size:]
    chunks.append(rest)
    for wire in (plain(body), chunked(*[chunk for chunk in chunks if chunk])):
        reader, got = read(*cut(wire, places))
        assert reader.done
        assert got == body
    reader, got = read(*cut(to_the_end(body), places))
    assert not reader.done
    assert reader.feed(b"") == b""
    assert reader.done
    assert not reader.reusable
    assert got == body


def test_the_head_is_there_before_the_body() -> None:
    reader, got = read(b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\nX: a:b\r\n\r\n12")
    assert reader.head is not None
    assert reader.head.status == 404
    assert reader.head.headers == {"content-length": "5", "x": "a:b"}
    assert got == b"12"
    assert not reader.done
    assert not reader.reusable


def test_a_connection_that_the_server_will_close_is_not_used_again() -> None:
    reader, _ = read(b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n")
    assert reader.done
    assert not reader.reusable


def test_a_connection_with_bytes_behind_the_answer_is_not_used_again() -> None:
    reader, got = read(plain(b"one") + b"HTTP/1.1 200 OK\r\n")
    assert got == b"one"
    assert not reader.reusable


@pytest.mark.parametrize("wire", [b"", plain(BODY)[:20], plain(BODY)[:-1], chunked(BODY)[:-1], chunked(BODY)[:-7]])
def test_an_answer_that_breaks_off(wire: bytes) -> None:
    reader = ResponseReader()
    if wire:
        reader.feed(wire)
    assert not reader.done
    with pytest.raises(Unavailable):
        reader.feed(b"")


@pytest.mark.parametrize(
    "wire",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n",
        b"HTTP/1.1 -12 OK\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1_0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: " + b"9" * 5_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0x3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcdef\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"1" * (HEAD_MAX + 1),
        b"x" * (HEAD_MAX + 1),
    ],
)
def test_what_is_no_answer(wire: bytes) -> None:
    with pytest.raises(ProtocolError):
        read(wire)


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_garbage_is_a_protocol_error_and_nothing_else(pieces: list[bytes]) -> None:
    for start in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"):
        reader = ResponseReader()
        try:
            for piece in [start, *pieces]:
                if piece:
                    reader.feed(piece)
        except ProtocolError:
            pass


def test_a_request_on_the_wire() -> None:
    assert encode_request(Request("GET", "/jobs?mine=true")) == b"GET /jobs?mine=true HTTP/1.1\r\nHost: runyard\r\n\r\n"
    wire = encode_request(Request("POST", "/jobs", b"{}"))
    assert wire.endswith(b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")


@pytest.mark.parametrize("form", [plain, lambda body: chunked(body[:10], body[10:]), to_the_end])
def test_an_answer_that_is_too_long(form: Callable[[bytes], bytes]) -> None:
    for most, fits in ((len(BODY), True), (len(BODY) - 1, False)):
        reader = ResponseReader(most)
        if fits:
            assert b"".join(reader.feed(piece) for piece in each_byte(form(BODY))) == BODY
        else:
            with pytest.raises(ProtocolError, match="too long"):
                for piece in each_byte(form(BODY)):
                    reader.feed(piece)


def test_a_length_that_is_too_long_is_not_waited_for() -> None:
    with pytest.raises(ProtocolError, match="too long"):
        ResponseReader().feed(b"HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n")


def test_a_refusal_has_an_end_even_where_an_answer_has_none() -> None:
    reader = ResponseReader(ENDLESS)
    reader.feed(b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n")
    piece = b"%x\r\n%b\r\n" % (REFUSAL_MAX, b"x" * REFUSAL_MAX)
    assert len(reader.feed(piece)) == REFUSAL_MAX
    with pytest.raises(ProtocolError, match="too long"):
        reader.feed(piece)

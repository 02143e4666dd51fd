"""What goes into a path and a query, and what comes out of an error's body."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, unquote, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.client.http import Response
from runyard.client.remote import error_of, query_text, quote
from runyard.errors import BY_NAME, InvalidSpec, ProtocolError, RunyardError

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NAME = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)


@given(TEXT)
def test_quote_is_undone_by_everybody(text: str) -> None:
    quoted = quote(text)
    assert quoted.isascii()
    assert not set(quoted) & set(" /?#&=+\r\n\"'")
    assert unquote(quoted) == text


@given(st.binary())
def test_quote_keeps_bytes_that_are_no_text(raw: bytes) -> None:
    assert unquote_to_bytes(quote(raw.decode("utf-8", "surrogateescape"))) == raw


@given(st.dictionaries(NAME, st.lists(TEXT.filter(bool), min_size=1), max_size=4))
def test_a_query_is_undone_by_everybody(values: dict[str, list[str]]) -> None:
    text = query_text(dict(values))
    assert parse_qs(text.removeprefix("?"), strict_parsing=bool(values)) == values


def test_a_query_of_other_things() -> None:
    assert query_text({}) == ""
    assert query_text({"mine": True, "recent": False, "limit": 7}) == "?mine=true&recent=false&limit=7"
    assert query_text({"topic": []}) == ""


@pytest.mark.parametrize("kind", sorted(BY_NAME))
def test_each_error_comes_back_as_itself(kind: str) -> None:
    body = json.dumps({"error": {"kind": kind, "message": "so it is"}}).encode()
    error = error_of(Response(409, {}, body))
    assert type(error) is BY_NAME[kind]
    assert error.message == "so it is"


def test_a_message_with_a_field_is_not_changed() -> None:
    told = InvalidSpec("must be a number", "gpus").message
    error = error_of(Response(422, {}, json.dumps({"error": {"kind": "InvalidSpec", "message": told}}).encode()))
    assert error.message == told == "gpus: must be a number"


def test_an_error_of_a_newer_server() -> None:
    error = error_of(Response(418, {}, b'{"error": {"kind": "Teapot", "message": "short and stout"}}'))
    assert type(error) is RunyardError
    assert error.message == "short and stout"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": "no"}', b'{"error": {}}', b"null", b"\xff"])
def test_an_error_that_is_none_of_ours(body: bytes) -> None:
    assert isinstance(error_of(Response(500, {}, body)), ProtocolError)

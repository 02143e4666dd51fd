"""Orders on their way to a runner."""

from __future__ import annotations

import json

import pytest

from runyard.model.attempt import AttemptKey
from runyard.model.beat import Order
from runyard.runtime.protocol import Start, read_start, start_message

KEY = AttemptKey(12, 2, "token")


def test_a_plain_order_is_short() -> None:
    message = start_message(Order(KEY, ("true",), "/"), "", "")
    assert message == {"do": "start", "job": 12, "number": 2, "token": "token", "command": ("true",), "workdir": "/"}


def test_everything_arrives() -> None:
    order = Order(
        KEY, ("a", "b"), "/w", 3, "zsh", "hash", "hash", ("s1",), (("A", "1"),), "%j.log", "in", 4, 500, (), 0,
        60.0, 7.0, True,
    )  # fmt: skip
    message = json.loads(json.dumps(start_message(order, "/env", "/script")))
    assert read_start(message) == Start(
        12, 2, "token", ["a", "b"], "/w", "zsh", "/script", "/env", ["s1"], {"A": "1"}, "%j.log", "in", 4, 500,
        60.0, 7.0, True, 3,
    )  # fmt: skip


def test_what_a_later_version_adds_is_passed_over() -> None:
    message = {**start_message(Order(KEY, ("true",), "/"), "", ""), "mood": "good"}
    assert read_start(message).job == 12


def test_what_is_missing_is_an_error() -> None:
    with pytest.raises(TypeError):
        read_start({"do": "start", "job": 1})

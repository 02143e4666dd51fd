"""Parameters of a job: names with values as text, in the order in which they were given.

A spec carries them beside the command that they became part of, so that jobs can be found, compared and written back
by them. They are bounded, because each attempt gets them in one variable (RUNYARD_PARAMS, a JSON object).
"""

from __future__ import annotations

import json

from runyard.errors import InvalidSpec

Params = tuple[tuple[str, str], ...]

PARAMS_VARIABLE = "RUNYARD_PARAMS"
PARAMS_MAX = 256
PARAM_NAME_BYTES = 128
PARAMS_BYTES = 16 * 1024
"""All of them together. Escaped as JSON they are at most six times as long, which one variable still holds."""


def assigned(word: str, form: str, field: str) -> tuple[str, str]:
    """Both sides of NAME=VALUE, of which the first says something; InvalidSpec tells the form that was expected."""
    name, equals, value = word.partition("=")
    if not equals or not name:
        raise InvalidSpec(f"{word!r}: use {form}", field)
    return name, value


def check_params(params: Params) -> None:
    """InvalidSpec names what is wrong with them."""
    if len(params) > PARAMS_MAX:
        raise InvalidSpec(f"{len(params)} parameters, at most {PARAMS_MAX} are taken", "param")
    seen: set[str] = set()
    whole = 0
    for name, value in params:
        if name in seen:
            raise InvalidSpec(f"{name!r} is given twice", "param")
        if not name or any(mark in name for mark in "\0\n= ") or _bytes(name) > PARAM_NAME_BYTES:
            raise InvalidSpec(f"{name!r} is no name of a parameter", "param")
        if "\0" in value:
            raise InvalidSpec(f"the value of {name} holds a NUL character", "param")
        seen.add(name)
        whole += _bytes(name) + _bytes(value)
    if whole > PARAMS_BYTES:
        raise InvalidSpec(f"{whole} bytes of parameters, at most {PARAMS_BYTES} are taken; use a file", "param")


def params_json(params: Params) -> str:
    """What the command finds in RUNYARD_PARAMS: {"lr": "0.1", "opt": "adam"}."""
    return json.dumps(dict(params))


def _bytes(text: str) -> int:
    try:
        return len(text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        raise InvalidSpec("a value holds a character that is none (half a surrogate pair)", "param") from None

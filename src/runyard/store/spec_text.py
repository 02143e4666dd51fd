"""Specs to text, quickly for many that are nearly alike, as those of one submission are.

The text is the codec's to the letter; only the fields in which a spec differs from the one before it are encoded.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from operator import attrgetter
from typing import Any

from runyard.model import codec
from runyard.model.spec import JobSpec

_NAMES = tuple(field.name for field in fields(JobSpec))
_DEFAULTS = tuple(field.default for field in fields(JobSpec))
_VALUES = attrgetter(*_NAMES)
_escape = json.encoder.encode_basestring_ascii


class SpecWriter:
    """Writes one spec after another."""

    def __init__(self) -> None:
        self._values: list[Any] = [MISSING] * len(_NAMES)
        self._parts = [""] * len(_NAMES)

    def text(self, spec: JobSpec) -> str:
        """The same as `codec.dumps(spec)`."""
        values, parts = self._values, self._parts
        for place, value in enumerate(_VALUES(spec)):
            before = values[place]
            if value is not before and (value != before or type(value) is not type(before)):
                values[place] = value
                parts[place] = "" if value == _DEFAULTS[place] else f'"{_NAMES[place]}":{_json(value)}'
        return "{" + ",".join(filter(None, parts)) + "}"


def _json(value: Any) -> str:
    if type(value) is str:
        return str(_escape(value))
    if type(value) is tuple and all(type(word) is str for word in value):
        return "[" + ",".join(map(_escape, value)) + "]"
    return codec.dumps(value)

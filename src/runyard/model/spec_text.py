"""Specs to text, quickly for many that are nearly alike, as those of one submission are.

The text is the codec's to the letter; only the fields in which a spec differs from the one before it are encoded.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from itertools import compress
from operator import attrgetter, is_not
from typing import Any

from runyard.model import codec
from runyard.model.spec import JobSpec

_NAMES = tuple(field.name for field in fields(JobSpec))
_DEFAULTS = tuple(field.default for field in fields(JobSpec))
_PLACES = range(len(_NAMES))
_VALUES = attrgetter(*_NAMES)
_escape = json.encoder.encode_basestring_ascii


class SpecWriter:
    """Writes one spec after another."""

    def __init__(self) -> None:
        self._values: tuple[Any, ...] = (MISSING,) * len(_NAMES)
        self._parts = [""] * len(_NAMES)

    def text(self, spec: JobSpec) -> str:
        """The same as `codec.dumps(spec)`."""
        values, before = _VALUES(spec), self._values
        for place in compress(_PLACES, map(is_not, values, before)):
            value = values[place]
            if value != before[place] or type(value) is not type(before[place]):
                self._parts[place] = "" if value == _DEFAULTS[place] else f'"{_NAMES[place]}":{_json(value)}'
        self._values = values
        return "{" + ",".join(filter(None, self._parts)) + "}"


def _json(value: Any) -> str:
    if type(value) is str:
        return str(_escape(value))
    if type(value) is int:
        return str(value)
    if type(value) is tuple and value and type(value[0]) is str:
        return "[" + ",".join(map(_escape, value)) + "]"
    return codec.dumps(value)

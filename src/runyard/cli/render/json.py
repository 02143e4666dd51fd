"""Records as JSON for other programs: every field is there, also what is empty or has its default."""

from __future__ import annotations

import binascii
import json
from enum import Enum
from typing import Any


def plain(value: Any) -> Any:
    """A record as plain JSON values with all of its fields. (The codec of the wire leaves defaults out.)"""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return binascii.b2a_base64(value, newline=False).decode("ascii")
    names = getattr(type(value), "__dataclass_fields__", None)
    if names is not None:
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value]


def dumps(value: Any) -> str:
    """JSON text: one line for each element of a list of records, so that it can be read and compared."""
    ready = plain(value)
    if isinstance(ready, list) and ready and isinstance(ready[0], dict):
        return "[\n" + ",\n".join(json.dumps(item) for item in ready) + "\n]"
    return json.dumps(ready) if isinstance(ready, list) else json.dumps(ready, indent=2)

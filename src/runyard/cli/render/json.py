"""Records and changes as JSON for other programs (docs/json.md): every field is there, also what is empty or has its
default."""

from __future__ import annotations

import binascii
import json
from collections.abc import Mapping, Sequence
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


def of_jobs(changed: Sequence[int], refused: Mapping[int, str], exit_code: int, **more: Any) -> dict[str, Any]:
    """A change of jobs: the ids of those that were changed, and of each other one why not."""
    return {"changed": changed, "refused": refused, **more, "ry_exit_code": exit_code}


def of_named(verb: str, names: Sequence[str], records: Sequence[Any], dry: bool) -> dict[str, Any]:
    """A change of queues, templates or sweeps: the names of those that were changed, or would be. The records are of
    all that were meant, as they are then; as they were, of what is removed."""
    said = {f"would_{verb}": names} if dry else {"changed": names, "refused": {}, "ry_exit_code": 0}
    return {**said, "records": records}

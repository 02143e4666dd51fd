"""Values as TOML: the part of the language that our own files need. What is written here is read back by tomllib."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def dumps(table: Mapping[str, Any]) -> str:
    """A table of texts, numbers, booleans, lists of them and tables below it; None is left out."""
    return "\n".join(_lines(table, ())).strip() + "\n"


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    plain = {name: held for name, held in table.items() if not isinstance(held, Mapping) and held is not None}
    if path and (plain or not table):
        yield ""
        yield f"[{'.'.join(map(key, path))}]"
    for name, held in plain.items():
        yield f"{key(name)} = {value(held)}"
    for name, held in table.items():
        if isinstance(held, Mapping):
            yield from _lines(held, (*path, name))


def key(name: str) -> str:
    """A name as it stands before the equals sign."""
    return name if _BARE.fullmatch(name) else _text(name)


def value(held: Any) -> str:
    """One value: a text, a number, a boolean or a list of them."""
    if isinstance(held, bool):
        return "true" if held else "false"
    if isinstance(held, int | float):
        return repr(held)
    if isinstance(held, list | tuple):
        return "[" + ", ".join(map(value, held)) + "]"
    return _text(str(held))


def _text(text: str) -> str:
    """A basic string: JSON's escapes are TOML's too, but for the one of DEL and those of surrogates."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")

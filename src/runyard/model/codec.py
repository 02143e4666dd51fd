"""Records to plain JSON values and back. Fields that hold their default are left out.

`encode(record)` gives dicts, lists and scalars; `decode(cls, value)` builds and thereby checks the record, and raises
InvalidSpec naming the field. Where a field may hold one of several classes, `kind` says which: the class's name in
small letters (StopRequested: stop-requested). Integers have 64 bits, floats are finite: what every store can keep. The
shape of a class is read once and kept by `_fields`.
"""

from __future__ import annotations

import json
import math
import re
import types
from collections.abc import Callable, Hashable
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from runyard.errors import InvalidSpec
from runyard.model.record import changed

T = TypeVar("T")
Encoder = Callable[[Any], Any]
Decoder = Callable[[Any], Any]
_TEXT = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True).encode
PLAIN = frozenset((str, int, float, bool, type(None)))

UNIONS = (Union, getattr(types, "UnionType", Union))
"""What `Union[a, b]` is, and `a | b`, which Python has since 3.10."""

INT_MAX = (1 << 63) - 1


def encode(value: Any) -> Any:
    """A record as plain JSON values."""
    kind: Any = type(value)
    if kind in PLAIN:
        return value
    if kind is tuple or kind is list:
        return [encode(item) for item in value]
    if kind is dict:
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, Enum):
        return value.value
    return {
        name: encoder(held)
        for name, encoder, _, default in _fields(kind)
        if (held := getattr(value, name)) is not default and held != default
    }


def dumps(value: Any) -> str:
    """A record as compact JSON text. Undecodable bytes (lone surrogates) survive as escapes."""
    return _TEXT(encode(value))


def decode(cls: type[T], value: Any) -> T:
    """The record of this class that `encode` made."""
    hint: Any = cls
    record: T = _decoder(hint)(value)
    return record


def loads(cls: type[T], text: str) -> T:
    """The record in this JSON text."""
    return decode(cls, json.loads(text))


@cache
def _fields(cls: type) -> tuple[tuple[str, Encoder, Decoder, Any], ...]:
    hints = get_type_hints(cls)
    return tuple((f.name, _encoder(hints[f.name]), _decoder(hints[f.name]), _default(f)) for f in fields(cls))


def _default(field: Any) -> Any:
    if field.default is not MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not MISSING else MISSING


def _encoder(hint: Any) -> Encoder:
    return _tagged if _kinds(hint) else encode


def _tagged(value: Any) -> Any:
    return None if value is None else {"kind": _word(type(value).__name__), **encode(value)}


def _kinds(hint: Any) -> dict[str, Any]:
    """The classes that a field may hold, by the word in `kind` (none where there is no choice)."""
    classes: list[Any] = [cls for cls in get_args(hint) if is_dataclass(cls)] if get_origin(hint) in UNIONS else []
    return {_word(cls.__name__): cls for cls in classes} if len(classes) > 1 else {}


@cache
def _word(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


@cache
def _decoder(hint: Hashable) -> Decoder:
    origin: Any = get_origin(hint)
    if is_dataclass(hint):
        return lambda value: _record(hint, value)
    kinds = _kinds(hint)
    if kinds:
        return lambda value: _one_of(kinds, value)
    if origin in UNIONS:
        held = tuple(arg for arg in get_args(hint) if arg is not type(None))
        inner = _decoder(held[0]) if len(held) == 1 else _one_scalar(held)
        return inner if len(held) == len(get_args(hint)) else _optional(inner)
    if origin is tuple:
        return _tuple(get_args(hint))
    if origin is dict:
        return _dict(_scalar(get_args(hint)[0]), _decoder(get_args(hint)[1]))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return lambda value: _enum(hint, value)
    return _scalar(hint)


def _one_of(kinds: dict[str, Any], value: Any) -> Any:
    if not isinstance(value, dict):
        raise InvalidSpec(f"an object was expected, not {_kind(value)}")
    word = value.get("kind")
    if not isinstance(word, str) or word not in kinds:
        raise InvalidSpec(f"{_kind(word)} is none of {', '.join(kinds)}", "kind")
    return _record(kinds[word], {name: item for name, item in value.items() if name != "kind"})


def _record(cls: Any, value: Any) -> Any:
    if not isinstance(value, dict):
        raise InvalidSpec(f"an object was expected for {cls.__name__}, not {_kind(value)}")
    known, required = _expected(cls)
    for name in value:
        if name not in known:
            raise InvalidSpec(f"unknown; {cls.__name__} has: {', '.join(known)}", str(name)[:80])
    given = {name: _field(known[name], name, item) for name, item in value.items()}
    for name in required:
        if name not in given:
            raise InvalidSpec("this has to be given", name)
    return cls(**given)


def _field(decoder: Decoder, name: str, item: Any) -> Any:
    try:
        return decoder(item)
    except InvalidSpec as error:
        raise error if error.field else InvalidSpec(error.message, name) from None


def _records(cls: Any) -> Decoder:
    """Many records. Of one that has the same fields as the one before it only what differs is read: the jobs of a
    submission are nearly alike."""

    def every(value: Any) -> tuple[Any, ...]:
        made: list[Any] = []
        before: Any = None
        for item in _list(value):
            if type(item) is dict and before is not None and item.keys() == before.keys():
                made.append(_like(made[-1], before, item))
            else:
                made.append(_record(cls, item))
            before = item
        return tuple(made)

    return every


def _like(record: Any, before: dict[str, Any], value: dict[str, Any]) -> Any:
    """The record in `value`, given the one in `before`."""
    cls: Any = type(record)
    known, _ = _expected(cls)
    differs = {}
    for name, item in value.items():
        old = before[name]
        if item != old or type(item) is not type(old):
            differs[name] = _field(known[name], name, item)
    made = changed(record, **differs)
    check = getattr(cls, "__post_init__", None)
    if check is not None:
        check(made)
    return made


@cache
def _expected(cls: type) -> tuple[dict[str, Decoder], tuple[str, ...]]:
    """The decoder of each field, and the fields that have to be given."""
    shape = _fields(cls)
    required = tuple(name for name, _, _, default in shape if default is MISSING)
    return {name: decoder for name, _, decoder, _ in shape}, required


def _optional(inner: Decoder) -> Decoder:
    return lambda value: None if value is None else inner(value)


def _tuple(args: tuple[Any, ...]) -> Decoder:
    if len(args) == 2 and args[1] is Ellipsis:
        if is_dataclass(args[0]):
            return _records(args[0])
        every = _decoder(args[0])
        return lambda value: tuple([every(item) for item in _list(value)])
    each = [_decoder(arg) for arg in args]

    def fixed(value: Any) -> tuple[Any, ...]:
        items = _list(value)
        if len(items) != len(each):
            raise InvalidSpec(f"{len(each)} values were expected, not {len(items)}")
        return tuple([decoder(item) for decoder, item in zip(each, items)])

    return fixed


def _dict(key: Decoder, item: Decoder) -> Decoder:
    def whole(value: Any) -> dict[Any, Any]:
        if not isinstance(value, dict):
            raise InvalidSpec(f"an object was expected, not {_kind(value)}")
        return {key(name): item(held) for name, held in value.items()}

    return whole


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidSpec(f"a list was expected, not {_kind(value)}")
    return value


def _enum(cls: type[Enum], value: Any) -> Enum:
    try:
        return cls(value)
    except ValueError:
        raise InvalidSpec(f"{value!r} is none of {', '.join(str(m.value) for m in cls)}") from None


def _scalar(cls: Any) -> Decoder:
    def checked(value: Any) -> Any:
        if type(value) is cls or cls is Any:
            return value
        raise InvalidSpec(f"{_kind(value)} was given where {cls.__name__} was expected")

    return {int: _integer, float: _number}.get(cls, checked)


def _one_scalar(kinds: tuple[type, ...]) -> Decoder:
    def checked(value: Any) -> Any:
        if type(value) in kinds:
            return value
        raise InvalidSpec(f"{_kind(value)} was given where one of {', '.join(k.__name__ for k in kinds)} was expected")

    return checked


def _integer(value: Any) -> int:
    number = int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value
    if type(number) is not int or not -INT_MAX <= number <= INT_MAX:
        raise InvalidSpec(f"{_kind(value)} was given where a whole number was expected")
    return number


def _number(value: Any) -> float:
    if type(value) is int and -INT_MAX <= value <= INT_MAX:
        return float(value)
    if type(value) is not float or not math.isfinite(value):
        raise InvalidSpec(f"{_kind(value)} was given where a number was expected")
    return value


_DIGITS = re.compile(r"-?[0-9]{1,19}", re.ASCII)


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"

"""Parameters written by hand: `lr:float=0.01`, `opt:choice(adam,sgd)=adam`, `layers:int(1,100)`, `tags:text+`.

NAME[:TYPE][=DEFAULT]. TYPE is text, int, float, bool, path or choice(...); a number may have bounds in brackets. `*`
behind it: several values, the flag again for each; `+`: several behind one flag. Without a default it has to be given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from runyard.errors import InvalidSpec
from runyard.model.nearest import meant
from runyard.model.rendering import checked
from runyard.model.template import EACH, HYDRA, ONE, OPTION, STYLES, TOGETHER, TYPES, Parameter

_WRITTEN = re.compile(r"([^:=\s]+)(?::([a-z]+)(?:\(([^)]*)\))?([*+]?))?(?:=(.*))?", re.DOTALL)
_MANY = {"": ONE, "*": EACH, "+": TOGETHER, None: ONE}
WORDS = {"str": "text", "string": "text", "integer": "int", "number": "float", "flag": "bool", "file": "path"}
"""Other words for the types."""


def parse(text: str, style: str = OPTION) -> Parameter:
    """The parameter in this text."""
    match = _WRITTEN.fullmatch(text)
    if match is None:
        raise InvalidSpec(f"{text!r}: say NAME:TYPE=DEFAULT, as in lr:float=0.01", "param")
    name, word, inside, many, default = match.groups()
    kind = WORDS.get(word, word) or "text"
    choices: tuple[str, ...] = ()
    least = most = None
    if kind == "choice":
        kind, choices = "text", tuple(part.strip() for part in (inside or "").split(",") if part.strip())
        if not choices:
            raise InvalidSpec(f"{text!r}: a choice of what? Say {name}:choice(a,b)", "param")
    elif kind not in TYPES:
        raise InvalidSpec(f"{text!r}: there is no type {word!r}{meant(kind, (*TYPES, 'choice'))}", "param")
    elif inside:
        least, most = _bounds(text, inside)
    style = style_of(style)
    one = Parameter(
        name, kind, None, default is None, choices, least, most, style=style, many=_MANY[many],
        flag=name if style == HYDRA else "",
    )  # fmt: skip
    return one if default is None else with_default(one, default)


def with_default(one: Parameter, default: str) -> Parameter:
    """The parameter with this default, which is put on the command line: the command knows another one, or none."""
    value = default if "{" in default else checked(one, default)
    return replace(one, default=value, required=False, implied=False)


def style_of(text: str) -> str:
    """A style by its word or by an example."""
    known = {**{style: style for style in STYLES}, "--key value": OPTION, "--key=value": "equals", "key=value": HYDRA}
    if text not in known:
        raise InvalidSpec(f"{text!r} is none of {', '.join(STYLES)}", "style")
    return known[text]


def merged(found: Iterable[Parameter], written: Iterable[Parameter]) -> tuple[Parameter, ...]:
    """What was found in a script, with what was written by hand in the place of those of the same name, or behind."""
    both = {one.name: one for one in found}
    for one in written:
        before = both.get(one.name)
        if before is not None:
            one = replace(one, style=before.style, flag=before.flag, off=before.off, help=before.help)
        both[one.name] = one
    return tuple(both.values())


def _bounds(text: str, inside: str) -> tuple[float | None, float | None]:
    parts = [part.strip() for part in inside.split(",")]
    try:
        low, high = (float(part) if part else None for part in parts)
    except ValueError:
        raise InvalidSpec(f"{text!r}: bounds are two numbers, as in int(1,100)", "param") from None
    return low, high

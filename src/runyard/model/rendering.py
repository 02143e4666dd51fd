"""From a template and values to a command: pure, and the one place that says how a value stands on a command line.

`{lr}` in a text stands for the value of the parameter lr, `{n:03d}` for a number with zeros before it. What is in
braces and no parameter's name stays as it is, as does `${lr}`; `{{lr}}` is `{lr}`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from runyard.errors import InvalidSpec
from runyard.model.params import PARAMS_BYTES, PARAMS_MAX, Params
from runyard.model.template import EACH, EQUALS, HYDRA, ONE, POSITIONAL, TOGETHER, Parameter, Template

NUMBER = "n"
"""The name of the number of a run."""

LABELS = ("name", "note")
"""Options that people read, and not the command."""

TRUE = ("true", "yes", "on", "1")
FALSE = ("false", "no", "off", "0")

_PLACE = re.compile(r"(?<!\$)(\{?)\{([A-Za-z_][A-Za-z0-9_.@/-]*)(?::0?(\d{1,3})d)?\}(\}?)")
_HYDRA_PLAIN = re.compile(r"[A-Za-z0-9_./\\+$%*@?|:{}\[\]-]*")


class Rendered(NamedTuple):
    """What a job is made of: its words (with a shell, one text), and its parameters as they are kept."""

    words: tuple[str, ...]
    params: Params


def names_in(texts: Iterable[str]) -> set[str]:
    """The names that stand in braces in these texts."""
    return {match[2] for text in texts for match in _PLACE.finditer(text) if not (match[1] and match[4])}


def fill(text: str, values: Mapping[str, str], quoted: bool = False) -> str:
    """The text with values in the places of names; `quoted` for a shell."""

    def value(match: re.Match[str]) -> str:
        before, name, width, after = match.groups()
        if name not in values:
            return match[0]
        if before and after:
            return match[0][1:-1]
        found = values[name]
        if width is not None:
            try:
                found = f"{int(found):0{int(width)}d}"
            except ValueError:
                raise InvalidSpec(f"{match[0]}: {name} is {found!r}, which is no whole number", "param") from None
        return before + (shlex.quote(found) if quoted else found) + after

    return _PLACE.sub(value, text)


def checked(parameter: Parameter, text: str) -> str:
    """The value as it is kept; InvalidSpec names the parameter and what it takes."""
    if parameter.many == ONE:
        return _one(parameter, text)
    return ",".join(_one(parameter, part) for part in text.split(",")) if text else text


def _one(parameter: Parameter, text: str) -> str:
    name, kind = parameter.name, parameter.type
    if parameter.choices and kind != "bool":
        if text not in parameter.choices:
            raise InvalidSpec(f"{text!r} is none of {', '.join(parameter.choices)}", name)
        return text
    if kind == "bool":
        if text.lower() not in TRUE + FALSE:
            raise InvalidSpec(f"true or false was expected, not {text!r}", name)
        return "true" if text.lower() in TRUE else "false"
    if kind in ("int", "float"):
        try:
            number = int(text) if kind == "int" else float(text)
        except ValueError:
            what = "whole number" if kind == "int" else "number"
            raise InvalidSpec(f"a {what} was expected, not {text!r}", name) from None
        if parameter.least is not None and not number >= parameter.least:
            raise InvalidSpec(f"at least {parameter.least:g}, not {text}", name)
        if parameter.most is not None and not number <= parameter.most:
            raise InvalidSpec(f"at most {parameter.most:g}, not {text}", name)
    return text


def values_of(template: Template, given: Mapping[str, str], number: int = 0) -> dict[str, str]:
    """All values, in the order of the parameters: those given, and defaults for the others; checked.

    A value may name other parameters, and `{n}`. InvalidSpec names what has to be given and is not.
    """
    raw = {one.name: value for one in template.parameters if (value := given.get(one.name, one.default)) is not None}
    known = {**raw, NUMBER: str(number)} if number and NUMBER not in raw else raw
    values = {name: fill(text, known) for name, text in raw.items()}
    for one in template.parameters:
        if one.name in values:
            if one.name in given or one.default is None or values[one.name] != one.default:
                values[one.name] = checked(one, values[one.name])
        elif one.required:
            raise InvalidSpec("this has to be given", one.name)
    stale = unknown_below(template, values)
    return {name: value for name, value in values.items() if name in given or not name.startswith(stale)}


def unknown_below(template: Template, values: Mapping[str, str]) -> tuple[str, ...]:
    """What names begin with whose defaults are not those that we know: those below another config of a group than the
    usual one (Hydra's `model=big`)."""
    return tuple(
        one.name.replace("/", ".") + "."
        for one in template.parameters
        if one.style == HYDRA and one.choices and values.get(one.name, one.default) != one.default
    )


def render(template: Template, given: Mapping[str, str], number: int = 0) -> Rendered:
    """The command for these values, and the parameters that the job keeps."""
    values = values_of(template, given, number)
    known = {**values, NUMBER: str(number)} if number and NUMBER not in values else values
    placed = names_in(template.command) | _told_elsewhere(template)
    for one in template.parameters:
        if one.name in names_in(template.command) and one.name not in values:
            raise InvalidSpec("it stands in the command and has no value", one.name)
    passed = [
        (one, values[one.name])
        for one in template.parameters
        if one.name in values and one.name not in placed and not (one.implied and values[one.name] == one.default)
    ]
    words = tuple(fill(word, known, quoted=template.shell) for word in template.command)
    alone = [word for one, value in passed if one.style == POSITIONAL for word in _parts(one, value)]
    more = [word for one, value in passed if one.style != POSITIONAL for word in _words(one, value)]
    dashed = any(word.startswith("-") for word in alone)  # they would be taken for flags
    more = [*more, "--", *alone] if dashed else [*alone, *more]
    if template.shell:
        words = (" ".join([words[0], *map(shlex.quote, more)]),)
    else:
        words += tuple(more)
    return Rendered(words, _kept(template, values, given))


def _told_elsewhere(template: Template) -> set[str]:
    """Parameters written by hand that an option hands to the command (`-i part{i}.txt`); a name tells it nothing."""
    if template.source != "hand":
        return set()
    return names_in(text for name, texts in template.options.items() if name not in LABELS for text in texts)


def _kept(template: Template, values: Mapping[str, str], given: Mapping[str, str]) -> Params:
    """All parameters; of more than a job may keep those that differ from their defaults."""
    every = tuple(values.items())
    if len(every) <= PARAMS_MAX and sum(len(name) + len(value) for name, value in every) <= PARAMS_BYTES // 4:
        return every
    defaults = {one.name: one.default for one in template.parameters}
    return tuple((name, value) for name, value in every if name in given or value != defaults[name])


def _words(one: Parameter, value: str) -> Iterator[str]:
    """The words that say this value."""
    if one.style == HYDRA:
        yield f"{one.flag or one.name}={_hydra(one, value)}"
        return
    flag = one.flag or ("" if one.off else "--" + one.name.replace("_", "-"))
    if one.type == "bool" and one.style != EQUALS:
        said = flag if value == "true" else one.off
        if said:
            yield said
        return
    parts = _parts(one, value)
    if one.many == TOGETHER:
        yield flag
        yield from parts
    else:
        for part in parts:
            if one.style == EQUALS or (part.startswith("-") and flag.startswith("--")):
                yield f"{flag}={part}"  # what begins with a dash would be taken for a flag
            else:
                yield from (flag, part)


def _parts(one: Parameter, value: str) -> list[str]:
    return value.split(",") if one.many in (EACH, TOGETHER) and value else [value]


def _hydra(one: Parameter, value: str) -> str:
    """A value in Hydra's grammar: what is not plain is quoted, lists and mappings are left as they were written."""
    if one.many != ONE:
        value = f"[{value}]"
    if value[:1] in "[{" or _HYDRA_PLAIN.fullmatch(value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

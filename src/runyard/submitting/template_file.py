"""A template as a TOML file, and back: what `template show --toml`, `template edit` and `template add --file` have.

command = ["python", "train.py"]        # or one text, which the shell runs

[options]                               # those of `ry submit`, by their long flags
gpus = "1"

[parameters.lr]
type = "float"
default = "0.1"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from runyard.errors import InvalidSpec
from runyard.model import codec
from runyard.model.nearest import meant
from runyard.model.record import changed
from runyard.model.template import Parameter, Template
from runyard.submitting import toml_text
from runyard.submitting.job_options import OPTIONS
from runyard.submitting.script import words_of

KEYS = ("command", "description", "script", "source", "options", "parameters")
OF_A_PARAMETER = tuple(field.name for field in fields(Parameter) if field.name != "name")


def write(template: Template) -> str:
    """The file."""
    return toml_text.dumps(
        {
            "command": template.command[0] if template.shell else list(template.command),
            "script": template.script or None,
            "description": template.description or None,
            "source": template.source,
            "options": {name: _one(texts) for name, texts in template.options.items()} or None,
            "parameters": {one.name: _parameter(one) for one in template.parameters} or None,
        }
    )


def read(text: str, name: str) -> Template:
    """The template in this file; InvalidSpec says what is wrong in it."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidSpec(f"this is no TOML: {error}", "template") from None
    _known(table, KEYS, "a template")
    words, shell = words_of(table.get("command"))
    return Template(
        name=name,
        command=words,
        shell=shell,
        script=_flag(table.get("script", False)),
        parameters=tuple(_read(one, given) for one, given in _table(table, "parameters").items()),
        options=options(_table(table, "options")),
        description=str(table.get("description", "")),
        source=str(table.get("source", "hand")),
    )


def edited(before: Template, text: str) -> Template:
    """The template after an edit: whose default was changed is put on the command line from now on."""
    after = read(text, before.name)
    old = {one.name: one.default for one in before.parameters}
    parameters = tuple(
        changed(one, implied=one.implied and old.get(one.name, one.default) == one.default) for one in after.parameters
    )
    return changed(after, parameters=parameters, version=before.version, user=before.user, saved_at=before.saved_at)


def options(given: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Options as a template keeps them."""
    kept = {}
    for name, value in given.items():
        if name not in OPTIONS or name == "array":
            raise InvalidSpec(f"a template has no such option{meant(name, OPTIONS)}", name)
        kept[name] = _texts(value)
    return kept


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, bool):
        return ("true" if value else "false",)
    if isinstance(value, list | tuple):
        return tuple(text for item in value for text in _texts(item))
    if isinstance(value, Mapping):
        return tuple(f"{key}={item}" for key, item in value.items())
    return (str(value),)


def _one(texts: tuple[str, ...]) -> Any:
    return texts[0] if len(texts) == 1 else list(texts)


def _parameter(one: Parameter) -> dict[str, Any]:
    return {name: value for name, value in codec.encode(one).items() if name != "name"}


def _read(name: str, given: Any) -> Parameter:
    if not isinstance(given, dict):
        given = {"default": given}
    _known(given, OF_A_PARAMETER, f"the parameter {name}")
    values = dict(given)
    if "default" in values and not isinstance(values["default"], str):
        values["default"] = ",".join(_texts(values["default"]))
    if "choices" in values:
        values["choices"] = list(_texts(values["choices"]))
    return codec.decode(Parameter, {"name": name, **values})


def _known(table: Mapping[str, Any], names: tuple[str, ...], what: str) -> None:
    for name in table:
        if name not in names:
            listed = f"it has: {', '.join(names)}"
            raise InvalidSpec(f"{what} has no {name!r}{meant(name, names, listed)}", "template")


def _table(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = table.get(name, {})
    if not isinstance(found, dict):
        raise InvalidSpec("a table was expected", name)
    return found


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidSpec("true or false was expected", "script")
    return value

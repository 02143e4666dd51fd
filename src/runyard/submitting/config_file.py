"""The parameters of a job as a configuration file: TOML, JSON or YAML, by the name of the file.

Names with dots become tables (`model.size` is `size` in `model`). Values are written as what they are: a number, a
truth, a list (of a parameter that has several), a text.
"""

from __future__ import annotations

import json
import os
from importlib import import_module
from typing import Any

from runyard.errors import InvalidSpec
from runyard.model.params import Params
from runyard.model.template import ONE, Parameter, Template
from runyard.submitting import toml_text

FORMATS = (".toml", ".json", ".yaml", ".yml")


def text_of(params: Params, template: Template | None, path: str) -> str:
    """The file for these parameters; `template` knows their types."""
    kind = os.path.splitext(path)[1].lower()
    if kind not in FORMATS:
        raise InvalidSpec(f"{path!r}: a file is one of *{', *'.join(FORMATS)}", "file")
    table = nested(params, template)
    if kind == ".toml":
        return toml_text.dumps(table)
    if kind == ".json":
        return json.dumps(table, indent=2) + "\n"
    return str(import_module("yaml").safe_dump(table, sort_keys=False, allow_unicode=True))


def nested(params: Params, template: Template | None = None) -> dict[str, Any]:
    """The parameters with their values as what they are."""
    table: dict[str, Any] = {}
    for name, text in params:
        known = template.parameter(name) if template is not None else None
        *path, last = name.replace("@", ".").split(".")
        below = table
        for part in path:
            held = below.setdefault(part, {})
            if not isinstance(held, dict):  # `model` itself has a value: which of several configs it is
                held = below[part] = {"_": held}
            below = held
        if isinstance(below.get(last), dict):
            below[last]["_"] = _value(text, known)
        else:
            below[last] = _value(text, known)
    return table


def _value(text: str, known: Parameter | None) -> Any:
    if known is not None and known.many != ONE:
        return [_plain(part, known.type) for part in text.split(",")] if text else []
    return _plain(text, known.type if known is not None else "")


def _plain(text: str, kind: str) -> Any:
    """A text as its type, or where nobody knows that, as what it looks like."""
    if kind in ("bool", "") and text in ("true", "false"):
        return text == "true"
    for number, kinds in ((int, ("int", "")), (float, ("float", ""))):
        if kind in kinds:
            try:
                return number(text)
            except ValueError:
                continue
    return text

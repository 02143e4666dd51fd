"""Parsers of argparse, click and typer, as plain descriptions of their parameters.

A description is what `runyard.model.template.Parameter` holds. `uncertain` is set where something that stands in for a
missing module was part of it.
"""

from __future__ import annotations

import argparse
import enum
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from .standins import Inert

TEXT_MAX = 2_000
CHOICES_MAX = 200
PARAMETERS_MAX = 1_000
TYPES = {int: "int", float: "float", bool: "bool", str: "text"}
CLICK_TYPES = {
    "integer": "int", "integer range": "int", "float": "float", "float range": "float", "boolean": "bool",
    "path": "path", "filename": "path", "file": "path", "directory": "path",
}  # fmt: skip
NOT_LISTED = (argparse._HelpAction, argparse._VersionAction, argparse._SubParsersAction, argparse._CountAction)


class Description:
    """The parameters of one parser, by name and in order."""

    def __init__(self) -> None:
        self.parameters: dict[str, dict[str, Any]] = {}
        self.uncertain = False
        self.ahead: list[str] = []
        """Flags that would have to stand before the command of the program that the words choose."""
        self.wrong = ""
        """Why no words behind these could make a command line that the program takes."""

    def add(self, name: str, **known: Any) -> None:
        """One more; of what is empty nothing is kept."""
        if len(self.parameters) < PARAMETERS_MAX:
            kept = {
                key: value
                for key, value in known.items()
                if value is not None and value is not False and value != "" and value != []
            }
            self.parameters[name] = {"name": name, **kept, "implied": True}

    def text(self, value: Any) -> str | None:
        """A value as the command line has it; None where there is none or it cannot be said."""
        if isinstance(value, Inert):
            self.uncertain = True
            return None
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, enum.Enum):
            value = value.value
        if isinstance(value, (list, tuple)):
            parts = [self.text(item) for item in value]
            return ",".join(part for part in parts if part is not None) if parts else None
        if isinstance(value, (str, int, float, os.PathLike)):
            return str(value)[:TEXT_MAX]
        return None

    def choices(self, values: Any) -> list[str]:
        """The values that are taken, as texts."""
        if isinstance(values, Inert):
            self.uncertain = True
        if not isinstance(values, Iterable) or isinstance(values, str):
            return []
        found: list[str] = []
        for value in values:
            text = self.text(value.name if isinstance(value, enum.Enum) else value)
            if text is None or len(found) >= CHOICES_MAX:
                return []
            found.append(text)
        return found


def of_argparse(parser: Any, words: list[str]) -> Description:
    """The parameters of a parser, and of those below it that the words choose."""
    found = Description()
    commands: dict[str, Any] = {}
    needed = False
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) and isinstance(action.choices, dict):
            commands, needed = action.choices, bool(action.required)
        elif not isinstance(action, NOT_LISTED) and action.help is not argparse.SUPPRESS:
            _argument(found, parser, action)
    _descend(found, commands, needed, words, of_argparse)
    return found


def _descend(found: Description, commands: Any, needed: bool, words: list[str], describe: Any) -> None:
    """Take in the parameters of the command that the words choose. Options of the program itself stand before it: they
    are parameters only where the words have a place for them."""
    chosen = next((word for word in words if word in commands), None)
    if chosen is None:
        if needed and commands and not any("{" in word for word in words):
            found.wrong = f"it takes one of these words, and none is given: {', '.join(commands)}"
        return
    before = words[: words.index(chosen)]
    given = {word.partition("=")[0] for word in before}
    for name, one in list(found.parameters.items()):
        if any(f"{{{name}}}" in word for word in before):
            continue
        del found.parameters[name]
        flag = one.get("flag", "")
        if flag and flag not in given:
            found.ahead.append(flag)
            if one.get("required"):
                found.wrong = f"{flag} has to stand before {chosen!r}: say where, as in {flag} {{{name}}} {chosen}"
    below = describe(commands[chosen], words[len(before) + 1 :])
    found.parameters.update(below.parameters)
    found.ahead += below.ahead
    found.wrong = found.wrong or below.wrong
    found.uncertain = found.uncertain or below.uncertain


def _argument(found: Description, parser: Any, action: Any) -> None:
    flags = list(action.option_strings)
    name = action.dest if action.dest and action.dest is not argparse.SUPPRESS else "value"
    default = None if action.default is argparse.SUPPRESS else action.default
    known: dict[str, Any] = {"help": _help(parser, action), "required": bool(action.required and flags)}
    if action.nargs == 0 and flags:
        _switch(found, action, flags, default, known)
        return
    if not flags:
        known.update(style="positional", required=action.nargs not in ("?", "*"))
    known.update(flag=_longest(flags), type=_type(action.type, default), default=found.text(default))
    if isinstance(action, argparse._AppendAction):
        known["many"] = "each"
    elif action.nargs in ("*", "+", "...", "A...") or (isinstance(action.nargs, int) and action.nargs > 1):
        known["many"] = "together"
    if isinstance(action.choices, range) and len(action.choices) > CHOICES_MAX // 4:
        known.update(least=min(action.choices), most=max(action.choices))
    else:
        known["choices"] = found.choices(action.choices)
    found.add(name, **known)


def _switch(found: Description, action: Any, flags: list[str], default: Any, known: dict[str, Any]) -> None:
    """A flag without a value; two of them may say yes and no."""
    before = found.parameters.get(action.dest, {})
    no = [flag for flag in flags if flag.startswith("--no-")]
    yes = [flag for flag in flags if flag not in no]
    if isinstance(action, argparse._StoreFalseAction) or (not yes and no):
        yes, no = [], flags
    elif not isinstance(action, argparse._StoreTrueAction) and not no:
        return  # it stores some constant
    known.update(type="bool", default=before.get("default") or found.text(bool(default)))
    known["flag"] = _longest(yes) or before.get("flag", "")
    known["off"] = _longest(no) or before.get("off", "")
    found.add(action.dest, **known)


def _type(kind: Any, default: Any) -> str:
    if kind in TYPES:
        return TYPES[kind]
    name = getattr(kind, "__name__", type(kind).__name__ if kind is not None else "").lower()
    if "bool" in name:
        return "bool"
    if "path" in name or "filetype" in name:
        return "path"
    if kind is None or "float" in name or "int" in name:
        if kind is None and not isinstance(default, str):
            return TYPES.get(type(default), "text") if not isinstance(default, bool) else "text"
        return "float" if "float" in name else "int" if "int" in name and "print" not in name else "text"
    return "text"


def _help(parser: Any, action: Any) -> str:
    text = action.help or ""
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        text = parser._get_formatter()._expand_help(action) if text else ""
    return " ".join(str(text).split())[:TEXT_MAX]


def _longest(flags: Any) -> str:
    long = [flag for flag in flags if flag.startswith("--")]
    return str((long or list(flags) or [""])[0])


def of_click(command: Any, words: list[str]) -> Description:
    """The parameters of a command, and of the one below it that the words choose."""
    found = Description()
    for param in command.params:
        if getattr(param, "hidden", False) or not getattr(param, "expose_value", True) or not param.name:
            continue
        if not getattr(param, "count", False):
            _param(found, param)
    needed = not getattr(command, "invoke_without_command", False)
    _descend(found, getattr(command, "commands", None) or {}, needed, words, of_click)
    return found


def _param(found: Description, param: Any) -> None:
    kind, choices = _kind(param)
    is_option = getattr(param, "param_type_name", "") == "option"
    default = param.default
    if callable(default) or type(default).__name__ in ("Sentinel", "UnsetType", "_Unset"):
        default = None
    known: dict[str, Any] = {
        "help": " ".join(str(getattr(param, "help", None) or "").split())[:TEXT_MAX],
        "required": bool(param.required or (getattr(param, "prompt", None) and default is None)),
        "type": kind,
        "default": found.text(default),
        "choices": found.choices(choices),
        "least": getattr(getattr(param, "type", param), "min", None),
        "most": getattr(getattr(param, "type", param), "max", None),
    }
    if is_option:
        known["flag"] = _longest(param.opts)
    else:
        known["style"] = "positional"
    if getattr(param, "is_flag", False):
        known.update(type="bool", default=found.text(bool(default)), off=_longest(param.secondary_opts), choices=[])
    elif getattr(param, "multiple", False):
        known["many"] = "each"
    elif param.nargs != 1:
        known["many"] = "together"
    found.add(param.name, **known)


def _kind(param: Any) -> tuple[str, Any]:
    """The type of a parameter and its choices: click has objects for types, newer Typers have Python's own types."""
    kind = getattr(param, "type", None)
    if kind is not None:
        return CLICK_TYPES.get(getattr(kind, "name", ""), "text"), getattr(kind, "choices", None)
    annotation = getattr(getattr(param, "type_descriptor", None), "annotation", None)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return "text", [member.value for member in annotation]
    if isinstance(annotation, type) and issubclass(annotation, os.PathLike):
        return "path", None
    return TYPES.get(annotation, "text") if isinstance(annotation, type) else "text", None


def of_config(config: Any, groups: dict[str, list[str]]) -> Description:
    """The values of a Hydra config, by dotted name; `groups` are its choices of whole files."""
    found = Description()
    for name, choices in groups.items():
        chosen = config.get("__groups__", {}).get(name) if isinstance(config, dict) else None
        found.add(name, style="hydra", choices=choices, default=chosen, help="which config of this group is taken")
    _leaves(found, "", {key: value for key, value in config.items() if key != "__groups__"})
    return found


def _leaves(found: Description, before: str, value: Any) -> None:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            _leaves(found, f"{before}.{key}" if before else str(key), item)
    elif before and before not in found.parameters:
        must_be_given = value == "???"
        text = None if must_be_given or value is None else hydra_text(value)
        known = "text" if isinstance(value, (list, dict)) else TYPES.get(type(value), "text")
        found.add(before, style="hydra", type=known, default=text, required=must_be_given)


def hydra_text(value: Any) -> str:
    """A value as Hydra reads it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(hydra_text(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{hydra_text(item)}" for key, item in value.items()) + "}"
    return "null" if value is None else str(value)

"""Reads the settings: the home's config.toml < environment (`RUNYARD_HOME`, `RUNYARD_<FIELD>`) < flags.

Entry points and the wiring call it once; what they get is frozen. Nothing is read when this module is imported.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from importlib import import_module
from typing import Any

from runyard.errors import InvalidSpec, UsageError
from runyard.settings import BOUNDS, Home, Settings

DEFAULT_HOME = "~/.runyard"
PREFIX = "RUNYARD_"

JOB = "RUNYARD_JOB_ID"
"""Set in the environment of a job."""

REMEMBERED = ("host", "ssh_user", "ssh_key", "ssh_command", "far_home")
"""The settings that `ry use` remembers."""

KINDS: dict[str, str] = {field.name: str(field.type) for field in fields(Settings)}
"""Every setting and the name of its type."""

TABLES = tuple(name for name, kind in KINDS.items() if kind.startswith("Mapping"))
"""Settings that only the file can have."""

MOST = 1e15
"""No number is higher: neither infinity nor what no clock and no disk can hold."""


def load(environ: Mapping[str, str], flags: Mapping[str, Any] | None = None, remembered: bool = False) -> Settings:
    """The settings. `flags` maps names of settings to values; None means not given.

    `remembered`: the machine that `ry use` has remembered counts, between the file and the environment; not for what
    runs inside a job, which belongs to the yard of that job.
    """
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    _check_names(given, "the command line")
    named = {name: PREFIX + name.upper() for name in KINDS if name not in TABLES}
    from_environment = {name: environ[variable] for name, variable in named.items() if environ.get(variable)}
    home = home_path(given.get("home") or from_environment.get("home") or DEFAULT_HOME, environ)
    values = _from_file(Home(home).config)
    if remembered and JOB not in environ:
        values.update(remembered_host(home))
    values.update({name: _read(name, text, PREFIX + name.upper()) for name, text in from_environment.items()})
    values.update({name: _read(name, value, name) for name, value in given.items()})
    return Settings(**{**values, "home": home})


def home_path(text: str, environ: Mapping[str, str]) -> str:
    """The absolute path of a home, with `~` as the environment has it."""
    if text == "~" or text.startswith("~/"):
        text = (environ.get("HOME") or os.path.expanduser("~")) + text[1:]
    return os.path.abspath(os.path.expanduser(text))


def remembered_host(home: str) -> dict[str, str]:
    """The settings that `ry use` remembers in this home."""
    path = Home(home).remembered
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError:  # mostly there is none
        return {}
    try:
        found = import_module("json").loads(text)
        return {name: str(found[name]) for name in REMEMBERED if name in found}
    except (ValueError, TypeError):
        raise UsageError(f"{path} is not right: remove it, or write it anew with `ry use HOST`") from None


def _from_file(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            text = file.read()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    tomllib = import_module("tomllib")  # 10 ms that a home without a file does not pay
    try:
        values = tomllib.loads(text.decode("utf-8"))
    except (UnicodeDecodeError, ValueError) as error:
        raise UsageError(f"{path} is not right: {error}") from None
    _check_names({name: value for name, value in values.items() if name != "home"}, path)
    if "home" in values:
        raise UsageError(f"{path}: home cannot be set in the file that lies in it; use {PREFIX}HOME or --home")
    return {name: _read(name, value, f"{path}: {name}") for name, value in values.items()}


def _check_names(values: Mapping[str, Any], where: str) -> None:
    for name in values:
        if name not in KINDS:
            raise UsageError(f"{where}: there is no setting {name!r}; there are: {', '.join(KINDS)}")


def _read(name: str, value: Any, where: str) -> Any:
    kind = KINDS[name]
    if kind == "str" and isinstance(value, str):
        return value
    if name in TABLES and isinstance(value, dict):
        return _table(name, value, where)
    if kind.startswith("tuple"):
        words = value.split(",") if isinstance(value, str) else value
        if isinstance(words, list) and all(isinstance(word, str) and word.strip() for word in words):
            return tuple(word.strip() for word in words)
    if kind in ("int", "float") and isinstance(value, (str, int, float)) and not isinstance(value, bool):
        try:
            number = int(value) if kind == "int" else float(value)
        except (ValueError, OverflowError):
            number = -1
        least, most = BOUNDS.get(name, (0, MOST))
        if least <= number <= most and (kind == "float" or number == float(value)):
            return number
    raise UsageError(f"{where}: {_wanted(name)} was expected, not {value!r}")


def _table(name: str, value: dict[str, Any], where: str) -> dict[str, Any]:
    if name == "hooks":
        try:
            import_module("runyard.model.hook").hooks_of(value)  # only who has hooks pays for it
        except InvalidSpec as error:
            raise UsageError(f"{where.removesuffix(name)}{error.message}") from None
    return value


def _wanted(name: str) -> str:
    if name in TABLES:
        return "a table"
    if KINDS[name].startswith("tuple"):
        return "a list of texts, none of them empty,"
    if KINDS[name] == "str":
        return "a text"
    number = "a whole number" if KINDS[name] == "int" else "a number"
    if name not in BOUNDS:
        return f"{number} from 0"
    least, most = BOUNDS[name]
    return f"{number} from {least:g} to {most:g}"

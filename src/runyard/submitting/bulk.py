"""Many jobs in one call: a JSON or YAML list, or JSON lines, whose keys are the long flags of `submit`.

`command` is a list (an argv) or a text (run by the shell). A name can be waited for within the file. Jobs that differ
only in command, name and dependencies share one checked spec: 100,000 of them are a matter of a second.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from runyard.api import Submission
from runyard.errors import InvalidSpec
from runyard.model.spec import ARGUMENT_BYTES, DEFAULT_SHELL, NAME_BYTES, Dependency, JobSpec
from runyard.submitting import dependencies
from runyard.submitting.build import Builder, new_key
from runyard.submitting.fields import FIELDS
from runyard.submitting.nearest import meant
from runyard.submitting.script import Command

JOBS_MAX = 1_000_000
DEPTH_MAX = 20
OWN = frozenset({"command", "name", "after", "unique"})
"""What usually differs from job to job."""
REFUSED = {"array": "an array is a submission of its own; write its jobs out, or submit it by `-a`"}
PLACEHOLDER = Command(("true",))


def parse(text: str) -> list[dict[str, Any]]:
    """The entries of a file."""
    start = text.lstrip()[:1]
    if start == "{":
        entries = _lines(text)
    elif start == "[":
        entries = _json(text)
    else:
        entries = import_module("runyard.submitting.yaml_list").load(text)
    if not isinstance(entries, list) or not entries:
        raise InvalidSpec("a list of at least one job was expected", "file")
    if len(entries) > JOBS_MAX:
        raise InvalidSpec(f"{len(entries)} jobs, at most {JOBS_MAX} in one file", "file")
    return entries


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise InvalidSpec("nested too deeply", "file") from None
    except ValueError as error:
        try:
            return import_module("runyard.submitting.yaml_list").load(text)
        except InvalidSpec:
            raise InvalidSpec(f"this is no JSON: {error}", "file") from None


def _lines(text: str) -> list[Any]:
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        entries: list[Any] = json.loads("[" + ",".join(lines) + "]")
        if len(entries) == len(lines):
            return entries
    except (ValueError, RecursionError):
        pass
    for number, line in enumerate(text.splitlines(), 1):
        try:
            json.loads(line or "{}")
        except (ValueError, RecursionError) as error:
            raise InvalidSpec(f"line {number} is no JSON object: {error}", "file") from None
    raise InvalidSpec("one JSON object on each line was expected", "file")


def submission(builder: Builder, entries: Sequence[Mapping[str, Any]], common: Mapping[str, Any]) -> Submission:
    """All of the entries as one submission; `common` are options for those that do not say otherwise."""
    batch = _Batch(builder, entries, common)
    specs = []
    for place, entry in enumerate(entries, 1):
        try:
            specs.append(batch.spec(entry))
        except InvalidSpec as error:
            raise InvalidSpec(f"job {place}{_called(entry)}: {error.message}") from None
    return Submission(tuple(specs), new_key())


def _called(entry: Any) -> str:
    name = entry.get("name") if isinstance(entry, Mapping) else None
    return f" ({name})" if isinstance(name, str) and name else ""


class _Batch:
    """Specs of one file: one checked spec for each set of options, and copies of it."""

    def __init__(self, builder: Builder, entries: Sequence[Mapping[str, Any]], common: Mapping[str, Any]) -> None:
        self._builder = builder
        self._common = common
        self._bases: dict[Any, JobSpec] = {}
        self._after: dict[Any, tuple[Dependency, ...]] = {}
        self._places: dict[str, int] | None = None
        self._entries = entries

    def spec(self, entry: Mapping[str, Any]) -> JobSpec:
        if not isinstance(entry, dict):
            raise InvalidSpec(f"an object with a command was expected, not {str(entry)[:60]!r}")
        base = self._base(entry)
        command, shell = _command(entry.get("command"), base)
        if "shell" in entry and not shell:
            raise InvalidSpec("a shell runs one text: give the command as one", "shell")
        after = entry.get("after", self._common.get("after"))
        return copied(
            base,
            command,
            shell,
            _name(entry.get("name", base.name)),
            self._dependencies(after) if after else (),
            _unique(entry.get("unique", base.unique)),
        )

    def _base(self, entry: Mapping[str, Any]) -> JobSpec:
        """The checked spec of everything that is not this job's own."""
        rest = {name: value for name, value in entry.items() if name not in OWN}
        waits = bool(entry.get("after", self._common.get("after")))
        try:
            key: Any = (waits, *rest.items())
            found = self._bases.get(key)
        except TypeError:
            key = (waits, json.dumps(rest, sort_keys=True))
            found = self._bases.get(key)
        if found is None:
            for name in rest:
                if name in REFUSED:
                    raise InvalidSpec(REFUSED[name], name)
                if name not in FIELDS:
                    raise InvalidSpec(f"there is no such key{meant(name, [*FIELDS, *OWN])}", str(name))
            values = self._builder.values({**self._common, **rest})
            values["after"] = waits  # its files may come from what it waits for
            found = self._bases[key] = self._builder.spec(values, PLACEHOLDER, after=())
            found = self._bases[key] = replace(found, shell=values.get("shell", values.get("default-shell", "")))
        return found

    def _dependencies(self, after: Any) -> tuple[Dependency, ...]:
        key = tuple(after) if isinstance(after, list) else after
        if key not in self._after:
            texts = [str(item) for item in key] if isinstance(key, tuple) else [str(key)]
            wanted = [part for text in texts for part in dependencies.parse(text)]
            self._after[key] = dependencies.resolve(wanted, self._lookup)
        return self._after[key]

    def _lookup(self, text: str) -> Iterable[int]:
        """A name of this file first (as a negative id), then a job that exists."""
        if self._places is None:
            self._places = {}
            for place, entry in enumerate(self._entries, 1):
                name = entry.get("name") if isinstance(entry, dict) else None
                if isinstance(name, str) and name:
                    self._places[name] = 0 if name in self._places else -place
        if text not in self._places:
            return self._builder.jobs_of(text)
        if not self._places[text]:
            raise InvalidSpec(f"several jobs of this file are called {text!r}", "after")
        return (self._places[text],)


def copied(
    base: JobSpec, command: tuple[str, ...], shell: str, name: str, after: tuple[Dependency, ...], unique: str
) -> JobSpec:
    """The spec with these fields. What is short and plain is not checked again field by field."""
    line = "".join(command)
    if not line or "\0" in line or len(line) > ARGUMENT_BYTES // 4 or len(name) > NAME_BYTES // 4 or not command[0]:
        return replace(base, command=command, shell=shell, name=name, after=after, unique=unique)
    made = object.__new__(JobSpec)
    made.__dict__.update(base.__dict__, command=command, shell=shell, name=name, after=after, unique=unique)
    return made


def _command(value: Any, base: JobSpec) -> tuple[tuple[str, ...], str]:
    if isinstance(value, str):
        return (value,), base.shell or DEFAULT_SHELL
    if not isinstance(value, list) or not value:
        raise InvalidSpec("a list of words or one text is needed", "command")
    for word in value:
        if type(word) is not str:
            return tuple(map(_word, value)), ""
    return tuple(value), ""


def _word(word: Any) -> str:
    if isinstance(word, bool) or not isinstance(word, (str, int, float)):
        raise InvalidSpec(f"{word!r} is no word of a command", "command")
    return str(word)


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidSpec(f"a text was expected, not {value!r}", "name")
    if "\n" in value or "\0" in value:
        raise InvalidSpec("no NUL characters or line breaks, please", "name")
    return value


def _unique(value: Any) -> str:
    if not isinstance(value, str) or "\n" in value or "\0" in value or len(value) > NAME_BYTES // 4:
        raise InvalidSpec(f"a text without line breaks, at most {NAME_BYTES // 4} long", "unique")
    return value

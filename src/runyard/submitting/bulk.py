"""Jobs given as data: a JSON or YAML list, or JSON lines, whose keys are the long flags of `submit`; and Python's.

`command` is a list (an argv) or a text (run by the shell); `script: true` says that its first word is a script, of
which a copy is kept. A name can be waited for within the file; that of an array means all of its jobs. Jobs that differ
only in command, name and dependencies share one checked spec: 100,000 of them are a matter of a second.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from runyard.api import Submission
from runyard.errors import InvalidSpec
from runyard.model.nearest import meant
from runyard.model.spec import ARGUMENT_BYTES, DEFAULT_SHELL, NAME_BYTES, ArraySpec, Dependency, JobSpec
from runyard.submitting import dependencies, job_options, spelling
from runyard.submitting.build import Builder, new_key
from runyard.submitting.script import Command, words_of

if TYPE_CHECKING:
    from runyard.submitting.directives import Directives

JOBS_MAX = 1_000_000
OWN = frozenset({"command", "script", "name", "after", "unique"})
"""What usually differs from job to job."""
PLACEHOLDER = Command(("true",))


def parse(text: str) -> list[dict[str, Any]]:
    """The entries of a file; an object alone is a list of one."""
    start = text.lstrip()[:1]
    if start == "{":
        entries = _lines(text)
    elif start == "[":
        entries = _json(text)
    else:
        entries = _yaml(text)
    if isinstance(entries, dict):
        entries = [entries]
    if not isinstance(entries, list) or not entries:
        raise InvalidSpec("a list of at least one job was expected", "file")
    if len(entries) > JOBS_MAX:
        raise InvalidSpec(f"{len(entries)} jobs, at most {JOBS_MAX} in one file", "file")
    return entries


def _yaml(text: str) -> Any:
    return import_module("runyard.yaml_text").load(text)  # only who has YAML pays for it


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise InvalidSpec("nested too deeply", "file") from None
    except ValueError as error:
        try:
            return _yaml(text)
        except InvalidSpec:
            raise InvalidSpec(f"this is no JSON: {error}", "file") from None


def _lines(text: str) -> Any:
    """JSON lines; or one object, over as many lines as it likes, in JSON or YAML."""
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        entries: list[Any] = json.loads("[" + ",".join(lines) + "]")
        if len(entries) == len(lines):
            return entries
    except (ValueError, RecursionError):
        pass
    try:
        return _json(text)
    except InvalidSpec:
        pass
    for number, line in enumerate(text.splitlines(), 1):
        try:
            json.loads(line or "{}")
        except (ValueError, RecursionError) as error:
            raise InvalidSpec(f"line {number} is no JSON object: {error}", "file") from None
    raise InvalidSpec("one JSON object on each line was expected", "file")


def submission(builder: Builder, entries: Sequence[Mapping[str, Any]], common: Mapping[str, Any]) -> Submission:
    """All of the entries as one submission; `common` are options for those that do not say otherwise."""
    batch = _Batch(builder, common, entries)
    for place, entry in enumerate(entries, 1):
        try:
            batch.add(entry)
        except InvalidSpec as error:
            raise InvalidSpec(f"job {place}{_called(entry)}: {error.message}") from None
    return Submission(tuple(batch.specs), new_key(), batch.arrays)


def single(builder: Builder, entry: Mapping[str, Any]) -> Submission:
    """One entry alone, whose own name is none that it could wait for."""
    batch = _Batch(builder, {}, ())
    batch.add(entry)
    return Submission(tuple(batch.specs), new_key(), batch.arrays)


def _called(entry: Any) -> str:
    name = entry.get("name") if isinstance(entry, Mapping) else None
    return f" ({name})" if isinstance(name, str) and name else ""


class _Base(NamedTuple):
    """What entries have in common: a checked spec, and the indices if they are arrays."""

    spec: JobSpec
    array: ArraySpec | None


class _Batch:
    """The specs of one file, and by their places those that are arrays. One checked spec for each set of options."""

    def __init__(self, builder: Builder, common: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> None:
        self.specs: list[JobSpec] = []
        self.arrays: dict[int, ArraySpec] = {}
        self._builder = builder
        self._common = common
        self._lines: dict[str, Directives | None] = {}
        self._bases: dict[Any, _Base] = {}
        self._after: dict[tuple[str, ...], tuple[Dependency, ...]] = {}
        self._places: dict[str, int] | None = None
        self._entries = entries

    def add(self, entry: Mapping[str, Any]) -> None:
        if not isinstance(entry, dict):
            raise InvalidSpec(f"an object with a command was expected, not {str(entry)[:60]!r}")
        command, is_text = words_of(entry.get("command"))
        is_script = self._is_script(entry)
        lines = self._directives(command[0]) if is_script else None
        if lines is None:
            self._add(entry, command, is_text, is_script)
            return
        given = {**self._common, **entry}
        try:
            self._add(lines.below(given), command, is_text, is_script)
        except InvalidSpec as error:
            raise lines.located(error, given) from None

    def _add(self, entry: Mapping[str, Any], command: tuple[str, ...], is_text: bool, is_script: bool) -> None:
        base, array = self._base(entry, command[0] if is_script else "")
        shell = (base.shell or DEFAULT_SHELL) if is_text and not is_script else ""
        if "shell" in entry and not shell:
            raise InvalidSpec("a shell runs one text: give the command as one", "shell")
        after = entry.get("after", self._common.get("after"))
        spec = copied(
            base,
            command,
            shell,
            _text(entry.get("name", base.name), "name"),
            self._dependencies(after) if after else (),
            _text(entry.get("unique", base.unique), "unique"),
        )
        spec = self._builder.pythons.added(spec)
        self._builder.look_for_program(spec)
        self.specs.append(spec)
        if array is not None:
            self.arrays[len(self.specs)] = array

    def _is_script(self, entry: Mapping[str, Any]) -> bool:
        return "script" in entry and spelling.flag(entry["script"], "script", self._builder.here)

    def _directives(self, script: str) -> Directives | None:
        if script not in self._lines:
            self._lines[script] = self._builder.directives(self._builder.script(script))
        return self._lines[script]

    def _base(self, entry: Mapping[str, Any], script: str) -> _Base:
        """The checked spec of everything that is not this job's own; the copy of a script is none of that."""
        rest = {name: value for name, value in entry.items() if name not in OWN}
        waits = bool(entry.get("after", self._common.get("after")))
        try:
            key: Any = (waits, script, *rest.items())
            found = self._bases.get(key)
        except TypeError:
            key = (waits, script, repr(rest))
            found = self._bases.get(key)
        if found is None:
            for name in rest:
                if name not in job_options.OPTIONS:
                    raise InvalidSpec(
                        f"there is no such key{meant(str(name), [*job_options.OPTIONS, *OWN])}", str(name)
                    )
            values = self._builder.values({**self._common, **rest})
            values["after"] = waits  # its files may come from what it waits for
            spec = self._builder.spec(values, self._builder.script(script) if script else PLACEHOLDER, after=())
            if not script:
                spec = replace(spec, shell=values.get("shell", values.get("default-shell", "")))
            found = self._bases[key] = _Base(spec, values.get("array"))
        return found

    def _dependencies(self, after: Any) -> tuple[Dependency, ...]:
        key = spelling.texts(after, "after", self._builder.here)
        if key not in self._after:
            wanted = [part for text in key for part in dependencies.parse(text)]
            self._after[key] = dependencies.resolve(wanted, self._lookup)
        return self._after[key]

    def _lookup(self, text: str) -> Iterable[int]:
        """A name of this file first (as a negative id), then a job that exists."""
        if self._places is None:
            self._places = {}
            for place, entry in enumerate(self._entries, 1):
                name = self._name(entry) if isinstance(entry, dict) else None
                if isinstance(name, str) and name:
                    self._places[name] = 0 if name in self._places else -place
        if text not in self._places:
            return self._builder.jobs_of(text)
        if not self._places[text]:
            raise InvalidSpec(f"several jobs of this file are called {text!r}", "after")
        return (self._places[text],)

    def _name(self, entry: Mapping[str, Any]) -> Any:
        """How others of this file may call it: by its own name, or the one in its script."""
        if "name" in entry or not self._is_script(entry):
            return entry.get("name")
        lines = self._directives(words_of(entry.get("command"))[0][0])
        return lines.options.get("name") if lines else None


def copied(
    base: JobSpec, command: tuple[str, ...], shell: str, name: str, after: tuple[Dependency, ...], unique: str
) -> JobSpec:
    """The spec with these fields. What is short and plain is not checked again field by field."""
    line, names = "".join(command), name + unique
    plain = line.isascii() and names.isascii() and "\0" not in line and "\0" not in names and "\n" not in names
    if not plain or not command[0] or len(line) > ARGUMENT_BYTES or len(names) > NAME_BYTES:
        return replace(base, command=command, shell=shell, name=name, after=after, unique=unique)
    made = object.__new__(JobSpec)
    made.__dict__.update(base.__dict__, command=command, shell=shell, name=name, after=after, unique=unique)
    return made


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise InvalidSpec(f"a text was expected, not {value!r}", name)
    return value

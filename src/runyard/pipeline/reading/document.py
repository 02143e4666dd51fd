"""A pipeline as a text, YAML or JSON: read to a spec, and written from one. Pure; the command line reads the files.

name: digits
size: 4
jobs:
  fetch: curl -O https://example.org/digits.tar
  train:
    needs: fetch
    matrix: {lr: [0.1, 0.01]}
    command: python train.py --lr {lr}

Values stay the texts that were written and are read as the options of Python are. A job with a `matrix` is there once
for each combination of values, which stand for `{lr}` in its texts, quoted for the shell where one reads them. To need
it by its name means all of its cells, `train[lr={lr}]` those with the same value. Errors say the line.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from runyard import yaml_text
from runyard.errors import InvalidSpec
from runyard.model.nearest import meant
from runyard.model.record import dataclass
from runyard.model.rendering import FALSE, TRUE, fill, names_in
from runyard.pipeline.reading import matrix
from runyard.pipeline.reading import options as reading
from runyard.pipeline.reading.sbatch import FLAGS, SBATCH
from runyard.pipeline.spec import Draft, PipelineJob, PipelineSpec

JOBS_MAX = 100_000
OWN = ("name", "backend", "jobs")
OF_A_JOB = ("name", "command", "needs", "matrix")
ALIASES = {"run": "command", "depends": "needs"}
"""Words that other systems have for keys of a job."""
SHELL = frozenset({"command", "preamble", "setup", "teardown"})
"""What a shell reads: values are quoted in it."""
NO_CELL: matrix.Cell = {}

Cells = Mapping[str, Sequence[matrix.Cell]]
Path = tuple[Hashable, ...]


def read(text: str, name: str) -> Draft:
    """The pipeline in this text; `name` is its name if the text has none. InvalidSpec says what is wrong, and where."""
    return _Reader(_parsed(text)).draft(name)


def write(spec: PipelineSpec, backend: str = "") -> str:
    """The pipeline as YAML; what has its default is left out."""
    fields = {"name": spec.name, "backend": backend, "size": str(spec.size or "")}
    whole = {
        **fields,
        "gpus": list(spec.gpus),
        "cwd": spec.cwd,
        "env": dict(spec.env),
        "public": list(spec.public),
        "preamble": list(spec.preamble),
        "home": spec.home,
        "host": spec.host,
        **_options(spec.options),
    }
    return yaml_text.dump({**_said(whole), "jobs": {job.name: _job(job) for job in spec.jobs}})


def _job(job: PipelineJob) -> Any:
    amounts = {"cpus": job.cpus, "mem": job.memory_mb, "gpus": job.gpus}
    more = {
        "needs": list(job.needs),
        "cwd": job.cwd,
        "log": "" if job.log else "false",
        "tags": list(job.tags),
        "preamble": list(job.preamble),
        "setup": list(job.setup),
        "teardown": list(job.teardown),
        "env": dict(job.env),
        **{name: str(amount) for name, amount in amounts.items() if amount is not None},
        **_options(job.options),
    }
    said = _said(more)
    return {"command": job.command, **said} if said else job.command


def _said(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}


def _options(options: Sequence[tuple[str, Any]]) -> dict[str, str]:
    return {name: "true" if value is True else str(value) for name, value in options}


def _parsed(text: str) -> yaml_text.Placed:
    """The value, with the lines where its parts stand; of JSON they are not known."""
    text = text.removeprefix("\ufeff")
    if text.lstrip()[:1] == "{":
        try:
            return yaml_text.Placed(json.loads(text, object_pairs_hook=_object), None)
        except RecursionError:
            raise InvalidSpec("nested too deeply", "file") from None
        except ValueError:
            pass  # YAML in braces
    return yaml_text.placed(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise InvalidSpec(f"{key!r} is twice in one object", "file")
        found[key] = value
    return found


@dataclass(frozen=True)
class _Entry:
    """A job as it stands in the text: its name, its keys, where that is, and its cells (none without a matrix)."""

    name: str
    given: Mapping[str, Any]
    path: Path
    cells: tuple[matrix.Cell, ...]


class _Reader:
    """Reads one parsed text."""

    def __init__(self, placed: yaml_text.Placed) -> None:
        self._placed = placed

    def draft(self, name: str) -> Draft:
        whole = self._placed.value
        if not isinstance(whole, Mapping):
            raise InvalidSpec("a pipeline was expected: an object with `jobs`", "file")
        given = {_plain(key): value for key, value in whole.items()}
        with self._located((), "", whole):
            backend = reading.text(given.get("backend", ""), "backend")
            name = reading.text(given.get("name", name), "name")
            _check_keys(given, OWN, reading.PIPELINE_OPTIONS)
            rest = {key: _pipeline_value(key, value) for key, value in given.items() if key not in OWN}
            spec = reading.spec_of(name, rest)
            if "jobs" not in given:
                raise InvalidSpec("there are no `jobs` in it")
        entries = self._entries(given["jobs"], name)
        cells = {entry.name: entry.cells for entry in entries}
        jobs = tuple(job for entry in entries for job in self._jobs(entry, cells))
        return Draft(reading.whole(spec, jobs), backend)

    def _entries(self, jobs: Any, pipeline: str) -> list[_Entry]:
        named: list[tuple[Any, Any, Path]]
        if isinstance(jobs, Mapping):
            named = [(name, given, ("jobs", name)) for name, given in jobs.items()]
        elif isinstance(jobs, list):
            named = []
            for place, given in enumerate(jobs):
                own = given.get("name", "") if isinstance(given, Mapping) else ""
                named.append((own or f"{pipeline}-job-{place}", given, ("jobs", place)))
        else:
            raise self._error("jobs by their names, or a list of them, were expected", ("jobs",))
        found: dict[str, _Entry] = {}
        count = 0
        for name, given, path in named:
            entry = self._entry(name, given, path)
            if entry.name in found:
                raise self._error(f"two jobs are called {entry.name!r}", path)
            found[entry.name] = entry
            count += max(1, len(entry.cells))
            if count > JOBS_MAX:
                raise self._error(f"more than {JOBS_MAX} jobs", path)
        return list(found.values())

    def _entry(self, name: Any, given: Any, path: Path) -> _Entry:
        if not isinstance(name, str):
            raise self._error(f"a name was expected, not {name!r}", path)
        if isinstance(given, Mapping):
            keys = [ALIASES.get(_plain(key), _plain(key)) for key in given]
            twice = next((key for key in keys if keys.count(key) > 1), "")
            if twice:
                raise self._error(f"job {name!r}: {twice!r} is given twice, by two names", path)
            values = dict(zip(keys, given.values(), strict=True))
            with self._located(path, f"job {name!r}: ", given):
                cells = matrix.cells(values["matrix"]) if "matrix" in values else []
            return _Entry(name, values, path, tuple(cells))
        if isinstance(given, str):
            return _Entry(name, {"command": given}, path, ())
        raise self._error(f"job {name!r}: a command, or an object with one, was expected, not {given!r}", path)

    def _jobs(self, entry: _Entry, cells: Cells) -> Iterator[PipelineJob]:
        """The jobs that an entry is; `cells` are those of all entries."""
        with self._located(entry.path, f"job {entry.name!r}: ", entry.given):
            _check_keys(entry.given, OF_A_JOB, reading.JOB_OPTIONS)
            if "command" not in entry.given:
                raise InvalidSpec("it has no command")
            _check_cells(entry)
            for cell in entry.cells or (NO_CELL,):
                given = {key: _filled(key, value, cell) for key, value in entry.given.items()} if cell else entry.given
                name = matrix.name_of(entry.name, cell) if cell else entry.name
                needs = _needs(given.get("needs", []), cells)
                yield PipelineJob(name, _command(given["command"]), needs, **_fields(given))

    @contextmanager
    def _located(self, path: Path, what: str, given: Mapping[Any, Any]) -> Iterator[None]:
        """An error in here is told with its line."""
        try:
            yield
        except InvalidSpec as error:
            keys = [key for key in given if ALIASES.get(_plain(key), _plain(key)) == error.field]
            raise self._error(what + error.message, (*path, *keys)) from None

    def _error(self, message: str, path: Path) -> InvalidSpec:
        known = self._placed.node is not None
        return InvalidSpec(f"line {self._placed.line(path)}: {message}" if known else message)


def _check_keys(given: Iterable[str], own: Iterable[str], options: Iterable[str]) -> None:
    known = (*own, *options, *SBATCH)
    for key in given:
        if key not in known:
            raise InvalidSpec(reading.no_such_option(key, known), key)


def _check_cells(entry: _Entry) -> None:
    """InvalidSpec where a value stands in a text that not all cells have."""
    everywhere = set.intersection(*map(set, entry.cells)) if entry.cells else set()
    somewhere = set().union(*entry.cells)
    for name in (somewhere - everywhere) & names_in(
        _texts([entry.given[key] for key in entry.given if key != "matrix"])
    ):
        raise InvalidSpec(f"{{{name}}} stands in it, and some cells have no {name}", "matrix")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, Mapping)):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(item)


def _fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a job that its options give."""
    options = {name: _value(name, value) for name, value in given.items() if name not in OF_A_JOB}
    return reading.job_options(options)


def _filled(name: str, value: Any, cell: matrix.Cell) -> Any:
    """The value with those of the cell in the places of their names. A list of words is quoted as a whole, later."""
    if name == "matrix":
        return value
    if isinstance(value, str):
        return fill(value, cell, quoted=name in SHELL)
    if isinstance(value, list):
        return [_filled("" if name == "command" else name, item, cell) for item in value]
    if isinstance(value, Mapping):
        return {key: _filled(name, item, cell) for key, item in value.items()}
    return value


def _value(name: str, value: Any) -> Any:
    """What is a text in YAML and no text to Python."""
    truth = value.lower() if isinstance(value, str) else ""
    if (name == "log" or name in FLAGS) and truth in TRUE + FALSE:
        return truth in TRUE
    if name in SBATCH and truth in ("true", "false"):
        return truth == "true"
    return value


def _pipeline_value(name: str, value: Any) -> Any:
    if name == "gpus" and isinstance(value, str) and value.isdecimal():
        return int(value)  # so many; devices are a list
    return _value(name, value)


def _command(value: Any) -> str:
    """A text for the shell, or a list of words."""
    if isinstance(value, list) and value:
        return shlex.join(reading.text(word, "command") for word in value)
    if not isinstance(value, str):
        raise InvalidSpec(f"a text for the shell, or a list of words, was expected, not {value!r}", "command")
    return value


def _needs(value: Any, cells: Cells) -> tuple[str, ...]:
    """The names of the jobs that are meant."""
    found: dict[str, None] = {}
    for item in value if isinstance(value, list) else [value]:
        need = reading.text(item, "needs")
        names = matrix.meant(need, cells)
        if names is None:
            raise InvalidSpec(f"there is no job {need!r}{meant(need, cells)}", "needs")
        found.update(dict.fromkeys(names))
    return tuple(found)


def _plain(key: Any) -> str:
    """A key as options are called: `cpus-per-task` is `cpus_per_task`."""
    return key.replace("-", "_") if isinstance(key, str) else str(key)

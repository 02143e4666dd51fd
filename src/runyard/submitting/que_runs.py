"""Que's `Runs.json` as a cargo: what was to run waits (held), what ran is lost, what ended keeps its results.

A run of Que names no command but a configuration, so the command is said by the user: words in which `{config_path}`,
`{model}` and other fields of its `admin` part stand for their values.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping
from string import Formatter
from typing import Any

from runyard.errors import InvalidSpec
from runyard.model.attempt import Result
from runyard.model.metrics import Reading
from runyard.model.params import PARAM_NAME_BYTES, PARAMS_MAX, Params
from runyard.model.spec import JobSpec
from runyard.model.transfer import Cargo, Story, reported, retold

COMMAND = "python train.py --config {config_path}"
PLACE = "que"
SUCCESS, FAILURE = 0, 1 << 8
NAMED = ("model", "dataset", "split", "exp_no")
DETAIL_MAX = 1_000
WAITS, RUNS, ENDED, FAILED = "to_run", "cur_run", "old_runs", "fail_runs"
STEPS = {ENDED: 3, FAILED: 3, RUNS: 2, WAITS: 1}
"""How far the runs of each place have come: submitted, started, ended."""


def cargo(text: str, command: str, workdir: str, now: float) -> Cargo:
    """The runs in this file. The same file is the same export, whenever it is read."""
    try:
        places = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidSpec("this is no Runs.json of Que: not JSON", "import") from None
    if not isinstance(places, dict) or not {WAITS, ENDED} & places.keys():
        raise InvalidSpec(f"this is no Runs.json of Que: it has neither {WAITS} nor {ENDED}", "import")
    stories: list[Story] = []
    readings: list[Reading] = []
    for place, steps in STEPS.items():
        for run in _runs(places.get(place)):
            number = len(stories) + 1
            stories.append(retold(number, _spec(run, command, workdir), PLACE, (now,) * steps, _result(run, place)))
            values = dict(_numbers(run.get("results")))
            if values:
                readings.append(reported(number, values, now))
    key = hashlib.sha256(text.encode()).hexdigest()[:32]
    return Cargo(key, PLACE, now, tuple(stories), readings=tuple(readings))


def _runs(value: Any) -> Iterator[dict[str, Any]]:
    """Runs of one place: a list, or one, or none. Que has the newest first among those that ended."""
    for run in value if isinstance(value, list) else [value]:
        if isinstance(run, dict) and run:
            yield run


def _spec(run: Mapping[str, Any], command: str, workdir: str) -> JobSpec:
    admin = run.get("admin") if isinstance(run.get("admin"), dict) else {}
    fields = {str(name): str(value) for name, value in (admin or {}).items()}
    unknown = [name for _, name, _, _ in Formatter().parse(command) if name is not None and name not in fields]
    if unknown:
        raise InvalidSpec(f"a run has no {unknown[0]!r} for {command!r}; it has: {', '.join(fields)}", "command")
    words = tuple(word.format_map(fields) for word in shlex.split(command))
    name = "_".join(fields[part] for part in NAMED if fields.get(part) not in (None, "", "None"))
    return JobSpec(command=words, name=name, workdir=workdir, params=_params(run))


def _params(run: Mapping[str, Any]) -> Params:
    """Everything that configures it, with names like `optimizer.lr`; without results and errors."""
    parts = {name: value for name, value in run.items() if name not in ("results", "error")}
    found = [(name, value) for name, value in _leaves(parts, "") if len(name.encode()) <= PARAM_NAME_BYTES]
    return tuple((name.replace(" ", "_"), value) for name, value in found[:PARAMS_MAX])


def _leaves(value: Any, prefix: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, held in value.items():
            yield from _leaves(held, f"{prefix}.{name}" if prefix else str(name))
    elif value is not None and prefix:
        yield prefix.removeprefix("admin."), value if isinstance(value, str) else json.dumps(value)


def _numbers(results: Any) -> Iterator[tuple[str, float]]:
    for name, text in _leaves(results, ""):
        try:
            yield name, float(text)
        except ValueError:
            continue


def _result(run: Mapping[str, Any], place: str) -> Result | None:
    """How it has ended, if it has."""
    if place == FAILED:
        return Result("operator", FAILURE, "", str(run.get("error") or "")[:DETAIL_MAX])
    return Result("operator", SUCCESS) if place == ENDED else None

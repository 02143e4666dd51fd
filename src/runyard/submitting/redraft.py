"""From what a user changes (options by name) and a job as it is to the job as it is to be: checked as a submit is."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from runyard.errors import InvalidSpec
from runyard.model.checkpoint import Checkpoint
from runyard.model.params import Params
from runyard.model.record import changed
from runyard.model.spec import DEFAULT_SHELL, JobSpec, Resources, Retry
from runyard.submitting import environment as environments
from runyard.submitting import fields
from runyard.submitting.build import Builder
from runyard.submitting.checkpoints import Signal
from runyard.submitting.dependencies import resolve
from runyard.submitting.keys import BY_NAME
from runyard.submitting.nearest import meant
from runyard.submitting.venv import setup_lines

if TYPE_CHECKING:
    from runyard.api import Service

PLAIN = {
    "name": "name", "note": "note", "queue": "queue", "priority": "priority", "time": "time_limit_s",
    "grace": "grace_s", "hold": "hold", "begin": "begin_at", "on-lost": "on_lost", "unique": "unique",
    "output": "output", "input": "input", "detach": "detach", "workdir": "workdir", "after": "after", "setup": "setup",
    "tty": "tty", "ports": "ports", "notify": "notify", "slurm-env": "slurm_env",
}  # fmt: skip
"""Options that are one field of a spec."""

PARTS: dict[str, tuple[Any, dict[str, str]]] = {
    "resources": (Resources, {"cpus": "cpus", "mem": "memory_mb", "gpus": "gpus"}),
    "retry": (Retry, {"retries": "limit", "retry-on": "on", "backoff": "backoff_s", "retry-env": "env"}),
    "checkpoint": (
        Checkpoint,
        {"checkpoint-dir": "directory", "requeue-on-checkpoint": "requeue", "checkpoint-tries": "tries"},
    ),
}
"""Records in a spec, with the options that are a field of each."""

NO_SIGNAL = Signal(0)

EMPTIED = {"begin": "begin_at", "ports": "ports"}
"""Options that an empty text takes back, and their fields, which are None then."""

MANY = ("env", "setup", "after", "retry-on", "retry-env", "notify")
"""Options that may be given several times."""


class Redrafter:
    """Changes jobs by options; environments that several of them share are uploaded once."""

    def __init__(self, service: Service, here: fields.Here) -> None:
        self._service = service
        self._builder = Builder(service, here)
        self._here = here
        self._environments: dict[tuple[str, tuple[str, ...]], tuple[str, Params]] = {}

    def spec(self, before: JobSpec, options: Mapping[str, Any]) -> JobSpec:
        """The job with these options; InvalidSpec names the one that is wrong."""
        given = dict(options)
        command = given.pop("command", None)
        for name, field in EMPTIED.items():
            if given.get(name) == "":
                before = changed(before, **{field: given.pop(name) or None})
        if given.get("signal") == "":
            del given["signal"]
            before = changed(before, checkpoint=_signalled(before, *NO_SIGNAL))
        for name in given:
            if name not in BY_NAME:
                listed = f"these can: {', '.join(BY_NAME)}"
                raise InvalidSpec(f"cannot be changed{meant(name, BY_NAME, listed)}", name)
        values = self._checked(fields.read(given, self._here), before)
        after = changed(before, **{PLAIN[name]: value for name, value in values.items() if name in PLAIN})
        after = changed(after, **{field: _part(before, field, values) for field in PARTS})
        if "signal" in values:
            after = changed(after, checkpoint=_signalled(after, *values["signal"]))
        if values.get("env"):
            environment, public = self._environment(before.environment, values["env"])
            after = changed(after, environment=environment, public=public)
        if command is not None:
            after = _commanded(after, command, self._here)
        return JobSpec(**after.__dict__)  # checked again, as a whole

    def _checked(self, values: dict[str, Any], before: JobSpec) -> dict[str, Any]:
        """The values as a spec has them: paths made whole, names looked up."""
        ground = self._builder.ground
        if "queue" in values:
            self._builder.queue(values["queue"])
        if "workdir" in values:
            values["workdir"] = os.path.abspath(os.path.join(ground.cwd, ground.expand(values["workdir"])))
            if not before.after and not ground.is_directory(values["workdir"]):
                raise InvalidSpec(f"there is no directory {values['workdir']}{ground.where}", "workdir")
        for name in ("output", "input"):
            if name in values:
                values[name] = ground.expand(values[name])
        if "after" in values:
            values["after"] = resolve(values["after"], self._builder.jobs_of)
        if "setup" in values:
            values["setup"] = setup_lines(values["setup"])
        return values

    def _environment(self, before: str, sets: tuple[str, ...]) -> tuple[str, Params]:
        """The hash of the environment with these variables set, and what of it may be shown."""
        key = (before, sets)
        if key not in self._environments:
            known: dict[str, str] = json.loads(self._service.blob(before)) if before else {}
            known.update(environments.assignments(sets, self._here.environ))
            blob = environments.blob(known, self._here.environment_max_kb)
            public = environments.public(known, self._here.public_prefixes)
            self._environments[key] = (self._builder.blob(blob), public)
        return self._environments[key]


def _part(before: JobSpec, field: str, values: Mapping[str, Any]) -> Any:
    """A record in the spec with these options, checked."""
    cls, names = PARTS[field]
    given = {name: values[option] for option, name in names.items() if option in values}
    return cls(**{**getattr(before, field).__dict__, **given}) if given else getattr(before, field)


def _signalled(spec: JobSpec, number: int, before_s: float, to_all: bool) -> Checkpoint:
    """Its checkpoints, with this signal before the time limit."""
    return changed(spec.checkpoint, signal=number, signal_before_s=before_s, signal_all=to_all)


def _commanded(spec: JobSpec, command: Any, here: fields.Here) -> JobSpec:
    """Another command: the copy of a script stays if its name does."""
    words = [command] if isinstance(command, str) else command
    if not isinstance(words, (list, tuple)) or any(isinstance(word, bool) for word in words):
        raise InvalidSpec("a text for the shell, or a list of texts", "command")
    words = [fields.text(word, "command", here) for word in words]
    script = spec.script if words[:1] == list(spec.command[:1]) and not isinstance(command, str) else ""
    shell = (spec.shell or DEFAULT_SHELL) if isinstance(command, str) else ""
    return changed(spec, command=tuple(words), shell=shell, script=script)


def assignments(words: Iterable[str]) -> dict[str, Any]:
    """`--set KEY=VALUE`, several times: those of one key that may be many come together."""
    given: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise InvalidSpec(f"{word!r}: use KEY=VALUE, as in time=2h", "set")
        if name in MANY:
            given.setdefault(name, []).extend([value] if value else [])
        elif name == "command" and value.lstrip().startswith("["):
            given[name] = _listed(value)
        else:
            given[name] = value
    return given


def _listed(text: str) -> Any:
    """A command as a JSON list."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidSpec(f"{text!r} is no JSON list of words ({error})", "command") from None

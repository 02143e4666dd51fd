"""From options and a command to a JobSpec: the one place where specs are put together.

A `Builder` serves one submission. It asks the service for queues (their defaults) and for the jobs that dependencies
name, and uploads each environment and script once, however many jobs share it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from runyard.api import Submission
from runyard.errors import InvalidSpec, NotFound
from runyard.model.filter import JobQuery, parse_selector
from runyard.model.nearest import meant
from runyard.model.params import Params
from runyard.model.queue import Queue
from runyard.model.spec import (
    DEFAULT_QUEUE,
    DEFAULT_SHELL,
    Dependency,
    JobSpec,
    Resources,
)
from runyard.submitting import environment as environments
from runyard.submitting import job_options, venv
from runyard.submitting.dependencies import resolve
from runyard.submitting.ground import Ground, Here
from runyard.submitting.job_options import BLANK
from runyard.submitting.presence import look_for_output, look_for_program
from runyard.submitting.pythons import Pythons
from runyard.submitting.script import Command, command_of, remarks, script_of

if TYPE_CHECKING:
    from runyard.api import Service
    from runyard.model.template import NumbersCall
    from runyard.submitting.directives import Directives

KEY_BYTES = 16
HASH_DIGITS = 64
REMARKS_MAX = 20
NOTE_VARIABLE = "DQ_DESC"
"""Where users of dq say what a job is for."""

FIRST_HOST_S = 5.0
FIRST_HOST_LOOKS = 50
"""How long the first host of a new yard is waited for, and in how many looks."""


class Request(NamedTuple):
    """What a person typed: words, whether they came after `--`, and options by long flag."""

    words: tuple[str, ...]
    literal: bool = False
    options: Mapping[str, Any] = MappingProxyType({})


class Builder:
    """Makes the specs of one submission; a `dry` one takes nothing there, and its blobs have numbers for hashes."""

    def __init__(self, service: Service, here: Here, dry: bool = False) -> None:
        self._dry = dry
        self._service = service
        self.here = here
        self.ground = here.ground
        self._queues: dict[str, Queue] | None = None
        self._knows_hosts = False
        self._blobs: dict[bytes, str] = {}
        self._environments: dict[tuple[Any, ...], str] = {}
        self._paths: dict[str, str] = {}
        self._public: dict[str, Params] = {}
        self._programs: set[tuple[str, str, str]] = set()
        self.pythons = Pythons(here, self.blob, self._paths)
        self.remarks: list[str] = []
        """What the user should know and did not ask."""

    def submission(self, request: Request) -> Submission:
        """One job, or one array."""
        options = request.options
        values = self.values(options)
        command = command_of(request.words, request.literal, values.get("shell", ""), self.here.cwd)
        lines = self.directives(command)
        try:
            if lines is not None:
                values = self.values(lines.below(options))
            spec = self.pythons.added(self.spec(values, command))
        except InvalidSpec as error:
            raise (lines.located(error, options) if lines else error) from None
        self.look_for_program(spec)
        return Submission((spec,), new_key(), {1: values["array"]} if "array" in values else {})

    def script(self, word: str) -> Command:
        """The copy of the script that this word names."""
        return script_of(word, self.here.cwd)

    def directives(self, command: Command) -> Directives | None:
        """What the lines of a script say; what they say in vain is remarked."""
        if command.script is None or not command.has_directives:
            return None
        reader = import_module("runyard.submitting.directives")  # only scripts with such lines pay for it
        lines: Directives = reader.read(
            command.script, command.words[0], self.here, 0 if command.headed else 1, self.hooks
        )
        for remark in lines.remarks:
            self.remark(remark)
        return lines

    def hooks(self) -> frozenset[str]:
        """The names of the hooks that this yard has."""
        return frozenset(row.name for row in self._service.hooks())

    def values(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options read, with the defaults of their queue below them, and those of the yard below these."""
        values = job_options.read(options, self.here)
        queue = self.queue(values.get("queue", DEFAULT_QUEUE))
        defaults = job_options.layered(self.here.defaults, queue.defaults)
        if defaults:
            values = job_options.layered(job_options.read(defaults, self.here), values)
            if "shell" in defaults and "shell" not in options:
                values["default-shell"] = values.pop("shell")
        return values

    def queue(self, name: str) -> Queue:
        """The queue of this name."""
        if self._queues is None:
            self._queues = {row.queue.name: row.queue for row in self._service.queues()}
        if name not in self._queues:
            known = ", ".join(sorted(self._queues))
            guess = meant(name, self._queues) or ";"
            hint = "a parameter is --param NAME=VALUE" if "=" in name else "`ry queue add` makes one"
            raise InvalidSpec(f"there is no queue {name!r}{guess} there are: {known} ({hint})", "queue")
        return self._queues[name]

    def spec(self, values: Mapping[str, Any], command: Command, after: tuple[Dependency, ...] | None = None) -> JobSpec:
        """The job. `after` are dependencies that have been looked up already."""
        ground = self.ground
        workdir = os.path.abspath(os.path.join(ground.cwd, ground.expand(values.get("workdir", ""))))
        output = ground.expand(values.get("output", ""))
        if not values.get("after"):  # what it waits for may make the directory
            _check_workdir(workdir, ground)
            self._look_for_output(output, workdir)
        shell = command.shell
        if shell == DEFAULT_SHELL and "shell" not in values:
            shell = values.get("default-shell", shell)
        for remark in remarks(command) if command.script is not None else ():
            self.remark(remark)
        if command.python_path and ground.is_far:
            self.remark(f"{command.words[0]}: only a copy of it is sent; what it imports has to be{ground.where}")
        asked = job_options.placed(values)
        self._await_first_host(asked.get("resources", BLANK.resources))
        asked.setdefault("note", " ".join(self.here.environ.get(NOTE_VARIABLE, "").split()))
        environment = self.environment(values, command.python_path)
        own = {
            "command": command.words,
            "workdir": workdir,
            "shell": shell,
            "script": self.blob(command.script) if command.script is not None else "",
            "environment": environment,
            "public": self._public[environment],
            "setup": self.setup(values),
            "output": output,
            "input": _input(values, workdir, ground),
            "after": self.after(values) if after is None else after,
            "python": self.pythons.named(values, command.script, workdir),
        }
        return JobSpec(**{**asked, **own})

    def look_for_program(self, spec: JobSpec) -> None:
        """Whether the program of an argv is there; not where something that runs before may bring it."""
        if spec.shell or spec.script or spec.setup or spec.after:
            return
        key = (spec.command[0], spec.workdir, spec.environment)
        if key not in self._programs:
            self._programs.add(key)
            self.remark(look_for_program(*key[:2], self._paths[spec.environment], self.ground))

    def _look_for_output(self, output: str, workdir: str) -> None:
        """Whether its directory is there. That of another machine was perhaps meant to be here: that is refused."""
        missing = look_for_output(output, workdir, self.ground)
        if missing and self.ground.is_far:
            raise InvalidSpec(missing, "output")
        self.remark(missing)

    def remark(self, text: str) -> None:
        """Something that the user should know, said once."""
        if len(self.remarks) < REMARKS_MAX and text and text not in self.remarks:
            self.remarks.append(text if len(self.remarks) < REMARKS_MAX - 1 else "and more of this kind")

    def _await_first_host(self, asked: Resources) -> None:
        """A yard that has just begun knows no host yet, and could not say that a job asks for too much: one that asks
        for memory, GPUs or several CPUs waits for the first host."""
        if self._knows_hosts or not (asked.gpus.count or asked.memory_mb or asked.cpus > 1):
            return
        self._knows_hosts = True
        position = 0
        for _ in range(FIRST_HOST_LOOKS):
            if self._service.hosts():
                return
            position = self._service.changed(("hosts",), position, FIRST_HOST_S / FIRST_HOST_LOOKS)

    def environment(self, values: Mapping[str, Any], python_path: str = "") -> str:
        """The hash of the environment that these options ask for."""
        sets, files, clean = values.get("env", ()), values.get("env-file", ()), values.get("clean-env", False)
        key = (sets, files, clean, python_path)
        if key not in self._environments:
            wanted = environments.captured(self.ground.environ, clean)
            wanted.update(environments.given(files, sets, self.here))
            if python_path and not self.ground.is_far:
                rest = wanted.get("PYTHONPATH", "")
                wanted["PYTHONPATH"] = f"{python_path}:{rest}" if rest else python_path
            blob = self.blob(environments.blob(wanted, self.here.environment_max_kb))
            self._environments[key] = blob
            self._paths[blob] = wanted.get("PATH", os.defpath)
            self._public[blob] = environments.public(wanted, self.here.public_prefixes)
        return self._environments[key]

    def setup(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """The lines that run before the command."""
        if "venv" in values and "conda" in values:
            raise InvalidSpec("either --venv or --conda, please", "conda")
        lines: tuple[str, ...] = ()
        if values.get("venv"):
            lines += venv.venv_lines(values["venv"], self.ground)
        if values.get("conda"):
            lines += venv.conda_lines(values["conda"], self.ground)
        return lines + venv.setup_lines(values.get("setup", ()))

    def after(self, values: Mapping[str, Any]) -> tuple[Dependency, ...]:
        """The jobs to wait for."""
        return resolve(values.get("after", ()), self.jobs_of)

    def blob(self, data: bytes) -> str:
        """The hash of these bytes, uploaded once."""
        if data not in self._blobs:
            self._blobs[data] = f"{len(self._blobs):0{HASH_DIGITS}x}" if self._dry else self._service.put_blob(data)
        return self._blobs[data]

    def numbers(self, call: NumbersCall) -> int:
        """The first of so many numbers that nobody else gets; a dry one leaves them to others."""
        return call.least if self._dry else self._service.numbers(call)

    def jobs_of(self, text: str) -> tuple[int, ...]:
        """The ids that a selector in a dependency means; a name means the latest of that name, or its whole array."""
        try:
            selector = parse_selector(text)
            spreads, is_name = selector.spreads, bool(selector.names) and selector.elements is None
            rows = self._service.jobs(JobQuery(selectors=(text,)))
        except NotFound:
            rows = ()
        except InvalidSpec as error:
            raise InvalidSpec(error.message, "after") from None
        if not rows:
            raise InvalidSpec(f"there is no job {text!r} to wait for", "after")
        if spreads:
            return tuple(row.id for row in rows)
        last = max(rows, key=lambda row: row.id)
        if not is_name or last.array_index is None:
            return (last.id,)
        return tuple(row.id for row in rows if row.group == last.group)


def new_key() -> str:
    """A key under which a submission can be repeated and counts once."""
    return os.urandom(KEY_BYTES).hex()


def _check_workdir(workdir: str, ground: Ground) -> None:
    if not ground.is_directory(workdir):
        raise InvalidSpec(f"there is no directory {workdir}{ground.where}", "workdir")


def _input(values: Mapping[str, Any], workdir: str, ground: Ground) -> str:
    path = ground.expand(values.get("input", ""))
    whole = os.path.join(workdir, path)
    if path and not values.get("after") and (ground.is_directory(whole) or not ground.exists(whole)):
        raise InvalidSpec(f"there is no file {path}{ground.where}", "input")
    return path

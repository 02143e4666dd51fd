"""From what a user changes (options by name) and a job as it is to the job as it is to be: checked as a submit is."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from runyard.errors import InvalidSpec
from runyard.model.params import Params, assigned
from runyard.model.record import changed
from runyard.model.spec import DEFAULT_SHELL, JobSpec
from runyard.submitting import environment as environments
from runyard.submitting import fields
from runyard.submitting.build import Builder
from runyard.submitting.dependencies import resolve
from runyard.submitting.fields import BLANK, MANY
from runyard.submitting.ground import Here
from runyard.submitting.keys import CHANGEABLE, COMMAND, check_keys
from runyard.submitting.venv import setup_lines

if TYPE_CHECKING:
    from runyard.api import Service


class Redrafter:
    """Changes jobs by options; environments that several of them share are uploaded once."""

    def __init__(self, service: Service, here: Here) -> None:
        self._service = service
        self._builder = Builder(service, here)
        self._here = here
        self._environments: dict[tuple[str, tuple[str, ...], tuple[str, ...]], tuple[str, Params]] = {}

    def spec(self, before: JobSpec, options: Mapping[str, Any]) -> JobSpec:
        """The job with these options; InvalidSpec names the one that is wrong."""
        check_keys(options)
        emptied = {name for name, value in options.items() if value == "" == CHANGEABLE[name].shown(BLANK)}
        given = {name: value for name, value in options.items() if name not in emptied}
        command = given.pop("command", None)
        values = self._checked(fields.read(given, self._here), before)
        values.update((name, CHANGEABLE[name].of(BLANK)) for name in emptied)
        after = changed(before, **fields.placed(values, before))
        files, sets = values.get("env-file", ()), values.get("env", ())
        if files or sets:
            environment, public = self._environment(before.environment, files, sets)
            after = changed(after, environment=environment, public=public)
        if command is not None or "shell" in values:
            had = COMMAND.shown(before) if command is None else command
            after = _commanded(after, had, values.get("shell", ""), self._here)
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

    def _environment(self, before: str, files: tuple[str, ...], sets: tuple[str, ...]) -> tuple[str, Params]:
        """The hash of the environment with these variables set, and what of it may be shown."""
        key = (before, files, sets)
        if key not in self._environments:
            known: dict[str, str] = json.loads(self._service.blob(before)) if before else {}
            known.update(environments.given(files, sets, self._here))
            blob = environments.blob(known, self._here.environment_max_kb)
            public = environments.public(known, self._here.public_prefixes)
            self._environments[key] = (self._builder.blob(blob), public)
        return self._environments[key]


def _commanded(spec: JobSpec, command: Any, shell: str, here: Here) -> JobSpec:
    """With this command, for this shell: the copy of a script stays if its name does."""
    words, is_text = COMMAND.read(command, "command", here), isinstance(command, str)
    if shell and not is_text:
        raise InvalidSpec("a shell runs one text: give the command as one", "shell")
    script = spec.script if words[:1] == spec.command[:1] and not is_text else ""
    return changed(spec, command=words, shell=(spec.shell or DEFAULT_SHELL) if is_text else "", script=script)


def assignments(words: Iterable[str]) -> dict[str, Any]:
    """`--set KEY=VALUE`, several times: those of one key that may be many come together."""
    given: dict[str, Any] = {}
    for word in words:
        name, value = assigned(word, "KEY=VALUE, as in time=2h", "set")
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

"""From what a user changes (options by name) and a job as it is to the job as it is to be: checked as a submit is."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Set
from functools import cached_property
from typing import TYPE_CHECKING, Any

from runyard.errors import InvalidSpec
from runyard.model.fields import PARAM
from runyard.model.filter import JobQuery
from runyard.model.group import GroupQuery
from runyard.model.params import Params, assigned
from runyard.model.record import changed
from runyard.model.spec import DEFAULT_SHELL, JobSpec
from runyard.model.template import Template
from runyard.submitting import environment as environments
from runyard.submitting import job_options, templating
from runyard.submitting.build import Builder
from runyard.submitting.dependencies import resolve
from runyard.submitting.ground import Here
from runyard.submitting.job_options import BLANK, MANY
from runyard.submitting.keys import CHANGEABLE, COMMAND, check_keys, is_option
from runyard.submitting.remaking import remade
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
        self._sweeps: dict[int, Template | None] = {}

    def spec(self, before: JobSpec, options: Mapping[str, Any], job_id: int = 0) -> JobSpec:
        """The job with these options; InvalidSpec names the one that is wrong. Values of its parameters may be among
        them: those of its template or (of the job of this id) of its sweep."""
        values = {name: value for name, value in options.items() if not is_option(name)}
        if values and (before.params or before.template):
            options = {name: value for name, value in options.items() if name not in values}
            before = self._remade(before, values, options.keys() - MANY, job_id)
        check_keys(options)
        emptied = {name for name, value in options.items() if value == "" == CHANGEABLE[name].shown(BLANK)}
        given = {name: value for name, value in options.items() if name not in emptied}
        command = given.pop("command", None)
        values = self._checked(job_options.read(given, self._here), before)
        values.update((name, CHANGEABLE[name].of(BLANK)) for name in emptied)
        after = changed(before, **job_options.placed(values, before))
        files, sets = values.get("env-file", ()), values.get("env", ())
        if files or sets:
            environment, public = self._environment(before.environment, files, sets)
            after = changed(after, environment=environment, public=public)
        if command is not None or "shell" in values:
            had = COMMAND.shown(before) if command is None else command
            after = _commanded(after, had, values.get("shell", ""), self._here)
        return JobSpec(**after.__dict__)  # checked again, as a whole

    def _remade(self, before: JobSpec, options: Mapping[str, Any], chosen: Set[str], job_id: int) -> JobSpec:
        """The job with these values of parameters; the `chosen` options do not follow them."""
        template = self.template(before, job_id)
        known = {one.name for one in template.parameters} if template else set(dict(before.params))
        given = {name.removeprefix(PARAM): templating.text(value) for name, value in options.items()}
        unknown = [name for name in given if name not in known and not (template and template.parameter(name))]
        check_keys(unknown, known)
        if template is None:
            lacks = f"template {before.template!r} is gone" if before.template else "the job was made of no template"
            raise InvalidSpec(f"{lacks}; set `command` and `param` themselves", next(iter(given)))
        after, again = remade(template, before, given, chosen)
        return self.spec(after, again) if again else after

    def template(self, spec: JobSpec, job_id: int) -> Template | None:
        """What this job was made of, if that is still there: its sweep keeps its own."""
        for row in self._service.jobs(JobQuery((str(job_id),))) if job_id else ():
            if row.group is not None and row.group not in self._sweeps:
                found = self._service.groups(GroupQuery(id=row.group))
                self._sweeps[row.group] = next((one.group.sweep.template for one in found if one.group.sweep), None)
            if row.group is not None and (template := self._sweeps[row.group]) is not None:
                return template
        return self._templates.get(spec.template)

    @cached_property
    def _templates(self) -> Mapping[str, Template]:
        return {one.name: one for one in self._service.templates()}

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

"""Pipelines: jobs that need each other, as one submission and one group.

Each is given as data, with the options of `submit` and of sbatch. Jobs that differ only in command, name, needs and
output share one checked spec.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runyard.api import Submission
from runyard.errors import InvalidSpec
from runyard.model.group import GroupRequest
from runyard.model.nearest import meant
from runyard.model.record import changed
from runyard.model.spec import DEFAULT_SHELL, Dependency, JobSpec
from runyard.submitting import job_options, sbatch, spelling
from runyard.submitting.build import Builder, new_key
from runyard.submitting.bulk import PLACEHOLDER, copied
from runyard.submitting.grammar import Option, Stray
from runyard.submitting.script import words_of

OWN = frozenset({"name", "command", "needs", "output"})
"""What differs from job to job."""

ALONE = frozenset({"array"})
"""What a job of a pipeline cannot be."""


def submission(builder: Builder, request: GroupRequest, jobs: Sequence[Mapping[str, Any]], key: str) -> Submission:
    """The jobs as one group. `needs` are names among them, `sbatch` has options by the names that sbatch has."""
    steps = _Steps(builder, f"pipeline {request.name}", jobs)
    return Submission(tuple(map(steps.spec, jobs)), key or new_key(), group=request)


class _Steps:
    """The specs of one pipeline. One checked spec for each set of options."""

    def __init__(self, builder: Builder, place: str, jobs: Sequence[Mapping[str, Any]]) -> None:
        self._builder = builder
        self._place = place
        self._bases: dict[str, JobSpec] = {}
        self._needs: dict[str, Dependency] = {}
        for number, job in enumerate(jobs, 1):
            name = job.get("name")
            if not isinstance(name, str) or name in self._needs:
                raise InvalidSpec(f"job {number}: a name that no other job has, please, not {name!r}", "name")
            self._needs[name] = Dependency(-number)

    def spec(self, job: Mapping[str, Any]) -> JobSpec:
        try:
            return self._spec(job)
        except InvalidSpec as error:
            raise InvalidSpec(f"job {job['name']}: {error.message}") from None

    def _spec(self, job: Mapping[str, Any]) -> JobSpec:
        needs = tuple(dict.fromkeys(map(self._need, job.get("needs", ()))))
        base = self._base({name: value for name, value in job.items() if name not in OWN}, bool(needs))
        words, is_text = words_of(job.get("command"))
        shell = (base.shell or DEFAULT_SHELL) if is_text else ""
        spec = copied(base, words, shell, job["name"], (*base.after, *needs), base.unique)
        if "output" in job:
            spec = changed(spec, output=spelling.output(job["output"], "output", self._builder.here))
        spec = self._builder.pythons.added(spec)
        self._builder.look_for_program(spec)
        return spec

    def _need(self, name: str) -> Dependency:
        if name not in self._needs:
            raise InvalidSpec(f"it needs {name!r}, and there is no such job{meant(name, self._needs)}", "needs")
        return self._needs[name]

    def _base(self, options: Mapping[str, Any], waits: bool) -> JobSpec:
        """The checked spec of everything that is not this job's own."""
        key = repr((waits, options))
        if key not in self._bases:
            given = dict(options)
            below = self._translated(given.pop("sbatch", {}))
            if "env" in below and "env" in given:
                given["env"] = (*below["env"], *spelling.variables(given["env"], "env", self._builder.here))
            values = self._builder.values(job_options.layered(below, given))
            if not ALONE.isdisjoint(values):
                raise InvalidSpec("a job of a pipeline is one job", next(iter(ALONE & values.keys())))
            after = self._builder.after(values)
            values["after"] = waits or bool(after)  # its files may come from what it waits for
            spec = self._builder.spec(values, PLACEHOLDER, after=after)
            self._bases[key] = changed(spec, shell=values.get("shell", values.get("default-shell", "")))
        return self._bases[key]

    def _translated(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """What options of sbatch mean here; those that mean nothing are remarked."""
        told = sbatch.translated(
            [_option(name, value) for name, value in options.items()],
            self._place,
            self._builder.here.environ,
            self._builder.hooks,
        )
        for remark in told.remarks:
            self._builder.remark(remark)
        found: dict[str, Any] = {}
        for option in told.options:
            many = (*found.get(option.name, ()), option.value)
            found[option.name] = many if option.name in job_options.MANY else option.value
        return found


def _option(name: str, value: Any) -> Option | Stray:
    """An option of sbatch, by Python's name for it; a value that is True is the bare option."""
    name = name.replace("_", "-")
    bare = value is True
    shown = f"--{name}" if bare else f"--{name}={value}"
    if name in ALONE:
        return Stray(shown, 0)
    text = "true" if bare and name in sbatch.GRAMMAR.bare else "" if bare else str(value)
    return Option(name, text, 0, shown if name in sbatch.UNKNOWN_HERE else f"--{name}")

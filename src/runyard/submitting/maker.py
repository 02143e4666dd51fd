"""What the Python API submits (`client.handle.Maker`): the same as the command line, from Python's values and names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from runyard.api import Service
from runyard.client.handle import Command, Made, Options
from runyard.model.group import GroupRequest
from runyard.model.spec import JobSpec
from runyard.submitting import bulk, pipelines, sweeping, templating
from runyard.submitting.build import Builder
from runyard.submitting.cells import Axis, axis
from runyard.submitting.ground import Here
from runyard.submitting.redraft import Redrafter
from runyard.submitting.script import words_of
from runyard.submitting.sweeping import Plan, Variation
from runyard.submitting.templating import text

OWN = ("template", "side_by_side", "random", "seed", "parallel", "canary", "stop_when")
"""What a sweep takes beside the options of its jobs."""


class Maker:
    """Makes submissions for this service; `here` says where and when each of them is made."""

    def __init__(self, service: Service, here: Callable[[], Here]) -> None:
        self._service = service
        self._here = here

    def job(self, command: Command, options: Options) -> Made:
        builder = self._builder()
        return bulk.single(builder, {**_flags(options), "command": command}), builder.remarks

    def create(self, template: str, values: Mapping[str, Any], options: Options) -> Made:
        builder = self._builder()
        made = templating.with_options(templating.template_of(self._service, template), _flags(options), builder.here)
        templating.check_places(made)
        given = templating.named(made, {key: text(value) for key, value in values.items()})
        return templating.submission(builder, made, given), builder.remarks

    def sweep(self, name: str, params: Mapping[str, Any], command: Command | None, options: Options) -> Made:
        builder = self._builder()
        own = {key: options[key] for key in OWN if key in options}
        axes = tuple(_axis(key, value) for key, value in params.items())
        drawn, seed = int(own.get("random", 0)), int(own.get("seed", 0))
        cells = sweeping.cells_of(Variation(axes, bool(own.get("side_by_side")), drawn, seed))
        if command is None:
            template = templating.template_of(self._service, own.get("template") or name)
        else:
            template = sweeping.plain_template(*words_of(command), cells)
        rest = {key: value for key, value in options.items() if key not in OWN}
        template = templating.with_options(template, _flags(rest), builder.here)
        rules = own.get("stop_when", ())
        rules = [rules] if isinstance(rules, str) else rules
        plan = Plan(name, template, cells, int(own.get("parallel", 0)), bool(own.get("canary")), rules)
        return sweeping.submission(builder, plan), builder.remarks

    def pipeline(self, request: GroupRequest, jobs: Sequence[Options], key: str) -> Made:
        builder = self._builder()
        return pipelines.submission(builder, request, [_flags(job) for job in jobs], key), builder.remarks

    def changed(self, spec: JobSpec, options: Options) -> JobSpec:
        return Redrafter(self._service, self._here()).spec(spec, _flags(options))

    def _builder(self) -> Builder:
        return Builder(self._service, self._here())


def _flags(options: Options) -> dict[str, Any]:
    """The options by their names on the command line."""
    return {name.replace("_", "-"): value for name, value in options.items()}


def _axis(name: str, value: Any) -> Axis:
    """A list of values, or a text as `-p` takes it."""
    if isinstance(value, str):
        return axis(f"{name}={value}")
    if isinstance(value, Sequence):
        return Axis(name, tuple(map(text, value)))
    return Axis(name, (text(value),))

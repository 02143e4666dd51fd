"""What `Yard.create` and `Yard.sweep` of the Python API submit: the same as the command line, from Python's values."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from runyard.api import Service, Submission
from runyard.errors import InvalidSpec
from runyard.submitting import making, sweeping
from runyard.submitting.build import Builder
from runyard.submitting.cells import Axis, axis
from runyard.submitting.script import words_of
from runyard.submitting.sweeping import Plan, Wish

OWN = ("template", "side_by_side", "random", "seed", "parallel", "canary", "stop_when")
"""What a sweep takes beside the options of its jobs."""


def create(
    builder: Builder, service: Service, name: str, values: Mapping[str, Any], options: Mapping[str, Any]
) -> Submission:
    """One job of a template."""
    template = making.with_options(making.template_of(service, name), options, builder.here)
    making.check_places(template)
    given = making.named(template, {key: text(value) for key, value in values.items()})
    return making.submission(builder, template, given)


def sweep(
    builder: Builder, service: Service, name: str, params: Mapping[str, Any], command: Any, options: Mapping[str, Any]
) -> Submission:
    """The cells of a sweep over a command, or over a template."""
    own = {key: options[key] for key in OWN if key in options}
    wish = Wish(
        tuple(_axis(key, value) for key, value in params.items()),
        bool(own.get("side_by_side")), int(own.get("random", 0)), int(own.get("seed", 0)),
    )  # fmt: skip
    cells = sweeping.cells_of(wish)
    if command is None:
        template = making.template_of(service, own.get("template") or name)
    else:
        template = sweeping.plain_template(*words_of(command), cells)
    rest = {key: value for key, value in options.items() if key not in OWN}
    template = making.with_options(template, rest, builder.here)
    rules = own.get("stop_when", ())
    plan = Plan(
        name, template, cells, int(own.get("parallel", 0)), bool(own.get("canary")),
        [rules] if isinstance(rules, str) else rules,
    )  # fmt: skip
    return sweeping.submission(builder, plan)


def text(value: Any) -> str:
    """A value as a command line has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(map(text, value))
    if isinstance(value, str | int | float | os.PathLike):
        return str(value)
    raise InvalidSpec(f"{value!r} is no value of a parameter", "param")


def _axis(name: str, value: Any) -> Axis:
    """A list of values, or a text as `-p` takes it."""
    if isinstance(value, str):
        return axis(f"{name}={value}")
    if isinstance(value, Sequence):
        return Axis(name, tuple(map(text, value)))
    return Axis(name, (text(value),))

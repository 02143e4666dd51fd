"""A sweep put together: from a template or a command and its axes to a submission of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from runyard.api import Service, Submission
from runyard.errors import InvalidSpec
from runyard.model.filter import JobQuery
from runyard.model.group import Group, GroupRequest, Sweep
from runyard.model.record import changed
from runyard.model.rendering import names_in, values_of
from runyard.model.rule import parse_rule
from runyard.model.spec import Dependency
from runyard.model.template import Parameter, Template
from runyard.submitting import templating
from runyard.submitting.build import Builder, new_key
from runyard.submitting.cells import Axis, axis, distinct, drawn, from_table, grid, side_by_side, times

Values = Mapping[str, str]


class Variation(NamedTuple):
    """What varies (`NAME=VALUES` texts), and how values are combined. `drawn` is how many cells are drawn at random (0:
    every combination)."""

    axes: tuple[str | Axis, ...] = ()
    side_by_side: bool = False
    drawn: int = 0
    seed: int = 0
    csv: str = ""


class Plan(NamedTuple):
    """A sweep that somebody wants. Its jobs are made of the template; the rules are as `--stop-when` takes them."""

    name: str
    template: Template
    cells: Sequence[Values]
    parallel: int = 0
    canary: bool = False
    rules: Sequence[str] = ()


def cells_of(variation: Variation) -> list[dict[str, str]]:
    """A set of values for each cell, each once."""
    axes = [axis(one) if isinstance(one, str) else one for one in variation.axes]
    names = [one.name for one in axes]
    for name in names:
        if names.count(name) > 1:
            raise InvalidSpec(f"{name!r} is given twice", "param")
    table = from_table(variation.csv) if variation.csv else [{}]
    if not axes and not variation.csv:
        raise InvalidSpec("nothing varies: give -p lr=0.1,0.01 or --csv FILE", "param")
    found = [dict[str, str]()]
    if axes:
        found = _combined(axes, variation)
    return distinct(times(table, found))


def _combined(axes: Sequence[Axis], variation: Variation) -> list[dict[str, str]]:
    if variation.side_by_side and variation.drawn:
        raise InvalidSpec("either side by side (--zip) or drawn (--random)", "zip")
    if variation.side_by_side:
        return side_by_side(axes)
    return drawn(axes, variation.drawn, variation.seed) if variation.drawn else grid(axes)


def plain_template(words: tuple[str, ...], shell: bool, cells: Sequence[Values], style: str = "option") -> Template:
    """A command as a template of its own: its parameters are the names in braces that vary, and the other ones that
    vary come at its end."""
    varied = varied_in(cells)
    known = [one for one in varied if one in names_in(words)] + [one for one in varied if one not in names_in(words)]
    return Template("", words, shell, parameters=tuple(Parameter(one, style=style) for one in known))


def varied_in(cells: Sequence[Values]) -> tuple[str, ...]:
    """The names of what the cells set, in order."""
    return tuple(dict.fromkeys(name for cell in cells for name in cell))


def _checked(template: Template, cells: Sequence[Values]) -> list[dict[str, str]]:
    """The cells under the parameters' own names; the first wrong value is told with its cell."""
    found = []
    for number, cell in enumerate(cells):
        try:
            values = templating.named(template, cell)
            values_of(template, values, 1)
        except InvalidSpec as error:
            where = f"cell {number}: " if len(cells) > 1 else ""
            raise InvalidSpec(f"{where}{error.message}") from None
        found.append(values)
    return found


def submission(builder: Builder, plan: Plan) -> Submission:
    """The cells of a new sweep, numbered from 0; with a canary all others wait for the first."""
    template = templating.placed(plan.template, builder.here)
    templating.check_places(template)
    cells = _checked(template, plan.cells)
    sweep = Sweep(template, varied_in(cells), tuple(map(parse_rule, plan.rules)))
    request = GroupRequest(plan.name, sweep, plan.parallel, plan.canary)
    made = templating.specs(builder, _called(template, plan.name), cells)
    specs = [changed(spec, array_index=place) for place, spec in enumerate(made)]
    if plan.canary:
        ahead = Dependency(-1)
        specs = [specs[0], *(changed(spec, after=(*spec.after, ahead)) for spec in specs[1:])]
    return Submission(tuple(specs), new_key(), group=request)


def growth(service: Service, builder: Builder, group: Group, cells: Sequence[Values]) -> Submission:
    """Those of these cells that a sweep has not yet: with the environment, the script and the dependencies that its
    first cells have, and waiting for its canary too."""
    sweep = group.sweep
    assert sweep is not None
    rows = service.jobs(JobQuery((f"group:{group.id}",)))
    model = service.job(rows[0].id).spec
    there = [set(row.params) for row in rows]
    new = [cell for cell in _checked(sweep.template, cells) if not any(cell.items() <= old for old in there)]
    start = 1 + max((row.array_index or 0 for row in rows), default=-1)
    after = tuple(one for one in model.after if one.job_id != sweep.canary)
    if sweep.canary:
        after = (*after, Dependency(sweep.canary))
    options = {key: texts for key, texts in sweep.template.options.items() if key not in ("after", "begin")}
    made = templating.specs(builder, _called(changed(sweep.template, options=options), group.name), new) if new else ()
    specs = [
        changed(
            spec, array_index=start + place, environment=model.environment, after=after,
            script=model.script if spec.script else "",
        )
        for place, spec in enumerate(made)
    ]  # fmt: skip
    return Submission(tuple(specs), new_key(), group=GroupRequest(group.name, into=group.id))


def _called(template: Template, sweep: str) -> Template:
    """Jobs are called as their sweep is where nobody says how."""
    return changed(template, options={"name": (sweep,), **template.options})

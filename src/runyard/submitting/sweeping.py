"""A sweep put together: from a template or a command and its axes to a submission of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from runyard.api import Service, Submission
from runyard.errors import InvalidSpec
from runyard.model.filter import JobQuery
from runyard.model.group import Sweep, SweepRequest
from runyard.model.record import changed
from runyard.model.rendering import checked, names_in, values_of
from runyard.model.spec import Dependency
from runyard.model.template import Parameter, Template
from runyard.submitting import making
from runyard.submitting.build import Builder, new_key
from runyard.submitting.cells import Axis, axis, distinct, drawn, from_table, grid, side_by_side, times

Values = Mapping[str, str]


class Wish(NamedTuple):
    """What varies: `NAME=VALUES` texts, and how they are put together. So many as `drawn` says are drawn (0: none)."""

    axes: tuple[str | Axis, ...] = ()
    side_by_side: bool = False
    drawn: int = 0
    seed: int = 0
    csv: str = ""


def cells_of(wish: Wish) -> list[dict[str, str]]:
    """A set of values for each cell, each once."""
    axes = [axis(one) if isinstance(one, str) else one for one in wish.axes]
    names = [one.name for one in axes]
    for name in names:
        if names.count(name) > 1:
            raise InvalidSpec(f"{name!r} is given twice", "param")
    table = from_table(wish.csv) if wish.csv else [{}]
    if not axes and not wish.csv:
        raise InvalidSpec("nothing varies: give -p lr=0.1,0.01 or --csv FILE", "param")
    found = [dict[str, str]()]
    if axes:
        found = _combined(axes, wish)
    return distinct(times(table, found))


def _combined(axes: Sequence[Axis], wish: Wish) -> list[dict[str, str]]:
    if wish.side_by_side and wish.drawn:
        raise InvalidSpec("either side by side (--zip) or drawn (--random)", "zip")
    if wish.side_by_side:
        return side_by_side(axes)
    return drawn(axes, wish.drawn, wish.seed) if wish.drawn else grid(axes)


def plain_template(name: str, words: tuple[str, ...], shell: bool, varied: Sequence[str], style: str) -> Template:
    """A command as a template of its own: its parameters are the names in braces that vary, and the other ones that
    vary come at its end."""
    known = [one for one in varied if one in names_in(words)] + [one for one in varied if one not in names_in(words)]
    return Template(name, words, shell, parameters=tuple(Parameter(one, style=style) for one in known))


def varied_in(cells: Sequence[Values]) -> tuple[str, ...]:
    """The names of what the cells set, in order."""
    return tuple(dict.fromkeys(name for cell in cells for name in cell))


def check(template: Template, cells: Sequence[Values]) -> list[dict[str, str]]:
    """The cells under the parameters' own names; the first wrong value is told with its cell."""
    found = []
    for number, cell in enumerate(cells):
        try:
            values = making.named(template, cell)
            for one in template.parameters:
                if one.name in values and "{" not in values[one.name]:
                    values[one.name] = checked(one, values[one.name])
            values_of(template, values, 1)
        except InvalidSpec as error:
            where = f"cell {number}: " if len(cells) > 1 else ""
            raise InvalidSpec(f"{where}{error.message}") from None
        found.append(values)
    return found


def submission(
    builder: Builder, request: SweepRequest, template: Template, cells: Sequence[Values], first: int
) -> Submission:
    """The cells of a new sweep, numbered from 0; with a canary all others wait for the first."""
    specs = [
        changed(spec, array_index=place) for place, spec in enumerate(making.specs(builder, template, cells, first))
    ]
    if request.canary:
        ahead = Dependency(-1)
        specs = [specs[0], *(changed(spec, after=(*spec.after, ahead)) for spec in specs[1:])]
    return Submission(tuple(specs), new_key(), sweep=request)


def growth(
    service: Service, builder: Builder, sweep: Sweep, group: tuple[int, str], cells: Sequence[Values]
) -> Submission:
    """Further cells of a sweep (its id and name): with the environment, the script and the dependencies that the first
    cells have, and waiting for its canary too."""
    number, name = group
    rows = service.jobs(JobQuery((f"group:{number}",)))
    model = service.job(rows[0].id).spec
    template = sweep.template
    first = making.take_numbers(service, builder, template, cells)
    start = 1 + max((row.array_index or 0 for row in rows), default=-1)
    after = tuple(one for one in model.after if one.job_id != sweep.canary)
    if sweep.canary:
        after = (*after, Dependency(sweep.canary))
    options = {key: texts for key, texts in template.options.items() if key not in ("after", "begin")}
    made = making.specs(builder, changed(template, options=options), cells, first)
    specs = [
        changed(
            spec, array_index=start + place, environment=model.environment, after=after,
            script=model.script if spec.script else "",
        )
        for place, spec in enumerate(made)
    ]  # fmt: skip
    return Submission(tuple(specs), new_key(), sweep=SweepRequest(name, into=number))

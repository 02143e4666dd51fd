"""Jobs made of a template: a job for each set of values, numbered where the template numbers its runs.

The values of parameters also fill the places in the template's options (`--name '{opt}-{n:03d}'`, `-D runs/{n}`). A
number is taken from the server, which gives it to nobody else; numbers whose paths exist already are passed over.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runyard.api import Service, Submission
from runyard.errors import InvalidSpec, NotFound
from runyard.model.nearest import meant
from runyard.model.params import check_params
from runyard.model.record import changed
from runyard.model.rendering import NUMBER, Rendered, checked, fill, names_in, render, values_of
from runyard.model.spec import JobSpec
from runyard.model.template import NumbersCall, Template
from runyard.submitting import bulk, template_file
from runyard.submitting.build import Builder, new_key
from runyard.submitting.ground import Here
from runyard.submitting.job_options import read

Values = Mapping[str, str]

PLACES = ("workdir", "venv", "env-file")
"""Options that are paths from where one types: a template is used from anywhere."""

LOOKS_MAX = 100_000
"""How many numbers are tried to find one whose paths are free."""


def template_of(service: Service, name: str) -> Template:
    """The template of this name; NotFound names the nearest."""
    known = {one.name: one for one in service.templates()}
    if name not in known:
        listed = f"there are: {', '.join(known)}" if known else "`ry template add` makes one"
        raise NotFound(f"there is no template {name!r}{meant(name, known, listed)}")
    return known[name]


def with_options(template: Template, given: Mapping[str, Any], here: Here) -> Template:
    """The template with further options of its jobs, checked, which win over its own."""
    kept = template_file.options(given)
    for name, texts in kept.items():
        if not any("{" in text for text in texts):
            read({name: texts[0] if len(texts) == 1 else texts}, here)
    ground = here.ground
    for name in PLACES:
        if name in kept:
            kept[name] = tuple(os.path.join(ground.cwd, ground.expand(text)) for text in kept[name])
    return changed(template, options={**template.options, **kept})


def placed(template: Template, here: Here) -> Template:
    """The template with a directory for its jobs: the present one unless it has another, wherever it is used."""
    return changed(template, options={"workdir": (here.ground.cwd,), **template.options})


def check_places(template: Template) -> None:
    """Every name in braces in an option is a parameter, or `n`: there it can hardly mean anything else."""
    known = {one.name for one in template.parameters} | {NUMBER}
    for option, texts in template.options.items():
        for name in sorted(names_in(texts) - known):
            raise InvalidSpec(f"{{{name}}}: there is no parameter {name!r}", option)


def check_defaults(template: Template) -> None:
    """Every default that somebody has set is a value of its parameter; one that the script has may be anything."""
    for one in template.parameters:
        if one.default and not one.implied and not names_in((one.default,)):
            checked(one, one.default)


def named(template: Template, given: Values) -> dict[str, str]:
    """The values under the parameters' own names, checked; InvalidSpec for one that the template has not."""
    found = {}
    for name, value in given.items():
        one = template.parameter(name)
        if one is None:
            known = [one.name for one in template.parameters]
            called = f"template {template.name!r}" if template.name else "the command"
            has = f"it has: {', '.join(known[:20])}" if known else ""
            raise InvalidSpec(f"{called} has no parameter {name!r}{meant(name, known, has)}", "param")
        found[one.name] = value if "{" in value else checked(one, value)
    return found


def text(value: Any) -> str:
    """A value as a command line has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(map(text, value))
    if isinstance(value, str | int | float | os.PathLike):
        return str(value)
    raise InvalidSpec(f"{value!r} is no value of a parameter", "param")


def specs(builder: Builder, template: Template, cells: Sequence[Values]) -> list[JobSpec]:
    """A checked spec for each set of values."""
    first = _take_numbers(builder, template, cells) if _is_numbered(template, cells) else 0
    made = [render(template, values, first + place if first else 0) for place, values in enumerate(cells)]
    entries = [_entry(template, one, first + place if first else 0) for place, one in enumerate(made)]
    found = []
    for spec, one in zip(bulk.submission(builder, entries, {}).specs, made, strict=True):
        check_params(one.params)
        found.append(changed(spec, params=one.params, template=template.name))
    return found


def submission(builder: Builder, template: Template, values: Values) -> Submission:
    """One job of a template."""
    values_of(template, values, 1)  # whatever is wrong is said before a number is taken
    return Submission(tuple(specs(builder, template, [values])), new_key())


def _entry(template: Template, made: Rendered, number: int) -> dict[str, Any]:
    known = dict(made.params)
    if number:
        known.setdefault(NUMBER, str(number))
    command: Any = made.words[0] if template.shell else list(made.words)
    options = {name: filled(texts, known) for name, texts in template.options.items()}
    return {"name": template.name, **options, "command": command, **({"script": True} if template.script else {})}


def filled(texts: tuple[str, ...], known: Values) -> Any:
    """The value of an option, with these values in its places."""
    found = tuple(fill(text, known) for text in texts)
    return found[0] if len(found) == 1 else found


def _is_numbered(template: Template, cells: Sequence[Values]) -> bool:
    """Whether these jobs have numbers."""
    if template.parameter(NUMBER) is not None:
        return False
    return NUMBER in names_in(_texts(template, [*cells, {}]))


def _texts(template: Template, cells: Sequence[Values]) -> Iterator[str]:
    """All texts in which a number may stand."""
    yield from template.command
    for texts in template.options.values():
        yield from texts
    for one in template.parameters:
        yield from (values.get(one.name) or one.default or "" for values in cells)


def _take_numbers(builder: Builder, template: Template, cells: Sequence[Values]) -> int:
    """The first of as many numbers as there are jobs."""
    least = _free_number(builder, template, cells, 1)
    while True:
        first = builder.numbers(NumbersCall(template.name or "sweep", len(cells), least))
        least = _free_number(builder, template, cells, first)
        if least == first:
            return first


def _free_number(builder: Builder, template: Template, cells: Sequence[Values], least: int) -> int:
    """The first number from which on no path exists that these jobs would have of their own."""
    workdir = builder.ground.expand((template.options.get("workdir") or (builder.ground.cwd,))[0])
    number, free = least, 0
    while free < len(cells):
        if number > least + LOOKS_MAX:
            raise InvalidSpec(f"the paths of all numbers from {least} to {number} are there already", "n")
        taken = any(builder.ground.exists(path) for path in _paths(template, cells[free], number, workdir))
        number, free = number + 1, 0 if taken else free + 1
    return number - len(cells)


def _paths(template: Template, values: Values, number: int, workdir: str) -> Iterator[str]:
    """What these jobs would find in their way: everything with the number in it that may be a path."""
    known = {**values_of(template, values, number), NUMBER: str(number)}
    for text in _texts(template, [values]):
        if NUMBER in names_in([text]):
            filled = fill(text, known)
            yield os.path.join(workdir, filled.partition("=")[2] or filled)

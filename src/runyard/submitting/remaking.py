"""A job with other values of its parameters, its command made again: what `--set lr=3` means for a job of a template
and for a cell of a sweep.

Nothing says which template a job was made of but its name, and both may have changed since. So it is made as it is
first, with the values that it has: only a template that makes the very command of the job makes it another one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from runyard.errors import InvalidSpec
from runyard.model.params import check_params
from runyard.model.record import changed
from runyard.model.rendering import NUMBER, fill, names_in, render
from runyard.model.spec import JobSpec
from runyard.model.template import Template
from runyard.submitting.job_options import OPTIONS
from runyard.submitting.templating import Values, filled, named


def remade(
    template: Template, spec: JobSpec, given: Values, chosen: Collection[str] = ()
) -> tuple[JobSpec, dict[str, Any]]:
    """The job with these values, and the options in which one of them stands, filled again, but for those that are
    `chosen` otherwise. The number of its run stays. InvalidSpec names a wrong value, or says that the template does not
    make this job."""
    number = _number(template, spec)
    held = _held(template, spec, number)
    if render(template, held, number).words != spec.command or template.shell != bool(spec.shell):
        raise InvalidSpec(
            f"{_called(template)} does not make the job's command, one of them was changed since; set `command` and "
            "`param` themselves, or make a new job (ry create)",
            next(iter(given)),
        )
    values = {**held, **named(template, given)}
    if not number:
        _check_unnumbered(template, values.items())
    made = render(template, values, number)
    check_params(made.params)
    known, now = dict(spec.params), dict(made.params)
    others = {name for name in {**known, **now} if known.get(name) != now.get(name)}
    options = {
        name: texts for name, texts in template.options.items() if names_in(texts) & others and name not in chosen
    }
    if not number:
        _check_unnumbered(template, ((name, text) for name, texts in options.items() for text in texts))
    numbered = {NUMBER: str(number), **now} if number else now
    after = changed(spec, command=made.words, params=made.params)
    return after, {name: filled(texts, numbered) for name, texts in options.items()}


def _called(template: Template) -> str:
    return f"template {template.name!r}" if template.name else "its sweep"


def _number(template: Template, spec: JobSpec) -> int:
    """The number of its run: the one with which a text that has a place for it is what the job has (0: none is)."""
    known = dict(spec.params)
    if template.parameter(NUMBER) is not None:
        return 0
    for text, has in _texts(template, spec):
        if NUMBER in names_in((text,)):
            for number in map(int, re.findall(r"\d+", has)):
                if number and fill(text, {**known, NUMBER: str(number)}) == has:
                    return number
    return 0


def _texts(template: Template, spec: JobSpec) -> Iterator[tuple[str, str]]:
    """Texts of the template, and what the job has of each."""
    known = dict(spec.params)
    yield from zip(template.command, spec.command, strict=False)
    yield from ((one.default or "", known.get(one.name, "")) for one in template.parameters)
    for name, texts in template.options.items():
        if name in OPTIONS and len(texts) == 1:
            yield texts[0], str(OPTIONS[name].shown(spec))


def _held(template: Template, spec: JobSpec, number: int) -> dict[str, str]:
    """The values that it was given: not those that are defaults, which may follow from others."""
    known = dict(spec.params)
    all_known = {NUMBER: str(number), **known} if number else known
    usual = {one.name: fill(one.default, all_known) for one in template.parameters if one.default is not None}
    return {name: value for name, value in known.items() if usual.get(name) != value}


def _check_unnumbered(template: Template, texts: Iterable[tuple[str, str]]) -> None:
    """Whether these do without the number of a run that has none."""
    for name, text in texts:
        if template.parameter(NUMBER) is None and NUMBER in names_in((text,)):
            raise InvalidSpec(f"{text!r}: the number of its run is not known; set {name} as well", name)

"""What `template`, `create` and `sweep` share: finding a template, reading its options, finding parameters."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from runyard.cli.context import App
from runyard.cli.render.text import harmless
from runyard.cli.submit import here
from runyard.errors import InvalidSpec, RunyardError, UsageError
from runyard.model.rendering import NUMBER, names_in
from runyard.model.template import Parameter, Template
from runyard.submitting.ground import Here
from runyard.submitting.parameters import merged, parse, style_of
from runyard.submitting.script import command_of
from runyard.submitting.venv import programs_in


def command_in(app: App, words: tuple[str, ...], literal: bool) -> tuple[tuple[str, ...], bool]:
    """The words of a command, and whether they are one text for a shell. A script is run where it lies."""
    command = command_of(words, literal or len(words) > 1, "", os.getcwd())
    is_file = command.script is not None
    return (words if is_file else command.words), bool(command.shell)


def parameters_of(app: App, template: Template, written: Sequence[str], style: str, scan: bool) -> Template:
    """The template with the parameters that its script has, those that were written by hand, and what else has a place
    in its command."""
    places = names_in(template.command) - {NUMBER}
    found: tuple[Parameter, ...] = ()
    source = "hand"
    if scan and not app.settings.is_far:
        try:
            told = _ask(app, template)
        except RunyardError as error:
            if not written and not places:
                raise
            app.output.note(f"ry: {harmless(error.message.partition(';')[0])}")
        else:
            found, source = told.parameters, told.source
            if told.missing:
                app.output.note(f"ry: not here, and stood in for: {harmless(', '.join(told.missing))}")
            if told.ahead:
                flags = harmless(", ".join(told.ahead))
                app.output.note(f"ry: left out, because it has to stand before a word of the command: {flags}")
            if told.unnamed:
                names = harmless(", ".join(told.unnamed))
                app.output.note(f"ry: left out, because no parameter can be called so (letters are a to z): {names}")
    elif scan and not written and not places:
        raise UsageError("on another machine parameters are named by hand: -p lr:float=0.01")
    mine = tuple(parse(text, style or ("hydra" if source == "hydra" else "option")) for text in written)
    known = {one.name for one in (*found, *mine)}
    both = (*merged(found, mine), *(parse(name) for name in sorted(places - known)))
    if style:
        both = tuple(_restyled(one, style_of(style)) for one in both)
    return replace(template, parameters=_left(both, template.command), source=source)


def _restyled(one: Parameter, style: str) -> Parameter:
    """The parameter with this style. One that stands alone has no flag, and keeps its own."""
    return one if one.style == "positional" else replace(one, style=style)


def _left(parameters: Sequence[Parameter], command: Sequence[str]) -> tuple[Parameter, ...]:
    """Those that the command does not give already: a flag in it has its value, unless that is a place for one."""
    words, places = {word.partition("=")[0] for word in command}, names_in(command)
    return tuple(one for one in parameters if one.name in places or not {one.flag, one.off} & words - {""})


def _ask(app: App, template: Template) -> Any:
    """What the script says. Its interpreter is that of the environment which the jobs will have."""
    if template.shell:
        raise InvalidSpec("of a text for a shell the parameters are named by hand: -p lr:float=0.01", "template")
    place: Here = here(app)
    options = template.options
    cwd = (options.get("workdir") or (os.getcwd(),))[0]
    environ = dict(place.environ)
    programs = programs_in((options.get("venv") or ("",))[0], (options.get("conda") or ("",))[0], place.ground)
    if programs:
        environ["PATH"] = f"{programs}:{environ.get('PATH', os.defpath)}"
    interview = import_module("runyard.submitting.interview")
    return interview.ask(template.command, cwd, environ)

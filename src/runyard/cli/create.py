"""`create`: a job from a template. Its parameters are flags of this verb; on a terminal the others are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import partial
from typing import Any

import click

from runyard.api import Submission
from runyard.cli.context import App
from runyard.cli.job_options import first_word, given, template_options
from runyard.cli.options import as_json, complete_templates, complete_words, dry_run
from runyard.cli.render.text import harmless
from runyard.cli.selecting import YES
from runyard.cli.submit import here, report, sent, twins
from runyard.cli.template import kind_of
from runyard.errors import InvalidSpec, RunyardError, UsageError
from runyard.model.listing import shown
from runyard.model.params import assigned
from runyard.model.rendering import checked, unknown_below
from runyard.model.template import Parameter, Template
from runyard.submitting import templating
from runyard.submitting.build import Builder

TEMPLATE = "runyard.template"
ASKED = "value_"
"""What the names of parameters have in front of them among the other options."""


class FromTemplate(click.Command):
    """A verb whose first word names a template, and whose flags are also that template's parameters."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = first_word(self, args)
        if at is not None and isinstance(ctx.obj, App):
            ctx.meta[TEMPLATE] = self._template(ctx.obj, args[at], ctx.resilient_parsing)
        return super().parse_args(ctx, args)

    def _template(self, app: App, name: str, quiet: bool) -> Template | None:
        if not quiet:
            return templating.template_of(app.service(), name)
        try:  # the Tab key starts no server, and complains about nothing
            service = app.reach()
            return next((one for one in service.templates() if one.name == name), None) if service else None
        except (RunyardError, OSError):
            return None

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Options of a job give way to parameters of the same name; their short forms stay."""
        params = super().get_params(ctx)
        template: Template | None = ctx.meta.get(TEMPLATE)
        if template is None:
            return params
        mine: list[click.Parameter] = [
            flag_of(one, f"{ASKED}{number}") for number, one in enumerate(template.parameters)
        ]
        taken = {flag for one in mine for flag in (*one.opts, *one.secondary_opts)}
        return [*mine, *(left for one in params if (left := _without(one, taken)) is not None)]


def _without(param: click.Parameter, taken: set[str]) -> click.Parameter | None:
    """The option without these flags; None where it has no others."""
    if not isinstance(param, click.Option) or not taken & {*param.opts, *param.secondary_opts}:
        return param
    left = copy(param)
    left.opts = [flag for flag in param.opts if flag not in taken]
    left.secondary_opts = [flag for flag in param.secondary_opts if flag not in taken]
    return left if left.opts else None


def flag_of(one: Parameter, name: str) -> click.Option:
    """The flag of a parameter. What it is given is checked by the template, not by click."""
    plain = one.name.replace("_", "-")
    flags = list(dict.fromkeys((f"--{plain}", f"--{one.name}")))
    about = f"[{kind_of(one)}]" + (f" {one.help}" if one.help else "")
    about += " (has to be given)" if one.required else f" (default: {one.default})" if one.default is not None else ""
    if one.type == "bool":
        return click.Option([f"{flags[0]}/--no-{plain}", *flags[1:], name], default=None, help=harmless(about))
    completes = complete_words(*one.choices) if one.choices else None
    return click.Option([*flags, name], metavar="VALUE", help=harmless(about), shell_complete=completes)


@click.command("create", cls=FromTemplate, context_settings={"allow_extra_args": True})
@click.argument("called", metavar="TEMPLATE", shell_complete=complete_templates)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A parameter, whatever its name is.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask: defaults for all that is not given.")
@template_options
@dry_run
@as_json
@click.pass_obj
def create(
    app: App, /, called: str, settings: tuple[str, ...] = (), yes: bool = False, dry_run: bool = False, **options: Any
) -> int:
    """A job from a template, put into the queue.

    Its parameters are flags; on a terminal those that are not given are asked for. A wrong value is refused before
    anything is queued. `ry create TEMPLATE --help` lists them. Where a parameter is called as an option of jobs is,
    the parameter is meant; --set sets it too, and short options (-t, -J) stay those of the job.

    \b
    Examples:
      ry create train --lr 0.1 --opt sgd
      ry create train -G2 --yes --dry-run
    """
    context = click.get_current_context()
    template: Template = context.meta[TEMPLATE]
    if context.args:
        named = shown(f"--{harmless(one.name.replace('_', '-'))}" for one in template.parameters)
        raise UsageError(f"{context.args[0]!r}: parameters are given by their flags: {named}")
    flags = {key: options.pop(key) for key in list(options) if key.startswith(ASKED)}
    values = {
        template.parameters[int(key.removeprefix(ASKED))].name: _text(value)
        for key, value in flags.items()
        if value is not None
    }
    values = templating.named(
        template, {**values, **dict(assigned(word, "NAME=VALUE, as in lr=0.1", "set") for word in settings)}
    )
    place = here(app)
    template = templating.with_options(template, given(options), place)
    templating.check_places(template)
    if not yes and not dry_run and app.output.asks and not app.output.as_json:
        values = ask(app, template, values)
    builder = Builder(app.service(), place, dry=dry_run)
    submission = templating.submission(builder, template, values)
    if not dry_run and not yes and app.output.asks and not app.output.as_json:
        _confirm(app, submission)
    receipt = sent(app, submission, builder.remarks, dry_run)
    if receipt is not None:
        report(app, submission, receipt)
    return 0


def _confirm(app: App, submission: Submission) -> None:
    """Ask whether a job is meant that another one is just like."""
    for told in twins(app, submission.specs[0]) if len(submission.specs) == 1 else ():
        if app.output.ask(f"{told}; put it into the queue all the same? [y/N]") not in YES:
            raise UsageError("nothing was put into the queue")


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def ask(app: App, template: Template, values: Mapping[str, str]) -> dict[str, str]:
    """What is not given is asked for, one after the other; an empty answer where there is no default leaves it out."""
    answers = dict(values)
    for one in template.parameters:
        if one.name in answers or one.name.startswith(unknown_below(template, answers)):
            continue
        if one.help:
            app.output.note(f"  {harmless(one.help)}")
        default = one.default if one.default is not None else (None if one.required else "")
        told = app.output.prompt(harmless(f"{one.name} ({kind_of(one)})"), default, partial(_taken, one))
        if told != (one.default or ""):
            answers[one.name] = told
    return answers


def _taken(one: Parameter, text: str) -> str:
    """The value that was typed, or what is wrong with it."""
    if (not text and not one.required) or "{" in text:
        return text
    try:
        return checked(one, text)
    except InvalidSpec as error:
        raise click.UsageError(error.message) from None

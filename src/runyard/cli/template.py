"""`template`: commands with parameters, to make jobs of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import click

from runyard.cli.context import App
from runyard.cli.editing import until_right
from runyard.cli.job_options import LITERAL, NamedCommand, given, template_options, words_argument
from runyard.cli.options import as_json, complete_files, complete_jobs, complete_templates, dry_run
from runyard.cli.render.facts import line_of
from runyard.cli.render.grid import Column, Grid, Row
from runyard.cli.render.json import of_named
from runyard.cli.render.text import clock, counted, harmless
from runyard.cli.selecting import single
from runyard.cli.submit import here, text_of
from runyard.cli.templates import command_in, parameters_of
from runyard.errors import Conflict, InvalidSpec, NotFound, UsageError
from runyard.model.params import assigned
from runyard.model.record import changed
from runyard.model.template import STYLES, Parameter, Template
from runyard.submitting import config_file, template_file, templating

one_name = click.argument("name", metavar="NAME", shell_complete=complete_templates)


@click.group("template")
def template() -> None:
    """Templates: a command with parameters, and the options of its jobs.

    \b
    Examples:
      ry template add train -G1 -- python train.py
      ry template show train
      ry create train --lr 0.1
    """


@template.command("ls")
@as_json
@click.pass_obj
def ls(app: App) -> int:
    """List the templates.

    \b
    Example:
      ry template ls
    """
    found = app.service().templates()
    if app.output.as_json:
        app.output.json(found)
    elif not found:
        app.output.note("no templates; `ry template add NAME -- COMMAND` makes one")
    else:
        columns = (
            Column("TEMPLATE", firm=True), Column("PARAMETERS", flexible=True), Column("COMMAND", flexible=True),
            Column("FROM"), Column("SAVED"), Column("USER", optional=True),
        )  # fmt: skip
        users = {one.user for one in found}
        app.output.grid(Grid(columns, tuple(_row(app, one, len(users) > 1) for one in found)))
    return 0


def _row(app: App, one: Template, show_user: bool) -> Row:
    cells = (
        one.name, harmless(" ".join(parameter.name for parameter in one.parameters)),
        line_of(one.command, one.shell), one.source, clock(one.saved_at, app.now()),
        harmless(one.user) if show_user else "",
    )  # fmt: skip
    return Row(cells)


@template.command("show")
@one_name
@click.option("--toml", is_flag=True, help="As a file that `template add --file` takes.")
@as_json
@click.pass_obj
def show(app: App, name: str, toml: bool) -> int:
    """Everything about a template.

    \b
    Examples:
      ry template show train
      ry template show train --toml > train.toml
    """
    found = templating.template_of(app.service(), name)
    if app.output.as_json:
        app.output.json(found)
    elif toml:
        app.output.line(template_file.write(found).rstrip("\n"))
    else:
        _tell(app, found)
    return 0


def _tell(app: App, one: Template) -> None:
    app.output.facts(_facts(one))
    if one.parameters:
        app.output.line()
        app.output.grid(table(one.parameters))


def _facts(one: Template) -> Iterator[tuple[str, str]]:
    yield "template", one.name
    if one.description:
        yield "is", harmless(one.description)
    yield (
        "command",
        line_of(one.command, one.shell) + (" (a copy of the script is kept with each job)" if one.script else ""),
    )
    for name, texts in one.options.items():
        yield name, harmless(", ".join(texts))
    yield "parameters", f"{len(one.parameters)}, found by {one.source}" if one.source != "hand" else "written by hand"


def table(parameters: tuple[Parameter, ...]) -> Grid:
    """Parameters as a table."""
    columns = (
        Column("PARAMETER", firm=True), Column("TYPE", firm=True), Column("DEFAULT", flexible=True),
        Column("FLAG", flexible=True, optional=True, spare=1), Column("HELP", flexible=True, optional=True, spare=2),
    )  # fmt: skip
    return Grid(columns, tuple(Row(tuple(map(harmless, _cells(one)))) for one in parameters))


def _cells(one: Parameter) -> tuple[str, ...]:
    default = "(has to be given)" if one.required else "" if one.default is None else one.default
    flag = "/".join(filter(None, (one.flag, one.off))) if one.style != "hydra" else f"{one.flag or one.name}="
    return one.name, kind_of(one), default, flag, one.help


def kind_of(one: Parameter) -> str:
    """What values it takes, in a word or two."""
    if one.choices:
        word = "|".join(one.choices)
    elif one.least is not None or one.most is not None:
        low, high = ("" if bound is None else f"{bound:g}" for bound in (one.least, one.most))
        word = f"{one.type} {low}..{high}"
    else:
        word = one.type
    return word + {"each": " (several)", "together": " (several)"}.get(one.many, "")


@template.command("add", cls=NamedCommand)
@click.option(
    "-p",
    "--param",
    "written",
    multiple=True,
    metavar="NAME[:TYPE][=DEFAULT]",
    help="A parameter by hand: lr:float=0.01, opt:choice(adam,sgd)=adam, layers:int(1,100), tags:text+.",
)
@click.option(
    "--file", metavar="FILE", shell_complete=complete_files, help="The whole template as TOML (- is standard input)."
)
@click.option("--script", is_flag=True, help="Each job gets a copy of the script, as it is when it is created.")
@click.option("--scan/--no-scan", default=None, help="Find the parameters in the script (default: if there are no -p).")
@click.option("--style", metavar="STYLE", help=f"How values are given: {', '.join(STYLES)} (default: as found).")
@click.option("--description", metavar="TEXT", default="", help="What it is for.")
@click.option("--replace", is_flag=True, help="Take the place of a template of this name.")
@template_options
@dry_run
@as_json
@words_argument
@click.pass_obj
def add(app: App, /, called: str, words: tuple[str, ...], **options: Any) -> int:
    """Make a template of a command.

    Its parameters are found in the script's own parser (argparse, click, typer or a Hydra config): it is run by the
    interpreter that its jobs will have, with no network, no new processes and nothing written, up to where it reads
    its command line, and ended there. Or they are written by hand, with -p or in a file.

    {lr} in the command or in an option stands for the value of lr, {n:03d} for the number of the run; what stands
    nowhere comes at the end. Jobs run in this directory unless -D says otherwise.

    \b
    Examples:
      ry template add train -G1 -t 2h -- python train.py
      ry template add fit -p lr:float=0.01 -p 'm:choice(a,b)=a' -- ./fit -r {lr}
      ry template add run --name 'r{n:03d}' -- python train.py --out runs/{n}
      ry template add train --file train.toml
    """
    name = called
    own = {key: options.pop(key) for key in ("written", "file", "script", "scan", "style", "description", "replace")}
    dry = options.pop("dry_run")
    if own["file"] is not None:
        if words or own["written"]:
            raise UsageError("either --file, or a command and -p")
        made = template_file.read(text_of(own["file"]), name)
        made = templating.with_options(made, given(options), here(app))
    else:
        made = _made(app, name, words, own, given(options))
    made = templating.placed(made, here(app))
    templating.check_places(made)
    templating.check_defaults(made)
    before = {one.name: one.version for one in app.service().templates()}.get(name, 0)
    if before and not own["replace"]:
        raise Conflict(
            f"there is a template {name!r} already; --replace takes its place, `ry template edit` changes it"
        )
    made = changed(made, version=before)
    if not dry:
        made = app.service().save_template(made)
    if app.output.as_json:
        app.output.json(of_named("add", [name], [made], dry))
    elif dry:
        app.output.line(f"would save template {name}")
        _tell(app, made)
    else:
        names = ", ".join(one.name for one in made.parameters) or "none"
        app.output.line(
            f"template {name} is saved, with {counted(len(made.parameters), 'parameter')}: {harmless(names)}"
        )
    return 0


def _made(app: App, name: str, words: tuple[str, ...], own: dict[str, Any], options: dict[str, Any]) -> Template:
    if not words:
        raise UsageError("give a command after --, or --file")
    command, shell = command_in(app, words, bool(click.get_current_context().meta.get(LITERAL)))
    if own["script"]:
        if shell:
            raise UsageError("--script is for a command that begins with a script file")
        command = (os.path.abspath(os.path.expanduser(command[0])), *command[1:])
    made = Template(name, command, shell, own["script"], description=own["description"])
    made = templating.with_options(made, options, here(app))
    scan = own["scan"] if own["scan"] is not None else not own["written"]
    return parameters_of(app, made, own["written"], own["style"] or "", scan)


@template.command("edit")
@one_name
@click.option("--set", "changes", multiple=True, metavar="NAME=DEFAULT", help="Another default for a parameter.")
@click.option("--file", metavar="FILE", shell_complete=complete_files, help="The edited TOML (- is standard input).")
@dry_run
@as_json
@click.pass_obj
def edit(app: App, name: str, changes: tuple[str, ...], file: str | None, dry_run: bool) -> int:
    """Change a template: in your editor ($VISUAL, $EDITOR) as TOML, from a file, or single defaults.

    After a mistake the editor opens again with what you wrote. Jobs and sweeps that were made of it stay what they are.

    \b
    Examples:
      ry template edit train
      ry template edit train --set lr=0.05
    """
    before = after = templating.template_of(app.service(), name)

    def save(changed: Template) -> str:
        nonlocal after
        templating.check_places(changed)
        templating.check_defaults(changed)
        after = changed if dry_run or changed == before else app.service().save_template(changed)
        return ""

    if changes:
        save(_with_defaults(before, changes))
    elif file is not None:
        save(template_file.edited(before, text_of(file)))
    else:
        until_right(app, template_file.write(before), lambda text: save(template_file.edited(before, text)))
    if after == before:
        app.output.note("nothing was changed")
    if app.output.as_json:
        app.output.json(of_named("edit", [name] if after != before else [], [after], dry_run))
    elif after != before:
        app.output.line(f"{'would change' if dry_run else 'changed'} template {name}")
    return 0


def _with_defaults(before: Template, changes: tuple[str, ...]) -> Template:
    table = {one.name: one for one in before.parameters}
    for word in changes:
        form = "NAME=DEFAULT with a parameter of this template"
        name, value = assigned(word, form, "set")
        one = before.parameter(name)
        if one is None:
            raise InvalidSpec(f"{word!r}: use {form}", "set")
        table[one.name] = changed(one, default=value, required=False, implied=False)
    return changed(before, parameters=tuple(table.values()))


@template.command("rm")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete_templates)
@dry_run
@as_json
@click.pass_obj
def rm(app: App, names: tuple[str, ...], dry_run: bool) -> int:
    """Remove templates. Jobs and sweeps that were made of them stay what they are.

    \b
    Example:
      ry template rm train
    """
    found = {name: templating.template_of(app.service(), name) for name in names}
    for name in found if not dry_run else ():
        app.service().remove_template(name)
    if app.output.as_json:
        app.output.json(of_named("remove", [*found], [*found.values()], dry_run))
    else:
        for name in found:
            app.output.line(f"{'would remove' if dry_run else 'removed'} template {name}")
    return 0


@template.command("write")
@click.argument("selector", metavar="JOB", shell_complete=complete_jobs)
@click.argument("file", metavar="FILE", shell_complete=complete_files)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.pass_obj
def write(app: App, selector: str, file: str, force: bool) -> int:
    """Write the parameters of a job to a configuration file: *.toml, *.json or *.yaml; - prints TOML.

    Names with dots become tables, values are numbers, truths and lists where their types say so.

    \b
    Example:
      ry template write 12 best.toml
    """
    row = single(app, selector)
    if not row.params:
        raise NotFound(f"job {row.id} has no parameters")
    known = next((one for one in app.service().templates() if one.name == row.template), None)
    text = config_file.text_of(row.params, known, "x.toml" if file == "-" else file)
    if file == "-":
        app.output.line(text.rstrip("\n"))
        return 0
    try:
        with open(file, "w" if force else "x", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(text)
    except FileExistsError:
        raise UsageError(f"{file} is there already; --force writes over it") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from None
    app.output.line(f"wrote {counted(len(row.params), 'parameter')} of job {row.id} to {harmless(file)}")
    return 0

"""`sweep`: many jobs of one command that differ in their parameters, as one thing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import click

from runyard.api import ChangeResult, Receipt, StopCall
from runyard.cli.context import App
from runyard.cli.groups import change_line
from runyard.cli.job_options import LITERAL, NamedCommand, given, template_options, words_argument
from runyard.cli.options import as_json, complete_files, dry_run, yes
from runyard.cli.render.json import of_named, plain
from runyard.cli.render.text import counted, harmless, numbers
from runyard.cli.selecting import Change
from runyard.cli.submit import here, sent, text_of
from runyard.cli.sweep_views import cells_of, csv, ls, one_name, record, show, sweep_of
from runyard.cli.templates import command_in
from runyard.errors import InvalidSpec, NotFound, UsageError
from runyard.model.group import SweepChange
from runyard.model.job import JobState
from runyard.model.params import assigned
from runyard.model.record import changed
from runyard.model.rule import parse_rule
from runyard.model.template import STYLES, Template
from runyard.submitting import sweeping, templating
from runyard.submitting.build import Builder
from runyard.submitting.parameters import style_of
from runyard.submitting.sweeping import Plan, Variation

SEED_BYTES = 4

axes = click.option(
    "-p", "--param", "axes", multiple=True, metavar="NAME=VALUES",
    help="lr=0.1,0.01; layers=range(1,9); lr=loguniform(1e-5,1e-1) with --random; data=part[0-5]; size=[64,64],[128].",
)  # fmt: skip
table = click.option(
    "--csv", metavar="FILE", shell_complete=complete_files,
    help="A cell for each line (the first has the names), or for each object of JSON or JSON lines.",
)  # fmt: skip
zipped = click.option("--zip", "side_by_side", is_flag=True, help="Values side by side instead of every combination.")
count = click.option("--random", "count", type=click.IntRange(1), metavar="N", help="N cells, drawn at random.")
seed = click.option(
    "--seed", type=int, metavar="N", help="The same cells for the same seed (default: chance; it is told)."
)
rules = click.option(
    "--stop-when", "rules", multiple=True, metavar="RULE",
    help="'acc >= 0.99' ends the rest, 'loss > 2 after 100' a cell that is so bad at step 100.",
)  # fmt: skip
parallel = click.option("--parallel", type=click.IntRange(0), metavar="N", help="So many cells at a time; 0: as fit.")


@click.group("sweep")
def sweep() -> None:
    """Sweeps: many jobs of one command that differ in their parameters.

    \b
    Examples:
      ry sweep add lr -p lr=0.1,0.01 -p opt=adam,sgd --template train
      ry sweep show lr
      ry sweep csv lr > results.csv
      ry stop sweep:lr
    """


for command in (ls, show, csv):
    sweep.add_command(command)


@sweep.command("add", cls=NamedCommand)
@axes
@click.option(
    "--template", "from_template", metavar="NAME", help="The template that its jobs are made of (default: NAME itself)."
)
@table
@zipped
@count
@seed
@parallel
@click.option("--canary", is_flag=True, help="One cell first; the others wait until it has succeeded.")
@rules
@click.option("--style", metavar="STYLE", help=f"How values stand behind a plain command: {', '.join(STYLES)}.")
@template_options
@dry_run
@as_json
@words_argument
@click.pass_obj
def add(app: App, /, called: str, words: tuple[str, ...], dry_run: bool, **options: Any) -> int:
    """Submit a job for each combination of values.

    The command is that of a template, or stands after `--`, with {lr} where the value of lr goes; values without a
    place come at its end as `--lr 0.1`. Cells are numbered from 0: NAME[3] is one of them, and RUNYARD_PARAMS has its
    parameters. `sweep:NAME` selects all of them, for every verb. Parentheses and brackets mean something to a shell:
    quote them.

    \b
    Examples:
      ry sweep add lr -p lr=0.1,0.01 -p seed=1,2 --parallel 4 -- python train.py
      ry sweep add train -p 'lr=loguniform(1e-5,1e-1)' --random 20 --canary
      ry sweep add parts -p 'x=part[0-5]' -p 'to=o[0-5]' --zip -- cp {x} {to}
      ry sweep add runs --csv runs.csv --stop-when 'acc >= 0.99'
    """
    own = {key: options.pop(key) for key in ("from_template", "parallel", "canary", "rules", "style")}
    cells = sweeping.cells_of(_variation(app, options))
    place = here(app)
    template = templating.with_options(_template(app, called, words, own, cells), given(options), place)
    builder = Builder(app.service(), place, dry=dry_run)
    plan = Plan(called, template, cells, own["parallel"] or 0, own["canary"], own["rules"])
    receipt = sent(app, sweeping.submission(builder, plan), builder.remarks, dry_run)
    return 0 if receipt is None else _told(app, called, receipt)


def _variation(app: App, options: dict[str, Any]) -> Variation:
    """What varies, out of the options."""
    file = options.pop("csv")
    cells = text_of(file) if file is not None else ""
    drawn, chosen = options.pop("count") or 0, options.pop("seed")
    if drawn and chosen is None:
        chosen = int.from_bytes(os.urandom(SEED_BYTES), "big")
        app.output.note(f"ry: drawn with --seed {chosen}")
    return Variation(options.pop("axes"), options.pop("side_by_side"), drawn, chosen or 0, cells)


def _template(
    app: App, name: str, words: tuple[str, ...], own: dict[str, Any], cells: Sequence[templating.Values]
) -> Template:
    if not words:
        return templating.template_of(app.service(), own["from_template"] or name)
    if own["from_template"]:
        raise UsageError("either a command or --template")
    command, shell = command_in(app, words, bool(click.get_current_context().meta.get(LITERAL)))
    return sweeping.plain_template(command, shell, cells, style_of(own["style"] or "option"))


def _told(app: App, name: str, receipt: Receipt) -> int:
    """The ids in a pipe; on a terminal a line about the sweep."""
    output, ids = app.output, receipt.ids
    if output.as_json:
        output.json({**plain(receipt), "sweep": name})
    elif not ids:
        return 0
    elif output.terminal:
        output.line(f"sweep {harmless(name)}: {counted(len(ids), 'cell')} queued, jobs {numbers(ids)}")
    else:
        output.line("\n".join(map(str, ids)))
    return 0


@sweep.command("set")
@one_name
@parallel
@rules
@click.option("--no-rules", is_flag=True, help="Take back the rules.")
@dry_run
@as_json
@click.pass_obj
def set_(app: App, name: str, parallel: int | None, rules: tuple[str, ...], no_rules: bool, dry_run: bool) -> int:
    """Change a sweep while it runs: how many cells at a time, its stop rules.

    \b
    Examples:
      ry sweep set lr --parallel 8
      ry sweep set lr --stop-when 'acc >= 0.995'
    """
    if parallel is None and not rules and not no_rules:
        raise UsageError("nothing to set: give --parallel, --stop-when or --no-rules")
    row = sweep_of(app, name)
    before = row.group
    change = SweepChange(before.id, parallel, tuple(map(parse_rule, rules)) if rules or no_rules else None)
    row = changed(row, group=change.made_of(before) if dry_run else app.service().change_sweep(change))
    if app.output.as_json:
        app.output.json(of_named("set", [before.name] if row.group != before else [], [record(row)], dry_run))
    else:
        app.output.line(change_line(row, change, dry_run))
    return 0


@sweep.command("grow", cls=NamedCommand)
@axes
@table
@zipped
@count
@seed
@dry_run
@as_json
@click.pass_obj
def grow(app: App, /, called: str, dry_run: bool, **options: Any) -> int:
    """Add cells to a sweep, also while it runs. Those that it has already are left out.

    They get the environment, the options and the dependencies of its first cells.

    \b
    Example:
      ry sweep grow lr -p lr=0.003 -p opt=adam,sgd
    """
    group = sweep_of(app, called).group
    cells = sweeping.cells_of(_variation(app, options))
    builder = Builder(app.service(), here(app), dry=dry_run)
    submission = sweeping.growth(app.service(), builder, group, cells)
    known = len(cells) - len(submission.specs)
    if known:
        app.output.note(f"ry: {counted(known, 'cell')} of these it has already")
    if known == len(cells) and not dry_run:
        return _told(app, group.name, Receipt(()))
    receipt = sent(app, submission, builder.remarks, dry_run)
    return 0 if receipt is None else _told(app, group.name, receipt)


@sweep.command("drop")
@one_name
@click.argument("conditions", nargs=-1, required=True, metavar="PARAM=VALUE...")
@yes
@dry_run
@as_json
@click.pass_obj
def drop(app: App, name: str, conditions: tuple[str, ...], yes: bool, dry_run: bool) -> int:
    """Take cells out of a sweep that have these values: those that wait or run are ended, the others stay.

    \b
    Example:
      ry sweep drop lr lr=1.0
    """
    row = sweep_of(app, name)
    wanted = [assigned(word, "PARAM=VALUE, as in lr=0.1", "param") for word in conditions]
    cells = cells_of(app, row)
    known = {key for cell in cells for key, _ in cell.params}
    for key, _ in wanted:
        if key not in known:
            raise InvalidSpec(f"no cell has a parameter {key!r}; there are: {', '.join(sorted(known))}", "param")
    meant = [cell for cell in cells if all(dict(cell.params).get(key) == value for key, value in wanted)]
    if not meant:
        raise NotFound(f"no cell of sweep {row.group.name!r} has {', '.join(conditions)}")
    change = Change("drop", "dropped", lambda cell: cell.state != JobState.DONE.value)
    ids = [str(cell.id) for cell in meant if change.applies(cell)]
    if not ids:
        return change.preview(app, ()) if dry_run else change.report(app, ChangeResult(()))
    return change.run(app, ids, lambda some: app.service().stop(StopCall(some)), yes=yes or len(ids) == 1, dry=dry_run)

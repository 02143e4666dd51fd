"""`help`: what `--help` says, asked the other way round."""

from __future__ import annotations

import click

from runyard.cli.context import App
from runyard.cli.lazy import LEAVE, LazyGroup
from runyard.cli.options import complete_verbs
from runyard.cli.render.grid import Column, Grid, Row


@click.command("help")
@click.argument("verbs", nargs=-1, metavar="[VERB]...", shell_complete=complete_verbs)
@click.pass_context
def help(ctx: click.Context, verbs: tuple[str, ...]) -> int:
    """Help about a verb: the same as `ry VERB --help`; without one `ry --help`.

    \b
    Examples:
      ry help
      ry help submit
      ry help queue add
    """
    app: App = ctx.obj
    about = ctx.find_root()
    if app.shell is not None and not verbs and isinstance(about.command, LazyGroup):
        app.output.grid(_table(about.command))
        return 0
    for verb in verbs:
        if not isinstance(about.command, click.Group):
            raise click.UsageError(f"{about.command_path} has no verbs of its own: there is no {verb!r}", about)
        _, command, _ = about.command.resolve_command(about, [verb])
        if command is not None:
            about = command.context_class(command, parent=about, info_name=verb)
    app.output.line(about.get_help())
    return 0


def _table(group: LazyGroup) -> Grid:
    """All verbs, as `ry shell` shows them."""
    columns = (
        Column("FOR"),
        Column("VERB", firm=True),
        Column("ALSO", flexible=True),
        Column("WHAT IT DOES", firm=True),
    )
    rows, before = [], ""
    for verb in sorted(group.listed, key=lambda verb: group.sections.index(verb.section)):
        section = verb.section if verb.section != before else ""
        rows.append(Row((section, verb.name, ", ".join(verb.aliases), verb.help)))
        before = verb.section
    rows.append(
        Row(("The shell", LEAVE[0], ", ".join((*LEAVE[1:], "Ctrl-D")), "Leave. `help VERB` tells about a verb."))
    )
    return Grid(columns, tuple(rows))

"""`help`: what `--help` says, asked the other way round."""

from __future__ import annotations

import click

from runyard.cli.context import App
from runyard.cli.options import complete_verbs


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
    for verb in verbs:
        if not isinstance(about.command, click.Group):
            raise click.UsageError(f"{about.command_path} has no verbs of its own: there is no {verb!r}", about)
        _, command, _ = about.command.resolve_command(about, [verb])
        if command is not None:
            about = command.context_class(command, parent=about, info_name=verb)
    app.output.line(about.get_help())
    return 0

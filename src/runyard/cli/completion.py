"""`completion`: the script that teaches a shell to complete `ry` and `runyard`."""

from __future__ import annotations

import click

from runyard.cli.context import App
from runyard.cli.lazy import COMPLETES
from runyard.cli.shells import Bash, Fish, Zsh

SHELLS = {shell.name: shell for shell in (Bash, Zsh, Fish)}


@click.command("completion")
@click.argument("shell", type=click.Choice(tuple(SHELLS)))
@click.pass_obj
def completion(app: App, shell: str) -> int:
    """Completion for bash, zsh and fish: prints the script that a shell needs.

    Files are completed where a file is expected; ids, names and queues while a server runs. The Tab key starts none.

    \b
    Examples:
      echo 'eval "$(ry completion bash)"' >> ~/.bashrc
      echo 'eval "$(ry completion zsh)"' >> ~/.zshrc
      ry completion fish > ~/.config/fish/completions/ry.fish
    """
    root = click.get_current_context().find_root().command
    for name, variable in COMPLETES.items():
        app.output.line(SHELLS[shell](root, {}, name, variable).source().strip())
    return 0

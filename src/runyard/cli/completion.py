"""`completion`: the script that teaches a shell to complete `ry` and `runyard`."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

from runyard.cli.context import App
from runyard.errors import UsageError

NAMES = ("ry", "runyard")


@click.command("completion")
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_obj
def completion(app: App, shell: str) -> int:
    """Completion for bash, zsh and fish: prints the script that a shell needs.

    Ids, names and queues are completed while a server runs; the Tab key starts none.

    \b
    Examples:
      echo 'eval "$(ry completion bash)"' >> ~/.bashrc
      echo 'eval "$(ry completion zsh)"' >> ~/.zshrc
      ry completion fish > ~/.config/fish/completions/ry.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"nothing is known about the shell {shell}")
    root = click.get_current_context().find_root().command
    for name in NAMES:
        maker = kind(root, {}, name, f"_{name.upper()}_COMPLETE")
        # The base class's own: that of bash runs bash to learn its version.
        app.output.line(ShellComplete.source(maker).strip())
    return 0

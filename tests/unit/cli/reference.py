"""Writes docs/cli.md from the commands themselves: `python -m tests.unit.cli.reference` in the project's root."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from runyard.cli.app import root
from runyard.cli.lazy import LazyGroup

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"
WIDTH = 100
HEAD = """# The command line

Written by `python -m tests.unit.cli.reference` from the commands themselves; a test fails when it is stale.
`ry` and `runyard` are the same command. What the exit codes mean is in [exit-codes.md](exit-codes.md).
"""


def docs() -> str:
    """The whole page."""
    return HEAD + "".join(_section(*found) for found in commands(root, None, "ry"))


def commands(
    command: click.Command, parent: click.Context | None, name: str, width: int = WIDTH
) -> Iterator[tuple[str, click.Command, click.Context, tuple[str, ...]]]:
    """Every command below this one, by its path, and with a context in which its help has this width."""
    ctx = click.Context(command, parent=parent, info_name=name, terminal_width=width, max_content_width=width)
    ctx.help_option_names = ["-h", "--help"]
    aliases: tuple[str, ...] = ()
    if parent is not None and isinstance(parent.command, LazyGroup):
        aliases = parent.command.verbs[name].aliases
    yield ctx.command_path, command, ctx, aliases
    if isinstance(command, click.Group):
        for inner in command.list_commands(ctx):
            found = command.get_command(ctx, inner)
            assert found is not None
            yield from commands(found, ctx, inner, width)


def _section(path: str, command: click.Command, ctx: click.Context, aliases: tuple[str, ...]) -> str:
    level = "##" if path.count(" ") < 2 else "###"
    before = path.rpartition(" ")[0]
    also = f"Also: {', '.join(f'`{before} {alias}`' for alias in aliases)}\n\n" if aliases else ""
    text = "\n".join(line.rstrip() for line in command.get_help(ctx).splitlines())
    return f"\n{level} {path}\n\n{also}```text\n{text}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(docs(), encoding="utf-8")

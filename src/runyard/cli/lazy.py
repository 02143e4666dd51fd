"""A click group whose commands are imported when they are used, and whose help is written from a table."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from keyword import iskeyword
from typing import Any, NamedTuple

import click

from runyard.cli.context import App
from runyard.errors import RunyardError
from runyard.model.nearest import meant
from runyard.settings import LOCAL

EXIT_INTERRUPTED = 130
EXIT_PIPE = 141
EXIT_USAGE = 2

LEAVE = ("exit", "quit")
"""The words that leave `ry shell`."""

COMPLETES = {"ry": "_RY_COMPLETE", "runyard": "_RUNYARD_COMPLETE"}
"""Our names, and the variables under which a shell asks each of them what the Tab key offers."""


def completes() -> bool:
    """Whether it is a shell that asks, for its Tab key."""
    return any(variable in os.environ for variable in COMPLETES.values())


class Verb(NamedTuple):
    """One command: its name, the module below `runyard.cli` that holds it, and how help lists it.

    `there`: it is about the machine itself, so with `--host` it is that machine's own `ry` that runs it. `hidden`: it
    is a word of another system, which works and is not listed.
    """

    name: str
    module: str
    help: str
    aliases: tuple[str, ...] = ()
    section: str = ""
    there: bool = False
    hidden: bool = False


class LazyGroup(click.Group):
    """The verbs of a table; an alias is as good as the name."""

    def __init__(self, *args: Any, verbs: Sequence[Verb] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.verbs = {verb.name: verb for verb in verbs}
        self.listed = tuple(verb for verb in verbs if not verb.hidden)
        self.sections = list(dict.fromkeys(verb.section for verb in self.listed))
        self._names = {alias: verb.name for verb in verbs for alias in (verb.name, *verb.aliases)}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [verb.name for verb in self.listed]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        verb = self.verbs.get(self._names.get(name, ""))
        if verb is None:
            return None
        function = f"{verb.name}_" if iskeyword(verb.name) else verb.name.replace("-", "_")
        command: click.Command = getattr(import_module(f"runyard.cli.{verb.module}"), function)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self._names:
            raise click.UsageError(f"there is no verb {args[0]!r}{meant(args[0], self._names)}", ctx)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        return self.offered(incomplete) + click.Command.shell_complete(self, ctx, incomplete)

    def offered(self, incomplete: str) -> list[Any]:
        """What the Tab key offers: verbs, or aliases where no verb begins so. Their modules are not loaded."""
        item = import_module("click.shell_completion").CompletionItem
        named = [item(verb.name, help=verb.help) for verb in self.listed if verb.name.startswith(incomplete)]
        return named or [item(name) for name in self._names if name.startswith(incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for verb in self.listed:
            also = f" (also {', '.join(verb.aliases)})" if verb.aliases else ""
            sections.setdefault(verb.section or "Verbs", []).append((verb.name, verb.help + also))
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)


class There(click.Command):
    """A verb that another machine's own `ry` runs, with these words."""

    ignore_unknown_options = True
    allow_interspersed_args = False

    def __init__(self, name: str) -> None:
        words = click.Argument(["words"], nargs=-1, type=click.UNPROCESSED)
        super().__init__(name, params=[words], add_help_option=False)

    def invoke(self, ctx: click.Context) -> int:
        app: App = ctx.obj
        app.output.note(f"ry: on {app.settings.host}")
        return app.far.run_there((self.name or "", *ctx.params["words"]), app.output.asks and app.output.terminal)


class Root(LazyGroup):
    """The whole command: what goes wrong becomes one line and an exit code."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        rest = super().parse_args(ctx, args)
        if not ctx.resilient_parsing:
            ctx.obj.use(chosen(ctx.params))
        return rest

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        verb = self.verbs.get(self._names.get(args[0], "")) if args else None
        goes = verb is not None and verb.there and not ctx.resilient_parsing and _is_far(ctx.obj)
        if verb is None or not goes or set(ctx.help_option_names) & set(rest):
            return name, command, rest
        return name, There(verb.name), rest

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click would exit with 1, as a job may
            raise click.exceptions.Exit(EXIT_PIPE) from None

    def main(  # type: ignore[override]  # click's overloads tell apart what is always the same here
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> Any:
        app: App = extra["obj"]
        extra.pop("standalone_mode", None)
        if completes():
            import_module("runyard.cli.shells")
            with suppress(click.ClickException, RunyardError, OSError):  # nobody wants to read it there
                super().main(args, prog_name, standalone_mode=False, **extra)
            sys.exit(1)
        try:
            code = super().main(args, prog_name, standalone_mode=False, **extra)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at exit
            code = EXIT_PIPE
        except (click.Abort, KeyboardInterrupt):
            app.output.note("ry: interrupted")
            code = EXIT_INTERRUPTED
        except click.exceptions.NoArgsIsHelpError as error:
            app.output.note(error.format_message())
            code = EXIT_USAGE
        except click.ClickException as error:
            code = _usage(app, error, sys.argv[1:] if args is None else args)
        except RunyardError as error:
            app.output.failure(type(error).__name__, error.message, error.exit_code)
            code = error.exit_code
        except OSError as error:
            told = app.told(error)
            if told is None:
                raise
            app.output.failure(type(told).__name__, told.message, told.exit_code)
            code = told.exit_code
        sys.exit(code if isinstance(code, int) else 0)


def _is_far(app: App) -> bool:
    """Whether another machine's yard is used; doctor has to see settings that cannot be read."""
    try:
        return app.settings.is_far
    except RunyardError:
        return False


def chosen(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `ry` itself as settings. With a host, the home is that of its yard over there."""
    found = dict(options)
    if found.get("host") not in (None, LOCAL):
        found["far_home"] = found.pop("home", None)
    return found


def _usage(app: App, error: click.ClickException, args: Sequence[str]) -> int:
    """A wrong command line. Its `--json` may not have been read yet."""
    own = list(args)[: list(args).index("--")] if "--" in args else args
    app.output.as_json = app.output.as_json or "--json" in own
    context = getattr(error, "ctx", None)
    hint = f" (see {context.command_path} --help)" if context is not None else ""
    told = error.format_message()
    if isinstance(error, click.NoSuchOption) and error.possibilities:
        told = f"{error.message.rstrip('.')}; did you mean {error.possibilities[0]!r}?"  # click's list is by alphabet
    app.output.failure("UsageError", told.rstrip(".") + hint, EXIT_USAGE)
    return EXIT_USAGE

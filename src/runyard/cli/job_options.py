"""The options of a job as flags, for `submit` and `run`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from runyard.cli.options import (
    complete_after,
    complete_directories,
    complete_files,
    complete_queues,
    complete_words,
)
from runyard.model.drift import POLICIES
from runyard.model.spec import ON_LOST, RETRY_CAUSES, SHELLS
from runyard.submitting import gpus
from runyard.submitting.build import Request

LITERAL = "runyard.literal"
SNAPSHOT = "--snapshot"

F = TypeVar("F", bound=Callable[..., Any])


class WordsCommand(click.Command):
    """A verb whose rest is somebody else's command line; remembers whether that came after `--`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.allow_interspersed_args = False

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        args = self._spelled_out(args)
        given = list(args)
        rest = super().parse_args(ctx, args)
        words = ctx.params.get("words") or ()
        before = len(given) - len(words) - 1
        ctx.meta[LITERAL] = bool(words) and before >= 0 and given[before] == "--"
        return rest

    def _spelled_out(self, args: list[str]) -> list[str]:
        """`--snapshot=REF` is `--commit REF`: click's flags take no value, and an option whose value may be missing
        would take the first word of the command for it."""
        valued = {name for one in self.params if isinstance(one, click.Option) and not one.is_flag for name in one.opts}
        rest, done = list(args), list[str]()
        while rest and rest[0].startswith("-") and rest[0] not in ("-", "--"):
            word = rest.pop(0)
            done.append(word.replace(f"{SNAPSHOT}=", "--commit=", 1) if word.startswith(f"{SNAPSHOT}=") else word)
            done += [rest.pop(0)] if word in valued and rest else []
        return done + rest

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """What can be given; where the Tab key asks and there is a word, only further words of that command."""
        params = super().get_params(ctx)
        return [one for one in params if one.name == "words"] if _in_words(ctx) else params

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Options; of somebody else's command the files that they may be about."""
        if not _in_words(ctx):
            return super().shell_complete(ctx, incomplete)
        return [item for param in self.get_params(ctx) for item in param.shell_complete(ctx, incomplete)]


class NamedCommand(WordsCommand):
    """A verb with a name first, then options, then perhaps somebody else's command line. The name is `called`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(click.Option(["--called"], hidden=True))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = first_word(self, args)
        if at is not None:
            args = [*args[:at], f"--called={args[at]}", *args[at + 1 :]]
        elif not ctx.resilient_parsing and not set(args) & {"-h", "--help"}:
            raise click.UsageError("the name comes first", ctx)
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return ["NAME", *super().collect_usage_pieces(ctx)]


def first_word(command: click.Command, args: list[str]) -> int | None:
    """Where the first word stands that is no option; only flags may stand before it."""
    flags = {
        flag
        for one in command.params
        if isinstance(one, click.Option) and one.is_flag
        for flag in (*one.opts, *one.secondary_opts)
    }
    for place, word in enumerate(args):
        if not word.startswith("-"):
            return place
        if word not in flags:
            return None
    return None


def _in_words(ctx: click.Context) -> bool:
    return ctx.resilient_parsing and bool(ctx.params.get("words"))


JOB_OPTIONS: tuple[Callable[[F], F], ...] = (
    click.argument(
        "words", nargs=-1, type=click.UNPROCESSED, metavar="[--] COMMAND...", shell_complete=complete_files
    ),
    click.option("-J", "-n", "--name", metavar="NAME", help="Its name (default: its program or script)."),
    click.option("--job-name", "name", metavar="NAME", hidden=True),  # sbatch's word for it
    click.option(
        "-D", "-w", "--workdir", metavar="DIR", shell_complete=complete_directories,
        help="Where it runs (default: here).",
    ),
    click.option(
        "-q", "-p", "--queue", "--partition", "queue", metavar="NAME", shell_complete=complete_queues,
        help="Its queue (default: default).",
    ),
    click.option("-P", "--priority", metavar="N", help="Higher goes first (default: 0)."),
    click.option("-G", "--gpus", metavar="SPEC", help="2, 2:a100, 1,mem=10G (a share), index=0,2 (default: none)."),
    click.option("--gres", metavar="gpu:[MODEL:]N", help="GPUs as sbatch has them."),
    click.option("-c", "--cpus", "--cpus-per-task", "cpus", metavar="N", help="CPUs (default: 1)."),
    click.option("--mem", metavar="SIZE", help="Memory: 10G, 500M; a bare number is MB (default: no limit)."),
    click.option("--mem-per-cpu", metavar="SIZE", help="Memory for each of its CPUs."),
    click.option("-t", "--time", metavar="SPAN", help="Time limit: 30s, 2h, 1-12:00:00; a bare number is minutes."),
    click.option("--grace", metavar="SPAN", help="Between the signal and the kill (default: 10 s)."),
    click.option(
        "-d", "--after", "--dependency", "after", multiple=True, metavar="JOBS", shell_complete=complete_after,
        help="Wait for 12, afterok:12:13, afterany:@, afternotok:NAME.",
    ),
    click.option("-a", "--array", metavar="INDICES", help="One job per index: 0-9, 1,3,5-7:2, 0-9%2 (two at a time)."),
    click.option("-e", "--env", multiple=True, metavar="K[=V]", help="Set a variable, or keep one in a clean one."),
    click.option(
        "--env-file", multiple=True, metavar="FILE", shell_complete=complete_files,
        help="Set variables from lines K=V.",
    ),
    click.option("--clean-env", is_flag=True, default=None, help="Do not send this whole environment along."),
    click.option(
        "--venv", metavar="DIR", shell_complete=complete_directories, help="Activate this virtual environment first."
    ),
    click.option("--conda", metavar="NAME", help="Activate this conda environment first."),
    click.option("--setup", multiple=True, metavar="CMD", help="A shell line to run first."),
    click.option(
        "--shell", metavar="SHELL", shell_complete=complete_words(*SHELLS),
        help="bash, sh, zsh or login, for a quoted command (default: bash).",
    ),
    click.option(
        "-o", "--output", metavar="PATTERN", shell_complete=complete_files,
        help="Write the output there: %j id, %a index, %x name.",
    ),
    click.option(
        "-i", "--input", metavar="FILE", shell_complete=complete_files, help="Its standard input (default: /dev/null)."
    ),
    click.option(
        "--tty/--no-tty", default=None,
        help="A terminal of its own, for `ry attach` (default: as its queue says: none).",
    ),
    click.option("-H", "--hold", is_flag=True, default=None, help="Keep it back until released."),
    click.option("-b", "--begin", metavar="WHEN", help="Not before 22:00, +2h, 2026-12-31T08:00."),
    click.option("--retries", metavar="N", help="Try again by itself so often (default: 0)."),
    click.option("--backoff", metavar="SPAN", help="Pause before a retry, doubled each time (default: none)."),
    click.option(
        "--retry-on", multiple=True, metavar="CAUSES", shell_complete=complete_words(*RETRY_CAUSES),
        help="fail, oom, lost, timeout or codes (default: fail,oom,timeout).",
    ),
    click.option(
        "--on-lost", metavar="end|requeue", shell_complete=complete_words(*filter(None, ON_LOST)),
        help="If its end is unknown (default: as its queue says: end).",
    ),
    click.option("--note", metavar="TEXT", help="What it is for: lists and `note:WORD` find it (default: $DQ_DESC)."),
    click.option(
        "--retry-env", multiple=True, metavar="[CAUSE:]K=V",
        help="A variable of retries; more of a name count one after another: oom:BATCH=16.",
    ),
    click.option(
        "--signal", metavar="SIG[@SPAN]", help="Send it so long before the time limit: USR1@120 (default: 60 s)."
    ),
    click.option(
        "--checkpoint-dir", is_flag=True, default=None,
        help="Have $RUNYARD_CHECKPOINT_DIR, kept from attempt to attempt.",
    ),
    click.option(
        "--requeue-on-checkpoint", is_flag=True, default=None, help="Exit code 85 means: checkpointed, run me again."
    ),
    click.option(
        "--checkpoint-tries", metavar="N", help="Then at most so many in a row with no new checkpoint (default: 3)."
    ),
    click.option("--ports", metavar="N", help="Have so many ports, and MASTER_PORT (default: 1 for several GPUs)."),
    click.option("--unique", metavar="KEY", help="If a job with this key waits or runs, that one is meant."),
    click.option(
        "--param", multiple=True, metavar="NAME=VALUE",
        help="A parameter, to find and compare it by; the command finds all of them in $RUNYARD_PARAMS.",
    ),
    click.option(
        "--notify", multiple=True, metavar="HOOK[:EVENTS]", help="Tell slack, slack:failed,lost, mail:you@example.org."
    ),
    click.option("--slurm-env", is_flag=True, default=None, help="Set Slurm's variables (SLURM_JOB_ID ...) as well."),
    click.option(
        "--snapshot/--no-snapshot", default=None,
        help="Run the code as it is now, whatever is edited until it starts (=REF: as --commit; default: in place).",
    ),
    click.option("--commit", metavar="REF", help="Run the code of this branch or commit."),
    click.option(
        "--drift", metavar="POLICY", shell_complete=complete_words(*POLICIES),
        help="If other Python packages are installed when it starts: warn, hold or ignore (default: warn).",
    ),
    click.option("--detach", is_flag=True, default=None, help="Processes that it leaves behind are not ended."),
)  # fmt: skip
"""The flags of `submit` and `run`; each has the name of an entry of `submitting.job_options`."""


def job_options(command: F) -> F:
    """All options of a job."""
    for option in reversed(JOB_OPTIONS):
        command = option(command)
    return command


def template_options(command: F) -> F:
    """The options of a job that a template or a sweep may have: `-p` and `--param` are their own words, and an array
    is what a sweep is."""

    def holder() -> None:
        """Click keeps the options of a function on it."""

    kept = []
    for option in getattr(job_options(holder), "__click_params__"):  # noqa: B009
        if option.name in ("words", "array", "param"):
            continue
        option.opts = [flag for flag in option.opts if flag != "-p"]
        kept.append(option)
    params = command.__dict__.setdefault("__click_params__", [])
    params += kept
    return command


words_argument = JOB_OPTIONS[0]
"""The command, as the last thing on the line."""


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The flags that were given, by their long names."""
    chosen = {name.replace("_", "-"): value for name, value in options.items() if value not in (None, ())}
    commit = chosen.pop("commit", None)
    if commit is not None:
        if "snapshot" in chosen:
            raise click.UsageError("--snapshot freezes what is here, --commit what was committed; give one of them")
        chosen["snapshot"] = commit
    gres = chosen.pop("gres", None)
    if gres is not None:
        if "gpus" in chosen:
            raise click.UsageError("--gres and --gpus say the same; give one of them")
        chosen["gpus"] = gpus.gres(gres)
    return chosen


def request(words: tuple[str, ...], options: Mapping[str, Any]) -> Request:
    """What was typed, for the builder."""
    literal = bool(click.get_current_context().meta.get(LITERAL))
    return Request(words, literal, given(options))

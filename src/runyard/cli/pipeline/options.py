"""What the verbs of `pipeline` take: options of a pipeline and of a job, a command behind `--`, names and files."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable
from typing import Any

import click

from runyard.cli.context import App
from runyard.cli.options import F, complete_backends, complete_directories, complete_pipelines
from runyard.cli.submit import text_of
from runyard.errors import InvalidSpec, UsageError
from runyard.pipeline.reading import document
from runyard.pipeline.reading import options as reading
from runyard.pipeline.shelf import Shelf
from runyard.pipeline.spec import Draft, PipelineJob

WORDS = "runyard.words"
SUFFIXES = (".yaml", ".yml", ".json")
COMMAND = "command"
"""How a pipeline is called that is one command."""


class CommandBehind(click.Command):
    """A verb whose options may stand anywhere before `--`, and behind it somebody else's command line."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = args.index("--") if "--" in args else len(args)
        ctx.meta[WORDS] = tuple(args[at + 1 :])
        return super().parse_args(ctx, args[:at])

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- CMD...]"]


def options(*several: Callable[[F], F]) -> Callable[[F], F]:
    """These decorators as one, in their order."""

    def decorated(command: F) -> F:
        for option in reversed(several):
            command = option(command)
        return command

    return decorated


backend = click.option(
    "-b", "--backend", metavar="NAME", shell_complete=complete_backends,
    help="serial, tmux, slurm, airflow or yard (default: what it says, else serial).",
)  # fmt: skip
size = click.option(
    "-n", "--size", "--workers", "size", type=click.IntRange(1), metavar="N", help="So many jobs at a time."
)
sbatch = click.option(
    "--sbatch", multiple=True, metavar="KEY=VALUE", help="An option of sbatch, as in partition=gpu; KEY alone: a flag."
)
preamble = click.option(
    "--preamble", "--header", "preamble", multiple=True, metavar="LINE", help="A line before the command; several."
)
variables = click.option("-e", "--env", multiple=True, metavar="NAME=VALUE", help="A variable; several.")
workdir = click.option(
    "-D", "--cwd", "--workdir", "cwd", metavar="DIR", shell_complete=complete_directories,
    help="Where it runs (default: where the pipeline is started).",
)  # fmt: skip
job_name = click.option(
    "-J", "--name", "--jobname", "--job-name", "job_name", metavar="NAME", help="What it is called."
)
amounts = options(
    click.option("-c", "--cpus", metavar="N", help="So many CPUs."),
    click.option("--mem", metavar="SIZE", help="So much memory: 8GB, or MB."),
)
of_a_job = options(
    job_name,
    click.option(
        "-d", "--needs", "--depends", "--after", "needs", multiple=True, metavar="NAMES",
        help="Jobs that have to pass first: a,b.",
    ),
    workdir,
    variables,
    click.option("--log/--no-log", default=None, help="Keep what it prints (default: yes)."),
    click.option("--tags", multiple=True, metavar="WORDS", help="Words to choose jobs by: a,b."),
    preamble,
    click.option("--setup", multiple=True, metavar="LINE", help="Has to succeed, else the command is not run."),
    click.option("--teardown", multiple=True, metavar="LINE", help="Runs after the command, however that ended."),
    amounts,
    click.option("-G", "--gpus", metavar="N", help="So many GPUs."),
    sbatch,
)  # fmt: skip
of_a_target = options(
    click.argument("target", required=False, metavar="[NAME|FILE]", shell_complete=complete_pipelines),
    backend,
    size,
    click.option(
        "--gpus", metavar="LIST", help="The devices that its jobs share (tmux): 0,1. Of a command after --: how many."
    ),
    sbatch,
    job_name,
    amounts,
)
one_run = click.argument("target", required=False, metavar="[NAME|DIRECTORY]", shell_complete=complete_pipelines)


def words_behind() -> tuple[str, ...]:
    """The command line behind `--`."""
    found: tuple[str, ...] = click.get_current_context().meta[WORDS]
    return found


def command_of(words: tuple[str, ...], text: str | None = None) -> str:
    """The text for the shell: one word as it is, several quoted one by one."""
    if text is not None and words:
        raise UsageError("either --command, or a command line, please")
    if text is None and not words:
        raise UsageError("there is no command: give it after --, or as one quoted text")
    return text if text is not None else words[0] if len(words) == 1 else shlex.join(words)


def given(values: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, as `pipeline.reading.options` reads them."""
    found = {name: value for name, value in values.items() if value is not None and value != () and name != "sbatch"}
    if "cwd" in found:
        found["cwd"] = os.path.abspath(found["cwd"])
    return {**found, **dict(map(_sbatch, values.get("sbatch", ())))}


def _sbatch(word: str) -> tuple[str, Any]:
    key, equals, value = word.lstrip("-").partition("=")
    return key.replace("-", "_"), value if equals else True


def shelf(app: App) -> Shelf:
    """Where the pipelines of this home are."""
    return Shelf(app.home)


def chosen(app: App, target: str | None, values: dict[str, Any]) -> Draft:
    """The pipeline that is meant, with the options that were given: a draft, a file, one that has been run, or the
    command behind `--`."""
    values = given(values)
    backend = values.pop("backend", "")
    name, cpus, mem = values.pop("job_name", None), values.pop("cpus", None), values.pop("mem", None)
    words = words_behind()
    if not words:
        if target is None:
            raise UsageError("which pipeline? Give its name, a file, or a command after --")
        if not (name is cpus is mem is None):
            raise UsageError("--name, --cpus and --mem are of a command after --; a pipeline has them for each job")
        found = named(app, target)
        made = reading.spec_of(found.spec.name, {**reading.options_of(found.spec), **values})
        return Draft(reading.whole(made, found.spec.jobs), backend or found.backend)
    if target is not None:
        raise UsageError(f"either {target}, or a command after --")
    own = {"cpus": cpus, "mem": mem, "gpus": values.pop("gpus", None)}
    made = reading.spec_of(name or COMMAND, values)
    job = PipelineJob(name or COMMAND, command_of(words), **reading.job_options(own))
    return Draft(reading.whole(made, (job,)), backend)


def named(app: App, target: str) -> Draft:
    """The draft of this name, the pipeline in this file (-: standard input), or what was last run under this name."""
    kept = shelf(app)
    draft = kept.draft(target)
    if draft is not None:
        return draft
    if target == "-" or target.endswith(SUFFIXES) or os.path.isfile(target):
        name = os.path.basename(target).partition(".")[0]
        try:
            return document.read(text_of(target), name if name.strip("-") else "pipeline")
        except InvalidSpec as error:
            raise InvalidSpec(
                f"{'standard input' if target == '-' else target}: {error.message.removeprefix('file: ')}"
            ) from None
    run = kept.newest(target)
    return Draft(run.spec, run.manifest.backend)


def needs_of(texts: Iterable[str], draft: Draft) -> tuple[str, ...]:
    """The names in `a,b`; one that is a name of a job as it stands counts as that."""
    known = {job.name for job in draft.spec.jobs}
    found: dict[str, None] = {}
    for text in texts:
        words = [text] if text in known else [word.strip() for word in text.split(",")]
        found.update(dict.fromkeys(word for word in words if word))
    return tuple(found)

"""The table of verbs and the command that they hang on. `ry` alone lists my jobs."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from runyard.cli.context import App
from runyard.cli.lazy import Root, Verb
from runyard.cli.options import complete_directories, ssh_options

SUBMIT, SEE, READ, CHANGE, YARD = "Submit", "See", "Read", "Change", "The yard"

VERBS = (
    Verb("submit", "submit", "Put a job, or many, into the queue.", ("add", "sbatch"), SUBMIT),
    Verb("run", "run", "Submit, show the output, exit with the job's code.", ("srun",), SUBMIT),
    Verb("create", "create", "A job from a template.", (), SUBMIT),
    Verb("sweep", "sweep", "Sweeps: many jobs of one command.", (), SUBMIT),
    Verb("pipeline", "pipeline", "Pipelines: shell commands that need each other.", ("pipelines",), SUBMIT),
    Verb("ls", "ls", "List jobs.", ("ps", "status", "squeue", "list"), SEE),
    Verb("show", "show", "Everything about a job.", ("info", "display"), SEE),
    Verb("diff", "diff", "What is another between two jobs.", (), SEE),
    Verb("graph", "graph", "Draw who waits for whom.", (), SEE),
    Verb("why", "why", "Why a job waits, and when it may start.", ("explain",), SEE),
    Verb("open", "opening", "The W&B, Comet, MLflow or TensorBoard page of a job.", ("wandb",), SEE),
    Verb("wait", "wait", "Wait until jobs have ended.", (), SEE),
    Verb("results", "results", "Rank runs by what they have reported.", (), SEE),
    Verb("stats", "stats", "Jobs and GPU hours by user.", (), SEE),
    Verb("gpus", "gpus", "Every GPU and who uses it.", ("free", "users"), SEE),
    Verb("logs", "logs", "The output of a job.", ("log", "cat"), READ),
    Verb("tail", "logs", "The last lines of a job's output.", (), READ),
    Verb("head", "logs", "The first lines of a job's output.", (), READ),
    Verb("attach", "attach", "Your terminal to that of a running job.", (), READ),
    Verb("send", "send", "Type into the terminal of a running job.", (), READ),
    Verb("grep", "grep", "Search the output of jobs.", (), READ),
    Verb("stop", "stop", "End jobs: signal, grace, kill.", ("cancel", "scancel"), CHANGE),
    Verb("kill", "stop", "End jobs at once.", (), CHANGE),
    Verb("pause", "pause", "Have running jobs stand still.", ("suspend",), CHANGE),
    Verb("resume", "pause", "Let paused jobs go on.", ("unpause",), CHANGE),
    Verb("hold", "hold", "Keep waiting jobs back.", (), CHANGE),
    Verb("release", "hold", "Let held jobs go.", (), CHANGE),
    Verb("move", "move", "Give waiting jobs another place in line.", ("mv", "shuffle"), CHANGE),
    Verb("edit", "edit", "Change jobs: with --set, or in your editor.", ("modify",), CHANGE),
    Verb("retry", "retry", "Give jobs that have ended another attempt.", ("rerun", "requeue"), CHANGE),
    Verb("copy", "copy", "Submit jobs once more, under new ids.", ("cp",), CHANGE),
    Verb("rm", "rm", "Remove jobs with their attempts, events and kept output.", ("remove", "delete"), CHANGE),
    Verb("recover", "recover", "List what a failure has left, and put it back.", (), CHANGE),
    Verb("queue", "queue", "Queues: limits, pauses, defaults.", (), YARD),
    Verb("template", "template", "Templates: a command with parameters.", ("templates",), YARD),
    Verb("server", "server", "Start, stop and see the server.", (), YARD, there=True),
    Verb("use", "use", "Remember another machine: later commands use its yard.", (), YARD),
    Verb("shell", "shell", "All verbs at a prompt.", (), YARD),
    Verb("export", "transfer", "Write jobs to a file.", (), YARD),
    Verb("import", "transfer", "Take jobs of another yard in.", (), YARD),
    Verb("hooks", "hooks", "Who is told what happens to jobs.", ("notify",), YARD),
    Verb("import-run", "import_run", "Add a run that was done elsewhere, with its results.", (), YARD),
    Verb("clean", "clean", "Collect the output of old jobs.", (), YARD),
    Verb("doctor", "doctor", "Check this yard and say what to do.", (), YARD, there=True),
    Verb("help", "help", "Help about a verb.", (), YARD),
    Verb("completion", "completion", "Completion for bash, zsh and fish.", (), YARD),
    Verb("clear", "que", "Remove all jobs of a location", hidden=True),
    Verb("daemon", "que", "Have jobs started, or nothing new", hidden=True),
    Verb("worker", "que", "Every job is a process of its own", hidden=True),
    Verb("save", "que", "Write jobs into a file", hidden=True),
    Verb("load", "que", "Read jobs from a file", hidden=True),
)


def _version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        app: App = ctx.obj
        app.output.line(f"runyard {getattr(import_module('runyard'), '__version__', 'of unknown version')}")
        ctx.exit()


@click.group(
    "ry",
    cls=Root,
    verbs=VERBS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Alone, `ry` lists your jobs: waiting, running, lately ended. `ry help VERB` tells about a verb.",
)
@click.option(
    "--home", metavar="DIR", shell_complete=complete_directories,
    help="The yard to use (default: $RUNYARD_HOME, else ~/.runyard); with --host: there.",
)  # fmt: skip
@ssh_options
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
@click.pass_context
def root(ctx: click.Context, /, **options: Any) -> int | None:
    """Runyard: a job queue for training runs and shell commands."""
    if ctx.invoked_subcommand is not None:
        return None
    listing = root.get_command(ctx, "ls")
    code: int = ctx.invoke(listing) if listing else 0
    return code

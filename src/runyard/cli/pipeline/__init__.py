"""`pipeline`: shell commands that need each other. The table of its verbs; they are loaded when they are used."""

from __future__ import annotations

import click

from runyard.cli.lazy import LazyGroup, Verb

MAKE, RUN = "Put together", "Run and see"

VERBS = (
    Verb("new", "pipeline.drafts", "Begin a pipeline.", ("create",), MAKE),
    Verb("submit", "pipeline.drafts", "Add a command to it.", ("add",), MAKE),
    Verb("rm", "pipeline.removing", "Remove pipelines with their runs.", ("cleanup", "remove"), MAKE),
    Verb("show", "pipeline.showing", "Its commands and its graph, before it runs.", (), RUN),
    Verb("run", "pipeline.running", "Run it.", ("start",), RUN),
    Verb("ls", "pipeline.seeing", "List pipelines and how they stand.", ("list",), RUN),
    Verb("status", "pipeline.seeing", "How the jobs of a run stand.", (), RUN),
    Verb("logs", "pipeline.logs", "What jobs of a run have printed.", ("log",), RUN),
    Verb("monitor", "pipeline.running", "Watch a run until it is over.", ("attach", "watch"), RUN),
    Verb("kill", "pipeline.removing", "End a run.", ("stop", "cancel"), RUN),
)


@click.group("pipeline", cls=LazyGroup, verbs=VERBS)
def pipeline() -> None:
    """Pipelines: shell commands that need each other.

    A pipeline is put together command by command, or it is a YAML file with jobs, needs and matrix. It can be read
    before it runs, as one job after the other (serial), in tmux, by Slurm, by Airflow, or in the queue (yard).

    \b
    Examples:
      ry pipeline new digits
      ry pipeline submit digits -J fetch -- curl -O https://example.org/digits.tar
      ry pipeline submit digits -J unpack --needs fetch 'tar xf digits.tar && ls'
      ry pipeline show digits
      ry pipeline run digits --backend tmux --size 4
      ry pipeline run digits.yaml
    """

"""The flags of a script that puts a queue together and shows or runs it, as cmd_queue's config classes have them.

parser = argparse.ArgumentParser()
arguments.add(parser, queue_name="demo")
options = parser.parse_args()
queue = arguments.create_queue(options)
queue.submit("echo hello")
arguments.run_queue(options, queue)
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from typing import Any

from runyard import yaml_text
from runyard.errors import InvalidSpec
from runyard.pipeline.cmd_queue.queue import Queue

SHOWN_MAX = 30
"""What is printed by itself only if there are fewer jobs than this."""

AUTO = "auto"
ON, OFF = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "none")


def add(parser: argparse.ArgumentParser, **defaults: Any) -> None:
    """Add the flags to a parser; `defaults` by their names: run, backend, queue_name, tmux_workers ..."""
    group = parser.add_argument_group("queue")
    _switch(group, "--run", "run the jobs; without it their commands are only printed")
    group.add_argument("--backend", default="tmux", help="serial, tmux, slurm, airflow or yard (%(default)s)")
    group.add_argument("--monitor", default="inline", choices=["inline", "hybrid", "tmux", "none"], help="live view")
    group.add_argument("--queue_name", "--queue-name", help="how the queue is called")
    _switch(group, "--print_commands", "print the commands first (auto: if they are few)", AUTO)
    _switch(group, "--print_queue", "print who depends on whom first (auto: if they are few)", AUTO)
    group.add_argument("--virtualenv_cmd", "--virtualenv-cmd", help="comes before each command; auto: this environment")
    group.add_argument("--tmux_workers", "--tmux-workers", type=int, default=8, help="jobs at a time (%(default)s)")
    group.add_argument("--slurm_options", "--slurm-options", help="options of sbatch as YAML: {partition: gpu}")
    for taken in ("--with_textual", "--other_session_handler", "--non_interactive"):
        group.add_argument(taken, nargs="?", help=argparse.SUPPRESS)  # nothing has to be chosen here
    parser.set_defaults(**defaults)


def create_queue(options: argparse.Namespace, **more: Any) -> Queue:
    """An empty queue as the flags say; `more` are options of `Queue.create` that go first."""
    chosen: dict[str, Any] = {"name": options.queue_name}
    if options.backend == "slurm":
        chosen.update(_sbatch(options.slurm_options or {}))
    elif options.backend in ("tmux", "yard"):
        chosen["size"] = options.tmux_workers
    queue = Queue.create(options.backend, **{**chosen, **more})
    before = options.virtualenv_cmd
    if before == AUTO:
        place = os.environ.get("VIRTUAL_ENV")
        before = f"source {shlex.quote(os.path.join(place, 'bin/activate'))}" if place else None
    if before:
        queue.add_preamble_command(before)
    return queue


def run_queue(options: argparse.Namespace, queue: Queue, **more: Any) -> dict[str, Any] | None:
    """Print what the flags ask for, and with `--run` run it: how it stands then. `more` are options of `Queue.run`."""
    few = len(queue) < SHOWN_MAX
    if options.print_commands is True or (options.print_commands == AUTO and few):
        queue.print_commands()
    if options.print_queue is True or (options.print_queue == AUTO and few):
        queue.print_graph(vertical_chains=True)
    if not few and AUTO in (options.print_commands, options.print_queue):
        sys.stdout.write(f"{len(queue)} jobs; to see them: --print_commands --print_queue\n")
    return queue.run(**{"monitor": options.monitor, **more}) if options.run else None


def _sbatch(given: str | dict[str, Any]) -> dict[str, Any]:
    found = yaml_text.load(given) if isinstance(given, str) else given
    if not isinstance(found, dict):
        raise InvalidSpec(
            f"options of sbatch were expected, as in '{{partition: gpu}}', not {given!r}", "slurm_options"
        )
    return {name: {"true": True, "false": False}.get(str(value), value) for name, value in found.items()}


def _switch(group: argparse._ArgumentGroup, flag: str, text: str, default: Any = False) -> None:
    """A flag that may have a value: `--run`, `--run=0`, `--run auto`."""
    names = dict.fromkeys((flag, flag[:2] + flag[2:].replace("_", "-")))
    group.add_argument(*names, nargs="?", const=True, default=default, type=_on, metavar="0|1", help=text)


def _on(text: str) -> bool | str:
    word = text.lower()
    if word not in (*ON, *OFF, AUTO):
        raise argparse.ArgumentTypeError(f"0, 1 or auto were expected, not {text!r}")
    return AUTO if word == AUTO else word in ON

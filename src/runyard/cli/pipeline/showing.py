"""`pipeline show`: what would be run, before it is."""

from __future__ import annotations

from typing import Any

import click

from runyard.cli.context import App
from runyard.cli.options import as_json
from runyard.cli.pipeline.options import CommandBehind, chosen, of_a_target
from runyard.cli.pipeline.running import pipeline_of
from runyard.cli.render.text import harmless
from runyard.errors import UsageError
from runyard.pipeline.reading import document


@click.command("show", cls=CommandBehind)
@of_a_target
@click.option("--full", is_flag=True, help="The script itself, as it would be run.")
@click.option("--graph", is_flag=True, help="Only who needs whom.")
@click.option("--all-edges", is_flag=True, help="In the graph also edges that others imply.")
@click.option("--yaml", "as_yaml", is_flag=True, help="As a YAML file, cells of a matrix one by one.")
@as_json
@click.pass_obj
def show(app: App, /, target: str | None, full: bool, graph: bool, as_yaml: bool, **options: Any) -> int:
    """The commands of a pipeline as they would be run, and who needs whom. Nothing is run.

    NAME is one that was put together here, or was run; FILE is YAML or JSON (-: standard input). Behind `--` stands a
    single command, which shows what a backend makes of it.

    \b
    Examples:
      ry pipeline show digits
      ry pipeline show digits.yaml --full > digits.sh
      ry pipeline show digits --yaml > digits.yaml
      ry pipeline show --backend slurm --sbatch partition=gpu -- python train.py
    """
    if full + graph + as_yaml + app.output.as_json > 1:
        raise UsageError("one of --full, --graph, --yaml and --json, please")
    reduced = not options.pop("all_edges")
    found = chosen(app, target, options)
    pipeline = pipeline_of(app, found)
    if app.output.as_json:
        app.output.json({"backend": pipeline.backend.name, **vars(pipeline.whole)})
    elif as_yaml:
        _print(app, document.write(found.spec, found.backend))
    elif full:
        _print(app, pipeline.commands(full=True))
    elif graph:
        _print(app, pipeline.graph_text(reduced))
    else:
        _print(app, f"{pipeline.commands()}\n{pipeline.graph_text(reduced)}")
    return 0


def _print(app: App, text: str) -> None:
    """The text as it is; on a terminal nothing in it acts on that."""
    for line in text.splitlines():
        app.output.line(harmless(line.expandtabs()) if app.output.terminal else line)

"""`graph`: who waits for whom, as text, for Graphviz or as a picture."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib import import_module

import click

from runyard.api import JobRow
from runyard.cli.context import App
from runyard.cli.graph_gathering import Gathering
from runyard.cli.options import SELECTORS, any_jobs, complete_files
from runyard.cli.render.text import harmless, label
from runyard.errors import UsageError
from runyard.model.record import dataclass
from runyard.pipeline.drawing.picture import Edge, Node, Picture

TEXT, DOT, SVG = "text", "dot", "svg"
ENDINGS = {".svg": SVG, ".dot": DOT, ".gv": DOT}
LIMIT = 1_000
DETAIL_MOST = 200
"""So much of a command is told with a job."""


@dataclass(frozen=True)
class Look:
    """How it is drawn: `form` is text, dot or svg ("": by the name of the file)."""

    form: str
    file: str
    all_edges: bool
    vertical: bool

    @property
    def drawn_as(self) -> str:
        return self.form or ENDINGS.get(os.path.splitext(self.file)[1].lower(), TEXT)


@click.command("graph", epilog=SELECTORS)
@any_jobs
@click.option("--around", is_flag=True, help="Also all that they wait for, and all that waits for them.")
@click.option(
    "--format", "form", type=click.Choice((TEXT, DOT, SVG)), help="What to draw (default: what FILE ends in, or text)."
)
@click.option(
    "-o", "--output", "file", default="", metavar="FILE", shell_complete=complete_files, help="Write it there."
)
@click.option("--all-edges", is_flag=True, help="Also edges that others imply.")
@click.option("--vertical", is_flag=True, help="As text: who waits for one job alone stands below it.")
@click.option("-n", "--limit", type=click.IntRange(1), default=LIMIT, show_default=True, help="So many jobs at most.")
@click.pass_obj
def graph(
    app: App, /, selectors: tuple[str, ...], around: bool, limit: int, form: str | None, **look: str | bool
) -> int:
    """Draw who waits for whom: without JOB your jobs that wait or run, and what they wait for.

    Text has each job in a line, below one that it waits for; the others that it waits for stand behind the arrow. SVG
    is a picture for any browser, dot is for Graphviz. Edges other than afterok are named as such. What a chain of
    afterok says already is left out.

    \b
    Examples:
      ry graph
      ry graph 12 --around
      ry graph sweep:lr -o lr.svg
    """
    drawn = Look(form or "", str(look["file"]), bool(look["all_edges"]), bool(look["vertical"]))
    gathering = Gathering(app.service(), limit)
    if selectors:
        gathering.named(selectors, around)
        if not gathering.rows:
            raise UsageError(f"no job matches {' '.join(selectors)}")
    else:
        gathering.open(around)
    picture = _picture(gathering)
    _draw(app, picture if drawn.all_edges else picture.reduced(), drawn)
    for remark in gathering.remarks:
        app.output.note(remark)
    if not picture.nodes and not gathering.remarks:
        app.output.note("none of your jobs waits or runs; name some to see how they were connected")
    return 0


def _picture(gathering: Gathering) -> Picture:
    rows = sorted(gathering.rows.values(), key=lambda row: row.id)
    edges = (Edge(str(source), str(target), kind) for source, target, kind in gathering.edges)
    return Picture(tuple(map(_node, rows)), tuple(edges))


def _node(row: JobRow) -> Node:
    detail = harmless((row.reason or row.command)[:DETAIL_MOST])
    return Node(str(row.id), f"{row.id} {label(row)}", row.word, detail)


def _draw(app: App, picture: Picture, look: Look) -> None:
    if look.drawn_as == TEXT:
        network = import_module("runyard.pipeline.drawing.network")
        lines = network.lines(picture, look.vertical, str if look.file else app.output.painted)
    else:
        lines = import_module(f"runyard.pipeline.drawing.{look.drawn_as}").lines(picture)
    if look.file:
        _write(look.file, lines)
        app.output.note(f"drawn into {harmless(look.file)}")
    elif picture.nodes or look.drawn_as != TEXT:
        for line in lines:
            app.output.line(line)


def _write(path: str, lines: Iterable[str]) -> None:
    try:
        with open(os.path.expanduser(path), "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None

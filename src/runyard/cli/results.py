"""`results`: runs beside each other, with their parameters and what came of them, ranked, as a table or a plot."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any

import click

from runyard.api import JobRow, Service
from runyard.cli.context import App
from runyard.cli.options import SELECTORS, any_jobs, as_json, complete_files
from runyard.cli.render.grid import Column, Grid, Row
from runyard.cli.render.plot import Axes, Line, lines
from runyard.cli.render.text import harmless, label
from runyard.errors import RunyardError, UsageError
from runyard.model.fields import number_in, value_of
from runyard.model.filter import JobQuery
from runyard.model.nearest import meant
from runyard.model.record import dataclass

STEP = "step"
LINES_MOST = 8
"""Histories in one plot."""

PARAMS_NAMED = 3
"""Parameters of a run in the legend of a plot."""

MISSING = (
    "a picture needs matplotlib, which is not installed here: pip install 'runyard[plot]'; --plot draws without it"
)


@dataclass(frozen=True)
class Ranking:
    """Which runs, by which metric, and how they are shown."""

    selectors: tuple[str, ...] = ()
    where: str = ""
    metric: str = ""
    least: bool = False
    top: int = 0
    as_csv: bool = False
    plot: bool = False
    x: str = ""
    png: str = ""


@click.command("results", epilog=SELECTORS)
@any_jobs
@click.option("--where", default="", metavar="TEXT", help="Only runs for which this holds, as in `ry ls --where`.")
@click.option("-m", "--metric", default="", metavar="NAME", help="Rank by this metric (needless where there is one).")
@click.option("--max/--min", "most", default=True, help="The greatest first (default), or the least.")
@click.option("--top", type=click.IntRange(1), default=None, help="Only the first so many.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV: a line for each run.")
@click.option("--plot", is_flag=True, help="Draw the metric in the terminal.")
@click.option(
    "--x", default="", metavar="NAME", help="Against this parameter or field, or step (default) for histories."
)
@click.option("--png", default="", metavar="FILE", shell_complete=complete_files, help="Draw it into this file.")
@as_json
@click.pass_obj
def results(app: App, /, most: bool, top: int | None, **wished: Any) -> int:
    """Rank runs by what they have reported, with their parameters beside it.

    Without JOB all of yours that have reported anything. Runs that have no such metric come last. The value of a run is
    the last one that it has told.

    \b
    Examples:
      ry results sweep:lr
      ry results train* --metric acc --top 5
      ry results sweep:lr --metric loss --min --csv > runs.csv
      ry results sweep:lr --metric acc --plot --x lr
      ry results 12 13 --metric loss --plot
    """
    ranking = Ranking(**wished, least=not most, top=top or 0)
    rows = _ranked(app.service(), ranking)
    if ranking.plot or ranking.png:
        return _draw(app, ranking, rows)
    if app.output.as_json:
        app.output.json([_record(place, row) for place, row in enumerate(rows, 1)])
        return 0
    if ranking.as_csv:
        app.output.raw(_csv(rows).encode("utf-8", "backslashreplace"))
    elif rows or not app.output.terminal:
        app.output.grid(_table(rows, ranking.metric))
    else:
        app.output.note("none of your jobs has reported anything; see `ry help results`")
    return 0


def _ranked(service: Service, ranking: Ranking) -> list[JobRow]:
    """The runs, the best first; of all of mine only those that have reported something."""
    found = service.jobs(JobQuery(ranking.selectors, mine=not ranking.selectors, where=ranking.where))
    rows = [row for row in found if row.metrics or ranking.selectors]
    metric = _metric(ranking, rows)
    if metric:
        having = [row for row in rows if metric in row.metrics]
        having.sort(key=lambda row: row.metrics[metric], reverse=not ranking.least)
        rows = having + [row for row in rows if metric not in row.metrics]
    return rows[: ranking.top] if ranking.top else rows


def _metric(ranking: Ranking, rows: Iterable[JobRow]) -> str:
    """What to rank by: the one that was named, or the only one that there is ("" if there are several)."""
    known = dict.fromkeys(name for row in rows for name in row.metrics)
    if ranking.metric and ranking.metric not in known:
        have = f"they have {', '.join(map(harmless, known))}" if known else ""
        raise UsageError(f"none of these runs has reported {ranking.metric!r}{meant(ranking.metric, known, have)}")
    return ranking.metric or (next(iter(known)) if len(known) == 1 else "")


def _names(rows: Sequence[JobRow], first: str = "") -> tuple[list[str], list[str]]:
    """The parameters and metrics of these runs; the metric that ranks them is the first."""
    params = dict.fromkeys(name for row in rows for name, _ in row.params)
    metrics = dict.fromkeys(name for row in rows for name in row.metrics)
    return list(params), sorted(metrics, key=lambda name: name != first)


def _table(rows: Sequence[JobRow], first: str) -> Grid:
    params, metrics = _names(rows, first)
    columns = (
        Column("ID", right=True, firm=True),
        Column("NAME", flexible=True, spare=1),
        Column("STATE", firm=True),
        *(Column(harmless(name), flexible=True) for name in params),
        *(Column(harmless(name), right=True, firm=name == first) for name in metrics),
    )
    return Grid(columns, tuple(_line(row, params, metrics) for row in rows))


def _line(row: JobRow, params: Iterable[str], metrics: Iterable[str]) -> Row:
    values = dict(row.params)
    cells = [harmless(values.get(name, "")) for name in params]
    cells += [f"{row.metrics[name]:.6g}" if name in row.metrics else "" for name in metrics]
    return Row((str(row.id), label(row), row.word, *cells), row.word)


def _record(place: int, row: JobRow) -> dict[str, object]:
    return {
        "rank": place, "id": row.id, "name": row.name, "array_index": row.array_index, "state": row.word,
        "params": dict(row.params), "metrics": row.metrics,
    }  # fmt: skip


def _csv(rows: Sequence[JobRow]) -> str:
    """One line for each run; names that are parameter and metric are there as both."""
    params, metrics = _names(rows)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    both = set(params) & set(metrics)
    kinds = [*(("param", name) for name in params), *(("metric", name) for name in metrics)]
    titles = [f"{kind}:{name}" if name in both else name for kind, name in kinds]
    writer.writerow(["id", "name", "state", *titles])
    for row in rows:
        values = dict(row.params)
        told = [repr(row.metrics[name]) if name in row.metrics else "" for name in metrics]
        writer.writerow([row.id, row.name, row.word, *(values.get(name, "") for name in params), *told])
    return text.getvalue()


def _draw(app: App, ranking: Ranking, rows: Sequence[JobRow]) -> int:
    metric = _metric(ranking, rows)
    if not metric:
        raise UsageError("a plot is of one metric: say which with --metric" if rows else "there are no runs to draw")
    over_steps = ranking.x in ("", STEP)
    if over_steps:
        plotted, axes = _histories(app.service(), metric, rows), Axes(STEP, metric)
    else:
        plotted, axes = _against(metric, ranking.x, rows, app.now())
    if not any(line.points for line in plotted):
        raise UsageError(f"none of these runs has both {metric!r} and {ranking.x or STEP!r}")
    if ranking.png:
        _save(plotted, axes, ranking.png, over_steps)
        app.output.note(f"drawn into {ranking.png}")
    if ranking.plot:
        for text in lines(plotted, axes):
            app.output.line(text)
    return 0


def _histories(service: Service, metric: str, rows: Iterable[JobRow]) -> list[Line]:
    """How the metric went in the first of these runs, in the latest attempt that has it."""
    found = []
    for row in [row for row in rows if metric in row.metrics][:LINES_MOST]:
        told = [one for measured in service.metrics(row.id) for one in measured.metrics if one.name == metric]
        points = [(step, value) for _, step, _, value in told[-1].points] if told else []
        if told and (not points or points[-1] != (told[-1].step, told[-1].last)):
            points.append((told[-1].step, told[-1].last))
        params = (f"{name}={value}" for name, value in row.params[:PARAMS_NAMED])
        found.append(Line(" ".join((str(row.id), label(row), *params)), tuple(points)))
    return found


def _against(metric: str, name: str, rows: Iterable[JobRow], now: float) -> tuple[list[Line], Axes]:
    """A point for each run: numbers by size, other values side by side in order."""
    having = [(value_of(row, name, now), row.metrics[metric]) for row in rows if metric in row.metrics]
    pairs = [(x, y) for x, y in having if x is not None and not isinstance(x, tuple)]
    numbers = [number_in(x) if isinstance(x, str) else float(x) for x, _ in pairs]
    known = tuple((x, y) for x, (_, y) in zip(numbers, pairs, strict=True) if x is not None)
    if len(known) == len(pairs):
        return [Line(metric, known)], Axes(name, metric)
    ticks = tuple(sorted({str(x) for x, _ in pairs}))
    return [Line(metric, tuple((float(ticks.index(str(x))), y) for x, y in pairs))], Axes(name, metric, ticks)


def _save(plotted: Sequence[Line], axes: Axes, path: str, joined: bool) -> None:
    try:
        picture = import_module("runyard.cli.render.picture")
    except ImportError:
        raise RunyardError(MISSING) from None
    try:
        picture.save(plotted, axes, os.path.expanduser(path), joined)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None

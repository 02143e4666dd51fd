"""A plot as a PNG file. Loaded only where one is wanted: matplotlib comes with the extra `plot`."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from runyard.cli.render.plot import Axes, Line

INCHES = (8.0, 5.0)
DOTS = 120
NAMED_MOST = 12
"""With more lines than this there is no legend."""


def save(plotted: Sequence[Line], axes: Axes, path: str, joined: bool) -> None:
    """Draw it into this file; `joined` points have a line between them. OSError where it cannot be written."""
    figure = Figure(figsize=INCHES, dpi=DOTS, layout="constrained")
    FigureCanvasAgg(figure)
    plot = figure.add_subplot()
    for line in plotted:
        across, up = [x for x, _ in line.points], [y for _, y in line.points]
        plot.plot(across, up, "-" if joined else "o", label=_plain(line.name))
    plot.set_xlabel(_plain(axes.x))
    plot.set_ylabel(_plain(axes.y))
    if axes.ticks:
        plot.set_xticks(range(len(axes.ticks)), [_plain(tick) for tick in axes.ticks])
    if 1 < len(plotted) <= NAMED_MOST:
        plot.legend()
    figure.savefig(path, format="png")


def _plain(text: str) -> str:
    """A dollar would begin a formula, and a name that begins with _ has no place in a legend."""
    escaped = text.replace("$", r"\$")
    return f" {escaped}" if escaped.startswith("_") else escaped

"""Collects a sweep: reads every `result.json` below a directory, prints the ranking and draws it.

    python collect.py runs --expect lr0.01-h32 lr0.1-h32 --plot results.png

Exits with 1, saying why, if an expected result is missing, if a result is broken or unfinished, or if the best
accuracy is below `--min-accuracy`. The table and the picture show whatever could be read all the same.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # before pyplot: there may be no display

from matplotlib import pyplot
from matplotlib.axes import Axes

GOOD_ACCURACY = 0.9
"""The table counts the epochs to this accuracy, the picture has a line there."""
CURVES_FROM, CURVES_TO = 0.1, 0.99
CURVE_TICKS = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98)
"""The axis of the curves is a logit one: what happens between 95 % and 98 % matters as much as the first epochs."""
BAR_TICKS = (0, 0.25, 0.5, 0.75, 1.0)
INK = "#2b2b33"
FAINT = "#8a8a96"


@dataclass(frozen=True)
class Result:
    """One finished training. Accuracies are from 0 to 1, `curve` has one an epoch."""

    name: str
    hidden: int
    lr: float
    accuracy: float
    loss: float
    seconds: float
    curve: tuple[float, ...]
    resumed_at: tuple[int, ...]

    @property
    def epochs_to_good(self) -> int | None:
        """The first epoch with a good accuracy, counted from 1."""
        return next((epoch for epoch, value in enumerate(self.curve, 1) if value >= GOOD_ACCURACY), None)


class BrokenResult(Exception):
    """A result that cannot be trusted, and why."""


def main() -> int:
    options = parse()
    results, complaints = read_all(options.directory)
    complaints += [f"{name}: no result" for name in options.expect if name not in {r.name for r in results}]
    if not results:
        complaints.append(f"no result below {options.directory}")
    elif (best := results[0]).accuracy < options.min_accuracy:
        complaints.append(f"{best.name}: the best accuracy is {best.accuracy:.4f}, below {options.min_accuracy}")
    if results:
        print("\n".join(table(results)))
        draw(results, options.plot)
        print(f"\nplot: {options.plot}")
    for complaint in complaints:
        print(f"wrong: {complaint}", file=sys.stderr)
    return 1 if complaints else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Rank and draw the results of a sweep.")
    parser.add_argument("directory", type=Path, help="every result.json below it is read")
    parser.add_argument("--expect", nargs="+", default=[], metavar="NAME", help="results that have to be there")
    parser.add_argument("--plot", type=Path, default=Path("results.png"), help="(default: %(default)s)")
    parser.add_argument("--min-accuracy", type=float, default=GOOD_ACCURACY, help="of the best (default: %(default)s)")
    return parser.parse_args()


def read_all(directory: Path) -> tuple[list[Result], list[str]]:
    """The results, best first, and a complaint for each that is broken."""
    results: list[Result] = []
    complaints: list[str] = []
    for path in sorted(directory.rglob("result.json")):
        try:
            results.append(read(path))
        except BrokenResult as broken:
            complaints.append(f"{path.parent.name}: {broken}")
    return sorted(results, key=lambda result: (-result.accuracy, result.loss, result.name)), complaints


def read(path: Path) -> Result:
    try:
        raw = json.loads(path.read_text())
        result = build(raw)
        epochs = int(raw["setting"]["epochs"])
        steps = [entry["step"] for entry in raw["history"]]
    except (ValueError, KeyError, TypeError) as error:
        raise BrokenResult(f"unreadable ({type(error).__name__}: {error})") from error
    if steps != list(range(1, epochs + 1)):
        raise BrokenResult(f"{len(steps)} of {epochs} epochs, or not in order")
    if not all(0.0 <= value <= 1.0 for value in result.curve) or result.accuracy != result.curve[-1]:
        raise BrokenResult("the accuracies contradict each other")
    return result


def build(raw: dict[str, Any]) -> Result:
    return Result(
        name=str(raw["name"]),
        hidden=int(raw["setting"]["hidden"]),
        lr=float(raw["setting"]["lr"]),
        accuracy=float(raw["accuracy"]),
        loss=float(raw["loss"]),
        seconds=float(raw["seconds"]),
        curve=tuple(float(entry["acc"]) for entry in raw["history"]),
        resumed_at=tuple(int(epoch) for epoch in raw["resumed_at"]),
    )


def table(results: list[Result]) -> list[str]:
    """The ranking as lines of plain text."""
    width = max(len(result.name) for result in results)
    head = f"rank  {'setting':<{width}}  {'lr':>7}  hidden  accuracy    loss  to {GOOD_ACCURACY:.0%}  seconds"
    lines = [head, "-" * len(head)]
    for rank, result in enumerate(results, 1):
        resumed = "".join(f"  resumed after epoch {epoch}" for epoch in result.resumed_at)
        lines.append(
            f"{rank:>4}  {result.name:<{width}}  {result.lr:>7g}  {result.hidden:>6}  {result.accuracy:>8.4f}"
            f"  {result.loss:>6.4f}  {result.epochs_to_good or '-':>6}  {result.seconds:>7.1f}{resumed}"
        )
    return lines


def draw(results: list[Result], path: Path) -> None:
    """Accuracy by epoch beside the ranking; a setting has the same colour in both, so the bars are the legend."""
    colours = [matplotlib.colormaps["viridis"](0.05 + 0.87 * i / max(1, len(results) - 1)) for i in range(len(results))]
    with pyplot.rc_context(
        {"font.size": 10, "text.color": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK}
    ):
        figure, (curves, ranking) = pyplot.subplots(
            1, 2, figsize=(12, 5.2), width_ratios=(1.35, 1), layout="constrained"
        )
        figure.suptitle("Handwritten digits: a sweep over learning rate and hidden units", fontsize=14, weight="bold")
        draw_curves(curves, results, colours)
        draw_ranking(ranking, results, colours)
        figure.savefig(path, dpi=130)
        pyplot.close(figure)


def draw_curves(axes: Axes, results: list[Result], colours: list[Any]) -> None:
    for rank, (result, colour) in reversed(list(enumerate(zip(results, colours, strict=True)))):
        heights = [min(value, CURVES_TO) for value in result.curve]
        axes.plot(range(1, len(heights) + 1), heights, color=colour, linewidth=2.8 if rank == 0 else 1.6)
        for epoch in (e for e in result.resumed_at if e):
            axes.plot(
                epoch,
                heights[epoch - 1],
                "o",
                color="white",
                markeredgecolor=colour,
                markeredgewidth=2.4,
                markersize=9,
                label=f"{result.name}: interrupted, went on from its checkpoint",
            )
    axes.axhline(GOOD_ACCURACY, color=FAINT, linewidth=1, linestyle=(0, (4, 4)), zorder=0)
    axes.set_yscale("logit")
    axes.set(title="Test accuracy by epoch", xlabel="epoch", ylabel="accuracy", ylim=(CURVES_FROM, CURVES_TO))
    axes.set_yticks(CURVE_TICKS, [f"{tick:.0%}" for tick in CURVE_TICKS])
    axes.set_yticks([], minor=True)
    axes.set_xlim(1, max(2, *(len(result.curve) for result in results)))
    axes.grid(axis="y", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="lower right", frameon=False, fontsize=9)


def draw_ranking(axes: Axes, results: list[Result], colours: list[Any]) -> None:
    places = range(len(results))
    axes.barh(places, [result.accuracy for result in results], color=colours, height=0.68)
    for place, result in zip(places, results, strict=True):
        axes.text(result.accuracy + 0.01, place, f"{result.accuracy:.1%}", va="center", fontsize=9)
    axes.set_yticks(places, [result.name for result in results])
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.invert_yaxis()
    axes.set(title="Final ranking", xlabel="accuracy", xlim=(0.0, 1.1))
    axes.set_xticks(BAR_TICKS, [f"{tick:.0%}" for tick in BAR_TICKS])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)


if __name__ == "__main__":
    sys.exit(main())

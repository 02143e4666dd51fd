"""Live progress of the sweep: a table redrawn in place on a terminal, a line now and then in a pipe.

The rows come from `ry ls`, their metrics from `ry tail`: the demo sees what a user sees.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from yard import DemoError, Job, Yard

LOOK_EVERY_S = 0.5
PLAIN_EVERY_S = 5.0
TAIL_LINES = 8
METRIC = re.compile(r"^::metric acc=(\S+) loss=(\S+)", re.MULTILINE)
PROGRESS = re.compile(r"^::progress (\d+)/(\d+)", re.MULTILINE)
STYLES = {"running": "bold cyan", "succeeded": "green", "starting": "cyan", "queued": "yellow", "waiting": "yellow"}
WAITING = ("queued", "waiting")
FAILED_STYLE = "bold red"
GAP = 2
NUMBERS = {"id": 2, "try": 3, "epoch": 5, "accuracy": 8, "loss": 6}
"""Columns of numbers and what they need at least."""
STATE = len("succeeded")
BAR, BAR_LEAST = 24, 8
"""The bar is so wide; where the terminal has no room for that, less, and none below this."""


@dataclass(frozen=True)
class Row:
    """A job and what its last lines of output say."""

    job: Job
    acc: str = ""
    loss: str = ""
    step: int = 0
    steps: int = 0

    @property
    def share(self) -> float:
        """How much of the training is done, from 0 to 1."""
        return self.step / self.steps if self.steps else 0.0


class Screen:
    """Watches the jobs of one yard until something is the case."""

    def __init__(self, yard: Yard, deadline: float) -> None:
        self._yard = yard
        self._deadline = deadline
        """Moment of the monotonic clock at which watching is given up."""
        self._console = Console(highlight=False)
        self._ended: dict[int, Row] = {}
        self._words: dict[int, str] = {}
        self._printed = 0.0

    def watch(self, enough: Callable[[list[Row]], bool]) -> list[Row]:
        """Shows the jobs until it is enough, and returns them as they are then."""
        if not self._console.is_terminal:
            return self._watch(enough, self._print)
        with Live(console=self._console, auto_refresh=False) as live:
            return self._watch(enough, lambda rows: live.update(table(rows, self._console.width), refresh=True))

    def _watch(self, enough: Callable[[list[Row]], bool], show: Callable[[list[Row]], None]) -> list[Row]:
        while True:
            rows = [self._row(job) for job in self._yard.jobs()]
            show(rows)
            if enough(rows):
                return rows
            if time.monotonic() > self._deadline:
                raise DemoError("this takes too long: " + ", ".join(f"{row.job.name} {row.job.word}" for row in rows))
            time.sleep(LOOK_EVERY_S)

    def _row(self, job: Job) -> Row:
        if job.id in self._ended:
            return self._ended[job.id]
        row = read(job, self._yard) if job.attempt else Row(job)
        if job.done:
            self._ended[job.id] = row
        return row

    def _print(self, rows: list[Row]) -> None:
        """Each change of a job, and every few seconds how far the running ones are."""
        words = {row.job.id: "" if row.job.word in WAITING else row.job.word for row in rows}
        changed = [row for row in rows if self._words.get(row.job.id, "") != words[row.job.id]]
        self._words |= words
        if time.monotonic() - self._printed > PLAIN_EVERY_S:
            self._printed = time.monotonic()
            changed += [row for row in rows if row.job.state == "running" and row not in changed]
        for row in changed:
            print("   " + plain(row), flush=True)


def read(job: Job, yard: Yard) -> Row:
    """The last metric of a job. Its output may still be empty."""
    lines = yard.call("tail", f"-{TAIL_LINES}", str(job.id)).stdout
    metrics, steps = METRIC.findall(lines), PROGRESS.findall(lines)
    if not metrics or not steps:
        return Row(job)
    return Row(job, *metrics[-1], *(int(number) for number in steps[-1]))


def plain(row: Row) -> str:
    metric = f"epoch {row.step:>2}/{row.steps}  accuracy {row.acc}  loss {row.loss}" if row.steps else ""
    again = f"attempt {row.job.attempt}" if row.job.attempt > 1 else ""
    return f"{row.job.id:>3}  {row.job.name:<14}{row.job.word:<11}{again:<11}{metric}".rstrip()


def table(rows: list[Row], columns: int) -> Table:
    """The jobs, fit to the terminal: the numbers are whole, the bar and the reasons get what is left, if anything."""
    names = max((len(row.job.name) for row in rows), default=0)
    left = columns - sum(NUMBERS.values()) - max(names, len("name")) - STATE - GAP * (len(NUMBERS) + 2)
    wide = min(BAR, left)
    result = Table(box=None, pad_edge=False, header_style="dim", padding=(0, GAP, 0, 0))
    for name in ("id", "try"):
        result.add_column(name, justify="right", no_wrap=True, min_width=NUMBERS[name])
    result.add_column("name", no_wrap=True)
    result.add_column("state", no_wrap=True, min_width=STATE)
    if wide >= BAR_LEAST:
        result.add_column("progress", no_wrap=True, min_width=wide, max_width=wide)
    for name in ("epoch", "accuracy", "loss"):
        result.add_column(name, justify="right", no_wrap=True, min_width=NUMBERS[name])
    for row in rows:
        job = row.job
        attempt = Text(str(job.attempt or ""), "yellow" if job.attempt > 1 else "")
        epoch = f"{row.step}/{row.steps}" if row.steps else ""
        bar = [_bar(row, wide)] if wide >= BAR_LEAST else []
        word = Text(job.word, STYLES.get(job.word, FAILED_STYLE))
        result.add_row(str(job.id), attempt, job.name, word, *bar, epoch, row.acc, row.loss)
    return result


def _bar(row: Row, wide: int) -> ProgressBar | Text:
    """How far it has come, or why it has not begun."""
    if row.steps:
        return ProgressBar(row.steps, row.step, width=wide)
    return Text(row.job.reason, "dim", overflow="ellipsis")

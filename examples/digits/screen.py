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
STYLES = {"running": "bold cyan", "succeeded": "green", "pending": "dim", "assigned": "cyan"}
FAILED_STYLE = "bold red"


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
            return self._watch(enough, lambda rows: live.update(table(rows), refresh=True))

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
        changed = [row for row in rows if self._words.get(row.job.id, "pending") != row.job.word]
        self._words |= {row.job.id: row.job.word for row in rows}
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


def table(rows: list[Row]) -> Table:
    result = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("id", "attempt"):
        result.add_column(name, justify="right")
    for name in ("name", "state", "progress"):
        result.add_column(name, no_wrap=True)
    for name in ("epoch", "accuracy", "loss"):
        result.add_column(name, justify="right")
    for row in rows:
        job = row.job
        style = STYLES.get(job.word, FAILED_STYLE)
        bar = ProgressBar(row.steps, row.step, width=24) if row.steps else Text(job.reason, "dim", overflow="ellipsis")
        epoch = f"{row.step}/{row.steps}" if row.steps else ""
        attempt = Text(str(job.attempt or ""), "yellow" if job.attempt > 1 else "")
        result.add_row(str(job.id), attempt, job.name, Text(job.word, style), bar, epoch, row.acc, row.loss)
    return result

"""What the monitor shows of a pipeline: counts, what runs, how the logs of what failed end, what was skipped and why.

From a state and the tails of logs to something that rich draws; as many lines as there is room for. What jobs and their
names say is text, never markup, and made harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from runyard.model.wording import counted, harmless, span
from runyard.pipeline.state import FAILED, PASSED, PENDING, RUNNING, SKIPPED, JobState, PipelineState

Tail = Callable[[str, int], Sequence[str]]
"""The last lines of a log: of the file at this path, so many."""

STYLES = {PASSED: "green", FAILED: "bold red", SKIPPED: "bright_black", RUNNING: "bold cyan", PENDING: "yellow"}
BAR_WIDTH = 30
TAIL_LINES = 5
ROWS_MIN = 3
HEAD_LINES = 6


def view(state: PipelineState, backend: str, now: float, height: int, tail: Tail) -> RenderableType:
    """All of it, in about so many lines."""
    running, failed, skipped = state.of(RUNNING), state.of(FAILED), state.of(SKIPPED)
    room = max(ROWS_MIN, height - HEAD_LINES)
    parts: list[RenderableType] = [_head(state, backend, now), _bar(state)]
    if running:
        shown = running[: max(ROWS_MIN, room // 3)]
        parts.append(_table(("RUNNING", "TIME", "LAST LINE"), [_running(job, now, tail) for job in shown], running))
    if failed:
        parts.extend(_failed(failed, max(ROWS_MIN, room // 3), tail))
    if skipped:
        shown = skipped[: max(ROWS_MIN, room // 4)]
        parts.append(
            _table(("SKIPPED", "SINCE"), [(harmless(job.name), harmless(job.reason)) for job in shown], skipped)
        )
    return Group(*parts)


def change(before: JobState | None, job: JobState) -> str:
    """A line that tells what has become of a job since it was last seen ("": nothing)."""
    if job.status == PENDING or (before is not None and before.status == job.status):
        return ""
    told = f"{harmless(job.name)}: {job.status}"
    if job.status == FAILED and job.code is not None:
        told += f" (exit code {job.code})"
    if job.reason:
        told += f", {harmless(job.reason)}"
    return told


def _head(state: PipelineState, backend: str, now: float) -> Text:
    began = min((job.started_at for job in state.jobs if job.started_at is not None), default=now)
    ended = max((job.ended_at or now for job in state.jobs if job.started_at is not None), default=now)
    took = span((now if state.status == RUNNING else ended) - began)
    return Text.assemble((harmless(state.name), "bold"), f"  {backend}  {state.status}  {took}")


def _bar(state: PipelineState) -> Text:
    """The counts, after a bar of them."""
    text, total = Text(), max(1, len(state.jobs))
    left = BAR_WIDTH
    for status in (PASSED, FAILED, SKIPPED, RUNNING):
        width = min(left, round(BAR_WIDTH * state.counts[status] / total))
        text.append("━" * width, style=STYLES[status])
        left -= width
    text.append("─" * left, style="bright_black")
    for status, count in state.counts.items():
        if count:
            text.append(f"  {count} {status}", style=STYLES[status])
    return text.append(f"  of {counted(len(state.jobs), 'job')}")


def _running(job: JobState, now: float, tail: Tail) -> tuple[str, str, str]:
    lines = tail(job.log, 1) if job.log else ()
    return harmless(job.name), span(now - (job.started_at or now)), harmless(lines[-1]) if lines else ""


def _failed(failed: Sequence[JobState], room: int, tail: Tail) -> Iterator[RenderableType]:
    """Those that failed, the latest first and with the end of its log."""
    latest = sorted(failed, key=lambda job: job.ended_at or 0.0, reverse=True)
    rows = [(harmless(job.name), _why(job), harmless(job.log)) for job in latest[:room]]
    yield _table(("FAILED", "WHY", "LOG"), rows, failed)
    lines = tail(latest[0].log, TAIL_LINES) if latest[0].log else ()
    if lines and len(failed) > 1:
        yield Text.assemble(("  ┌ ", "red"), harmless(latest[0].name), no_wrap=True, overflow="ellipsis")
    for line in lines:
        yield Text.assemble(("  │ ", "red"), harmless(line), no_wrap=True, overflow="ellipsis")


def _why(job: JobState) -> str:
    return harmless(job.reason) or ("" if job.code is None else f"exit code {job.code}")


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]], of: Sequence[JobState]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold dim", show_edge=False)
    for title in titles:
        whole = title == "LOG"
        table.add_column(title, no_wrap=not whole, overflow="fold" if whole else "ellipsis")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    if len(rows) < len(of):
        table.add_row(Text(f"and {len(of) - len(rows)} more", style="dim"))
    return table

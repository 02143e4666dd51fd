"""Groups in lists: one line for a sweep or a pipeline, with a strip of what became of its jobs."""

from __future__ import annotations

from collections.abc import Sequence

from runyard.cli.render.grid import Column, Grid, Row
from runyard.cli.render.text import clock, harmless, span, stamp
from runyard.model.group import GroupRow, SweepChange
from runyard.model.outcome import ENDED_BADLY

MARKS = {"o": "#", "x": "x", "r": ">", ".": ".", "-": "-"}
"""How the letters of a strip are shown."""

SHOWN = 40
ORDER = "xr.-o"


def strip(letters: str, most: int = SHOWN) -> str:
    """The strip, at most so long: a mark for some neighbours is the most telling of theirs."""
    if len(letters) > most:
        parts = [letters[place * len(letters) // most : (place + 1) * len(letters) // most] for place in range(most)]
        letters = "".join(min(part, key=ORDER.index) for part in parts)
    return "".join(MARKS[letter] for letter in letters)


def word_of(row: GroupRow) -> str:
    """The one word for a group: what its open cells do, or how the whole ended."""
    for word in ("running", "stopping", "paused", "starting", "queued", "waiting", "held"):
        if row.counts.get(word):
            return word
    if any(row.counts.get(word) for word in ENDED_BADLY):
        return "failed"
    return "succeeded" if row.counts.get("succeeded") else "cancelled"


def ids_of(row: GroupRow) -> str:
    """Its jobs as a selector where they are in a row, else from where on they lie."""
    together = row.last - row.first + 1 == row.group.size
    return f"{row.first}-{row.last}" if together and row.last > row.first else f"{row.first}{'' if together else '..'}"


def elapsed(row: GroupRow, now: float) -> str:
    """Since its first cell began, until the last one ended."""
    if row.started_at is None:
        return "" if row.ended_at is not None else span(now - row.group.made_at)
    return span((row.ended_at or now) - row.started_at)


def progress(row: GroupRow) -> str:
    """37/240 and the strip, and why it was stopped."""
    stopped = f" {row.group.sweep.stopped}" if row.group.sweep is not None and row.group.sweep.stopped else ""
    return f"{row.done}/{row.total} {strip(row.strip)}{stopped}"


def when(row: GroupRow, now: float, for_people: bool) -> str:
    """When it ended, began, or was made."""
    at = row.ended_at or row.started_at or row.group.made_at
    return clock(at, now) if for_people else stamp(at)


def group_grid(rows: Sequence[GroupRow], now: float, for_people: bool) -> Grid:
    """Groups as a table."""
    columns = (
        Column("ID", right=True, firm=True), Column("SWEEP", flexible=True), Column("STATE", firm=True),
        Column("TIME", right=True, firm=True), Column("WHEN", spare=1), Column("DONE", right=True, firm=True),
        Column("CELLS", flexible=True), Column("USER", optional=True, spare=2),
    )  # fmt: skip
    users = {row.group.user for row in rows}
    show_user = not for_people or len(users) > 1
    return Grid(columns, tuple(_row(row, now, for_people, show_user) for row in rows))


def _row(row: GroupRow, now: float, for_people: bool, show_user: bool) -> Row:
    word = word_of(row)
    cells = (
        ids_of(row), harmless(row.group.name), word, elapsed(row, now), when(row, now, for_people),
        f"{row.done}/{row.total}", strip(row.strip), harmless(row.group.user) if show_user else "",
    )  # fmt: skip
    return Row(cells, word)


def change_line(row: GroupRow, change: SweepChange, dry: bool) -> str:
    """What a change of a sweep does, in words."""
    said = []
    if change.parallel is not None:
        said.append(f"at most {change.parallel} at a time" if change.parallel else "as many at a time as fit")
    if change.rules is not None:
        said.append(
            "stops when " + ", or ".join(rule.text for rule in change.rules) if change.rules else "has no rules"
        )
    return f"{'would: ' if dry else ''}sweep {harmless(row.group.name)}: {harmless(', '.join(said))}"


def woven(
    jobs: Grid, keys: Sequence[tuple[float, ...]], groups: Sequence[GroupRow], now: float, for_people: bool
) -> Grid:
    """The table of `ls` with a line for each group where it belongs: by the `keys` of the other lines."""
    users = {row.group.user for row in groups}
    show_user = not for_people or len(users) > 1
    rows = [*zip(keys, jobs.rows, strict=True)]
    for row in groups:
        cells = _cells(row, now, for_people, show_user)
        line = Row(tuple(cells.get(column.title, "") for column in jobs.columns), word_of(row))
        rows.append((_key(row, for_people), line))
    rows.sort(key=lambda pair: pair[0])
    return Grid(jobs.columns, tuple(row for _, row in rows))


def _key(row: GroupRow, for_people: bool) -> tuple[float, ...]:
    """As `ls` sorts jobs: what runs, then what waits by id, then what has ended, the latest first."""
    if not for_people:
        return (row.first,)
    if row.ended_at is not None:
        return (2, -row.ended_at, 0.0, -row.first)
    return (1 if word_of(row) in ("held", "waiting", "queued") else 0, 0.0, 0.0, row.first)


def _cells(row: GroupRow, now: float, for_people: bool, show_user: bool) -> dict[str, str]:
    """What a group has to say below the titles of `ls`."""
    return {
        "ID": ids_of(row),
        "NAME": f"{row.group.kind}:{harmless(row.group.name)}",
        "STATE": word_of(row),
        "TIME": elapsed(row, now),
        "WHEN": when(row, now, for_people),
        "USER": harmless(row.group.user) if show_user else "",
        "REASON": harmless(progress(row)),
    }

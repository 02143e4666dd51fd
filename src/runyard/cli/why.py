"""`why`: what a job waits for, and when it may start."""

from __future__ import annotations

import click

from runyard.api import Explanation
from runyard.cli.context import App
from runyard.cli.options import SELECTORS, as_json, one_job
from runyard.cli.render.text import clock, harmless
from runyard.cli.selecting import single

AT_ONCE_S = 60
"""A range that is shorter is told as one time."""


@click.command("why", epilog=SELECTORS)
@one_job
@as_json
@click.pass_obj
def why(app: App, selector: str) -> int:
    """Why a job waits, and when it may start (default: your last one).

    \b
    Example:
      ry why 12
    """
    told = app.service().explain(single(app, selector).id)
    if app.output.as_json:
        app.output.json(told)
        return 0
    app.output.line(f"job {told.id}: {harmless(told.sentence)}")
    estimate = when(told, app.now())
    if estimate:
        app.output.line(estimate)
    return 0


def when(told: Explanation, now: float) -> str:
    """The estimate as local clock times, or "" where there is none."""
    basis = f", from {harmless(told.basis)}" if told.basis else ""
    earliest, latest = told.starts_from, told.starts_to
    if earliest is None and latest is None:
        return ""
    if earliest is None or latest is None:
        word, at = ("after", earliest) if latest is None else ("before", latest)
        return f"It may start {word} {clock(at or now, now)}{basis}."
    if latest - earliest < AT_ONCE_S:
        return f"It may start at about {clock(earliest, now)}{basis}."
    return f"It may start between {clock(earliest, now)} and {clock(latest, now)}{basis}."

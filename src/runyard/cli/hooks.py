"""`hooks`: who is told what happens to jobs, and how that went."""

from __future__ import annotations

import click

from runyard.api import Service
from runyard.cli.context import App
from runyard.cli.options import as_json
from runyard.cli.render.grid import Column, Grid, Row
from runyard.cli.render.text import clock, harmless, stamp
from runyard.errors import NotFound, RunyardError, TimedOut
from runyard.model.notice import HookRow, Told

TEST_S = 60.0
"""How long the result of a test is waited for: twice a hook's default limit."""

COLUMNS = (
    Column("HOOK", firm=True), Column("BY"), Column("ON", flexible=True), Column("WAITING", right=True),
    Column("LAST", firm=True), Column("SAYS", flexible=True, optional=True),
)  # fmt: skip


@click.command("hooks")
@click.option("--test", "tested", metavar="HOOK", help="Tell this one now that it is a test, and how it took it.")
@as_json
@click.pass_obj
def hooks(app: App, tested: str | None) -> int:
    """Who is told what happens to jobs, and how that went last.

    Hooks are commands, URLs and mail addresses in the config.toml of the yard; `ry submit --notify HOOK` uses one.

    \b
    Examples:
      ry hooks
      ry hooks --test slack
    """
    service = app.service()
    if tested is not None:
        return _test(app, service, tested)
    rows = service.hooks()
    if app.output.as_json:
        app.output.json(rows)
    elif rows or not app.output.terminal:
        now, for_people = app.now(), app.output.terminal
        app.output.grid(Grid(COLUMNS, tuple(_row(row, now, for_people) for row in rows)))
    else:
        app.output.note(f"no hooks; [hooks.NAME] in {service.status().config} makes one")
    return 0


def _test(app: App, service: Service, name: str) -> int:
    before = {told.id for told in _hook(service, name).last}
    position = service.changed(("hooks",), 0, 0)
    service.test_hook(name)
    end = app.now() + TEST_S
    while True:
        new = [told for told in _hook(service, name).last if told.id not in before and told.event == "test"]
        if new and new[-1].problem:
            raise RunyardError(f"{name}: {harmless(new[-1].problem)}")
        if new:
            if app.output.as_json:
                app.output.json(new[-1])
            else:
                app.output.line(f"{name} was told")
            return 0
        left = end - app.now()
        if left <= 0:
            raise TimedOut(f"{name} has not been told after {TEST_S:.0f} s; `ry hooks` says how it goes on")
        position = service.changed(("hooks",), position, left)


def _hook(service: Service, name: str) -> HookRow:
    for row in service.hooks():
        if row.name == name:
            return row
    raise NotFound(f"there is no hook {name!r} in this yard (its config.toml, read when the server starts)")


def _row(row: HookRow, now: float, for_people: bool) -> Row:
    last = row.last[-1] if row.last else None
    cells = (
        row.name,
        row.kind,
        ",".join(row.on),
        str(row.waiting),
        (clock(last.at, now) if for_people else stamp(last.at)) if last else "",
        said(last) if last else "",
    )
    return Row(cells)


def said(told: Told) -> str:
    """How a delivery went, in a few words."""
    if not told.problem:
        return f"{told.event} told"
    again = "tried again" if told.again_at is not None else "given up"
    return f"{told.event} not told ({harmless(told.problem)}), {again}"

"""`server`: the process behind the verbs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

import click

from runyard.api import RunningRow, ServerStatus
from runyard.cli.context import App
from runyard.cli.install import install, uninstall
from runyard.cli.landing import landing
from runyard.cli.ls import ON_HOSTS
from runyard.cli.options import as_json
from runyard.cli.render.grid import Column, Grid, Row
from runyard.cli.render.text import clock, counted, harmless, label, span, stamp
from runyard.errors import NotFound, Unavailable
from runyard.model.filter import JobQuery

LOOK_S = 0.5
BLOCK_BYTES = 64 * 1024
LINES = 50


@click.group("server")
def server() -> None:
    """Start, stop and see the server.

    The first verb that needs a server starts one; stopping it stops no job.

    \b
    Examples:
      ry server status
      ry server stop
    """


@server.command("start")
@click.option(
    "--accept-older-store",
    "accept",
    is_flag=True,
    help="Serve a database that is older than what this yard has committed; what came after it is given up.",
)
@as_json
@click.pass_obj
def start(app: App, accept: bool) -> int:
    """Start the server in the background; one that runs already is left alone.

    \b
    Example:
      ry server start
    """
    if accept:
        app.wiring.stop_server(app.settings)  # one that waits for this word has to begin anew
    running = app.reach() is not None
    pid = app.wiring.start_server(app.settings, accept)
    if app.output.as_json:
        app.output.json({"pid": pid, "started": not running})
    else:
        app.output.line(
            f"the server {'runs already' if running else 'is started'}: pid {pid}, home {app.settings.home}"
        )
    return 0


@server.command("door", hidden=True)
@click.pass_obj
def door(app: App) -> int:
    """Say as JSON where the server listens and how a login shell finds things here; it is started if none runs.

    It is what `ry --host` calls on the other machine before anything else.

    \b
    Example:
      ry server door
    """
    app.output.as_json = True
    app.output.json(landing(app.service(), app.environ, app.home, app.settings))
    return 0


@server.command("stop")
@as_json
@click.pass_obj
def stop(app: App) -> int:
    """Stop the server and its agent. Jobs run on, and a later server finds them.

    \b
    Example:
      ry server stop
    """
    stopped = app.wiring.stop_server(app.settings)
    if app.output.as_json:
        app.output.json({"stopped": stopped})
    else:
        app.output.line("the server is stopped; jobs run on" if stopped else "no server runs")
    return 0


@server.command("run")
@click.pass_obj
def run(app: App) -> int:
    """Be the server, in the foreground (for systemd and for looking at it).

    \b
    Example:
      ry server run
    """
    app.wiring.run_server(app.settings)
    return 0


@server.command("status")
@as_json
@click.pass_obj
def status(app: App) -> int:
    """The server, its agents, what is paused, and every running job. Starts no server: exit code 69 if none runs.

    \b
    Example:
      ry server status --json
    """
    service = app.reach()
    if service is None:
        raise Unavailable(f"no server runs for {app.settings.home}; `ry server start` starts one")
    seen = service.status()
    if app.output.as_json:
        app.output.json(seen)
        return 0
    app.output.facts((name, harmless(value)) for name, value in _facts(seen, app.now()))
    if seen.running:
        labels = {job.id: label(job) for job in service.jobs(JobQuery(selectors=(ON_HOSTS,)))}
        app.output.line()
        app.output.grid(_running(seen.running, labels, app.now(), app.output.terminal))
    return 0


def _facts(seen: ServerStatus, now: float) -> Iterator[tuple[str, str]]:
    yield "server", f"pid {seen.pid}, version {seen.version}, up {span(now - seen.started_at)}"
    yield "yard", f"{seen.yard}, epoch {seen.epoch}"
    for agent in seen.agents:
        beat = f"last beat {span(now - agent.last_beat_at)} ago" if agent.last_beat_at else "no beat yet"
        yield "agent", f"{agent.id}: {agent.user}, pid {agent.pid}, version {agent.version}, {beat}"
        if agent.unknown:
            yield "unknown there", ", ".join(agent.unknown)
    if not seen.agents:
        yield "agent", "none yet"
    yield "home", seen.home
    yield "store", seen.store
    yield "config", seen.config
    yield "jobs", f"{len(seen.running)} on hosts, {seen.waiting} waiting"
    yield "paused", ", ".join(seen.paused) or "no queue"
    yield "stop-on-fail", ", ".join(seen.stop_on_fail) or "no queue"
    yield "draining", "yes: nothing new is started (`ry server resume` goes on)" if seen.draining else "no"
    for problem in seen.problems:
        yield "problem", problem


def _running(rows: tuple[RunningRow, ...], labels: Mapping[int, str], now: float, for_people: bool) -> Grid:
    columns = (
        Column("ID", right=True, firm=True), Column("NAME", flexible=True), Column("STAGE", firm=True),
        Column("PID", right=True, firm=True, spare=4), Column("HOST", spare=2), Column("AGENT", optional=True, spare=1),
        Column("SINCE", spare=3), Column("TIME", right=True, firm=True),
    )  # fmt: skip
    return Grid(
        columns,
        tuple(
            Row(
                (
                    f"{row.id}.{row.attempt}",
                    labels.get(row.id, harmless(row.name)),
                    row.stage,
                    str(row.pid or ""),
                    harmless(row.host),
                    row.agent,
                    _since(row.started_at, now, for_people),
                    span(now - row.started_at) if row.started_at else "",
                ),
                row.stage,
            )
            for row in rows
        ),
    )


def _since(at: float | None, now: float, for_people: bool) -> str:
    if at is None:
        return ""
    return clock(at, now) if for_people else stamp(at)


@server.command("drain")
@as_json
@click.pass_obj
def drain(app: App) -> int:
    """Finish what runs and start nothing new, also after a restart of the server, until `ry server resume`.

    Jobs can be submitted meanwhile; they wait. (One queue alone: `ry queue pause`.)

    \b
    Example:
      ry server drain
    """
    return _drain(app, True, "nothing new is started until `ry server resume`")


@server.command("resume")
@as_json
@click.pass_obj
def resume(app: App) -> int:
    """Start jobs again after `ry server drain`.

    \b
    Example:
      ry server resume
    """
    return _drain(app, False, "jobs are started again")


def _drain(app: App, on: bool, text: str) -> int:
    news = app.service().drain(on)
    seen = app.service().status()
    if app.output.as_json:
        app.output.json({"draining": seen.draining, "changed": news})
    else:
        before = "" if news else "nothing to change: "
        app.output.line(f"{before}{text}; {len(seen.running)} on hosts, {seen.waiting} waiting")
    return 0


server.add_command(install)
server.add_command(uninstall)


@server.command("logs")
@click.option("-f", "--follow", is_flag=True, help="Go on as more is written.")
@click.option("-n", "--lines", type=click.IntRange(0), default=LINES, help=f"The last lines (default: {LINES}).")
@click.option("--of", "process", type=click.Choice(("server", "agent", "zygote")), default="server", help="Whose log.")
@click.pass_obj
def logs(app: App, follow: bool, lines: int, process: str) -> int:
    """The server's own log. (The output of a job: `ry logs`.)

    \b
    Example:
      ry server logs -f
    """
    path = app.home.log(process)
    log = app.output.log()
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}") from None
    try:
        os.lseek(descriptor, _tail_offset(descriptor, lines), os.SEEK_SET)
        while True:
            data = os.read(descriptor, BLOCK_BYTES)
            if data:
                log.write(data)
            elif follow:
                app.sleep(LOOK_S)
            else:
                return 0
    finally:
        os.close(descriptor)
        log.end()


def _tail_offset(descriptor: int, lines: int) -> int:
    """Where the last lines begin."""
    end = os.lseek(descriptor, 0, os.SEEK_END)
    left = lines + 1
    if end and os.pread(descriptor, 1, end - 1) != b"\n":
        left -= 1
    while end > 0:
        start = max(0, end - BLOCK_BYTES)
        block = os.pread(descriptor, end - start, start)
        place = len(block)
        while left and (place := block.rfind(b"\n", 0, place)) >= 0:
            left -= 1
            if not left:
                return start + place + 1
        end = start
    return 0


def summary(seen: ServerStatus) -> str:
    """The server in a few words, for doctor."""
    return f"pid {seen.pid}, version {seen.version}, {counted(len(seen.agents), 'agent')}"

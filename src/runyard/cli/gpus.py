"""`gpus`: every device, and who sits on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import click

from runyard.api import JobRow
from runyard.cli.context import App
from runyard.cli.ls import ON_HOSTS
from runyard.cli.options import as_json
from runyard.cli.render.grid import Column, Grid, Row
from runyard.cli.render.json import plain
from runyard.cli.render.text import counted, harmless, label, memory
from runyard.model.filter import JobQuery
from runyard.model.host import Device, DeviceProcess, Host
from runyard.model.withheld import why_withheld

COLUMNS = (
    Column("HOST"), Column("GPU", right=True), Column("MODEL", flexible=True), Column("USED", right=True),
    Column("TOTAL", right=True), Column("UTIL", right=True), Column("STATE"), Column("JOB"), Column("USER"),
    Column("PID", right=True), Column("MEMORY", right=True), Column("COMMAND", flexible=True, optional=True),
)  # fmt: skip


@click.command("gpus")
@as_json
@click.pass_obj
def gpus(app: App) -> int:
    """Every GPU and who uses it.

    For each device its memory and load, and its job, its foreign process, or that it is free. A foreign process was
    not started by Runyard; while it is there the device is not given out. Neither is one that is withheld: its memory
    is in use, and nobody is to be seen on it.

    \b
    Examples:
      ry gpus
      ry gpus --json
    """
    hosts = app.service().hosts()
    jobs = app.service().jobs(JobQuery(selectors=(ON_HOSTS,)))
    holders, foreign_mb = holding(jobs), app.settings.foreign_mb
    all_seen = [
        Seen(host, device, holders.get((host.name, device.index), ()), foreign_mb)
        for host in hosts
        for device in host.devices
    ]
    if app.output.as_json:
        app.output.json([record(seen) for seen in all_seen])
        return 0
    rows = [row for seen in all_seen for row in _rows(seen)]
    if rows or not app.output.terminal:
        app.output.grid(Grid(COLUMNS, tuple(rows)))
    for host in hosts:
        if host.problem:
            app.output.note(f"{host.name}: the driver of its GPUs says: {harmless(host.problem)}")
        if not host.devices:
            app.output.note(f"{host.name}: no GPU, {counted(host.cpus, 'cpu')}, {memory(host.memory_mb)} of memory")
    if not hosts:
        app.output.note("no host has reported yet")
    return 0


def holding(jobs: Sequence[JobRow]) -> dict[tuple[str, int], list[JobRow]]:
    """Which jobs hold which device."""
    holders: dict[tuple[str, int], list[JobRow]] = {}
    for job in jobs:
        for index in job.gpus:
            holders.setdefault((job.host, index), []).append(job)
    return holders


class Seen(NamedTuple):
    """A device and the jobs that hold it."""

    host: Host
    device: Device
    jobs: Sequence[JobRow]
    foreign_mb: int

    @property
    def state(self) -> str:
        """What it is, in a word."""
        device = self.device
        if device.fault:
            return "fault"
        if any(not process.attempt and not process.draws for process in device.processes):
            return "foreign"
        if self.jobs or any(process.attempt for process in device.processes):
            return "job"
        return "withheld" if why_withheld(device, False, (), self.foreign_mb) else "free"


def record(seen: Seen) -> dict[str, object]:
    """A device for `--json`."""
    return {
        "host": seen.host.name,
        **plain(seen.device),
        "state": seen.state,
        "jobs": [job.id for job in seen.jobs],
        "looked_at": seen.host.looked_at,
    }


def _rows(seen: Seen) -> Iterator[Row]:
    """A line for each process or job on a device; the device itself is told once."""
    host, device, word = seen.host, seen.device, seen.state
    look = {"free": "ok", "fault": "fail", "foreign": "warn", "withheld": "warn"}.get(word, "running")
    busy = "" if device.utilization is None else f"{device.utilization}%"
    head = (
        harmless(host.name), str(device.index), harmless(device.model), memory(device.used_mb),
        memory(device.memory_mb), busy,
    )  # fmt: skip
    blank = (head[0], head[1], "", "", "", "")
    told = list(_sitting(device, seen.jobs))
    if device.fault or not told:
        told.insert(0, (f"{word}: {harmless(device.fault)}" if device.fault else word, ("",) * 5))
    for place, (what, cells) in enumerate(told):
        yield Row((*(blank if place else head), what, *cells), look)


def _sitting(device: Device, jobs: Sequence[JobRow]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """State, and job, user, pid, memory, command of each who sits on the device."""
    seen = set()
    by_id = {job.id: job for job in jobs}
    for process in device.processes:
        job_id = int(process.attempt.partition(".")[0]) if process.attempt else 0
        seen.add(job_id)
        word = "job" if job_id else "desktop" if process.draws else "foreign"
        yield word, _process(process, by_id.get(job_id))
    for job in jobs:
        if job.id not in seen:
            yield "job", (f"{job.id} ({label(job)})", harmless(job.user), str(job.pid or ""), "", "")


def _process(process: DeviceProcess, job: JobRow | None) -> tuple[str, ...]:
    name = f"{job.id} ({label(job)})" if job else process.attempt
    return name, harmless(process.user), str(process.pid), memory(process.memory_mb), harmless(process.command)

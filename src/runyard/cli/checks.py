"""What `doctor` looks at. Each check takes what was seen and gives a verdict with advice; none changes anything."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from runyard.api import ServerStatus
from runyard.cli.render.text import counted, memory, span
from runyard.foreign.filesystem import is_below
from runyard.model.host import Agent, Host
from runyard.settings import Home, Settings

OK, WARN, FAIL = "ok", "warn", "fail"
SILENT_S = 90.0
LITTLE_MB = 1_024
"""With less free space than this the disk will be full soon."""
AHEAD_S = 5.0
"""A time that lies further in the future than this was written by another clock."""
PRIVATE = 0o700
CLEANED = ("/tmp", "/var/tmp")
"""What systemd-tmpfiles and its like remove from when it has not been used for a while."""


@dataclass(frozen=True)
class Verdict:
    """One line of doctor: `verdict` is ok, warn or fail; `advice` says what to do about it."""

    check: str
    verdict: str
    message: str
    advice: str = ""


@dataclass(frozen=True)
class Seen:
    """What there is to look at. `status` is None where no server answers, `holder` the pid of one that holds the home
    all the same; `newest_at` is when the last job came.

    `linger` is what systemd says about keeping this user's processes after a logout ("yes", "no", "" for no systemd),
    `installed` what starts the server with the machine.
    """

    settings: Settings
    home: Home
    now: float
    version: str
    free_mb: int
    on_network: bool
    uid: int
    linger: str = ""
    installed: str = ""
    nvidia: bool = False
    status: ServerStatus | None = None
    hosts: tuple[Host, ...] = ()
    newest_at: float | None = None
    holder: int | None = None


def all_of(seen: Seen) -> Iterator[Verdict]:
    """Every check, in the order in which things depend on each other."""
    yield home(seen)
    yield from cleaned(seen)
    yield space(seen)
    yield server(seen)
    if seen.status is not None:
        for problem in seen.status.problems:
            yield Verdict("server", FAIL, problem, "see `ry server logs`")
        yield from agents(seen, seen.status)
        yield from limits(seen)
        yield gpus(seen)
        yield clock(seen, seen.status)
    yield boot(seen)
    yield from lingering(seen)


def boot(seen: Seen) -> Verdict:
    """A server that is there after a restart."""
    if seen.installed:
        return Verdict("boot", OK, f"{seen.installed} starts the server with the machine")
    return Verdict(
        "boot", OK, "nothing starts the server with the machine", "`ry server install` does; else the next command does"
    )


def home(seen: Seen) -> Verdict:
    """It is ours alone, and what must be local is."""
    path = seen.settings.home
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return Verdict("home", OK, f"{path} will be made by the first server")
    if found.st_uid != seen.uid:
        return Verdict(
            "home", FAIL, f"{path} belongs to uid {found.st_uid}", "set RUNYARD_HOME to a directory of yours"
        )
    mode = stat.S_IMODE(found.st_mode)
    if mode & ~PRIVATE:
        return Verdict("home", FAIL, f"{path} is open to others (mode {mode:o})", f"chmod 700 {path}")
    if seen.on_network:
        local = seen.home.local or seen.home.root
        return Verdict("home", OK, f"{path} is on a network file system; database and sockets are in {local}")
    return Verdict("home", OK, path)


def cleaned(seen: Seen) -> Iterator[Verdict]:
    """Nothing removes our database for its age. (Whoever chose such a home knows that.)"""
    place = os.path.dirname(os.path.dirname(seen.home.database))
    below = next((directory for directory in CLEANED if is_below(place, directory)), "")
    if seen.on_network and below:
        yield Verdict(
            "home",
            WARN,
            f"database and sockets lie below {below}, from which systemd-tmpfiles removes what is not used for a while",
            f"have a line `x {place}` put into /etc/tmpfiles.d/runyard.conf, or set RUNYARD_HOME to a directory on a"
            " disk of this machine",
        )


def space(seen: Seen) -> Verdict:
    """Jobs can be accepted, and their output written."""
    free = f"{memory(seen.free_mb)} free"
    if seen.free_mb < seen.settings.min_free_mb:
        return Verdict("space", FAIL, f"{free}: no new job is accepted", "make room; `ry clean` collects old output")
    if seen.free_mb < LITTLE_MB:
        return Verdict("space", WARN, free, "make room; `ry clean` collects old output")
    return Verdict("space", OK, free)


def server(seen: Seen) -> Verdict:
    """It runs, in this version."""
    if seen.status is None and seen.holder is not None:
        message = f"pid {seen.holder} holds this home, but does not answer at {seen.home.server_socket}"
        advice = f"if that lasts: `kill {seen.holder}`; jobs run on, and the next `ry` command starts another server"
        return Verdict("server", FAIL, message, advice)
    if seen.status is None:
        return Verdict("server", WARN, "none runs", "the next `ry submit` starts one, or `ry server start`")
    told = f"pid {seen.status.pid}, version {seen.status.version}"
    if seen.status.version != seen.version:
        return Verdict(
            "server", WARN, f"{told}, but this command is version {seen.version}", "`ry server stop`; jobs run on"
        )
    return Verdict("server", OK, told)


def agents(seen: Seen, status: ServerStatus) -> Iterator[Verdict]:
    """They beat, in this version, and know of nothing that the yard does not know."""
    if not status.agents:
        yield Verdict("agent", FAIL, "none has come yet: nothing can start", "see `ry server logs --of agent`")
    for agent in status.agents:
        yield _agent(agent, seen)
        if agent.unknown:
            jobs = ", ".join(agent.unknown)
            yield Verdict("agent", WARN, f"runs what this yard does not know: {jobs}", "its devices are not given out")


def _agent(agent: Agent, seen: Seen) -> Verdict:
    told = f"{agent.id}, pid {agent.pid}, version {agent.version}"
    age = seen.now - agent.last_beat_at
    if age > SILENT_S:
        advice = "`ry server stop`, then `ry server start`; see `ry server logs --of agent`"
        return Verdict("agent", FAIL, f"{told}: silent for {span(age)}", advice)
    if agent.version != seen.version:
        return Verdict("agent", WARN, f"{told}, but this command is version {seen.version}", "`ry server stop`")
    return Verdict("agent", OK, told)


def limits(seen: Seen) -> Iterator[Verdict]:
    """How CPUs and memory are kept to."""
    for host in seen.hosts:
        told = f"{host.name}: {counted(host.cpus, 'cpu')}, {memory(host.memory_mb)}; {host.limits or 'accounted'}"
        if not host.limits or host.limits.startswith("accounted"):
            advice = "-c and --mem are counted, not enforced: no cgroup may be made here (systemd: Delegate=yes)"
            yield Verdict("limits", WARN, told, advice)
        else:
            yield Verdict("limits", OK, told)


def gpus(seen: Seen) -> Verdict:
    """The devices are seen and usable."""
    devices = [(host, device) for host in seen.hosts for device in host.devices]
    faults = [f"{host.name} {device.index}: {device.fault}" for host, device in devices if device.fault]
    if faults:
        return Verdict("gpus", FAIL, "; ".join(faults), "nvidia-smi tells more; the others are used")
    if problems := [f"{host.name}: {host.problem}" for host in seen.hosts if host.problem]:
        return Verdict("gpus", FAIL, "; ".join(problems), "nvidia-smi tells more")
    if not devices and seen.nvidia:
        return Verdict("gpus", WARN, "there is a driver, but NVML shows no device", "does nvidia-smi work?")
    return Verdict("gpus", OK, counted(len(devices), "device") if devices else "none; jobs get CPUs")


def clock(seen: Seen, status: ServerStatus) -> Verdict:
    """The database was not written in the future."""
    ahead = max(status.started_at, seen.newest_at or 0.0) - seen.now
    if ahead > AHEAD_S:
        message = f"the database has times {span(ahead)} ahead of this clock"
        return Verdict(
            "clock", WARN, message, "set the clock; times shown are wrong until then, the order of jobs is not"
        )
    return Verdict("clock", OK, "agrees with the database")


def lingering(seen: Seen) -> Iterator[Verdict]:
    """A logout does not end us."""
    if seen.linger == "no":
        advice = "`loginctl enable-linger` keeps server and jobs after you log out"
        yield Verdict("logout", WARN, "systemd may end everything of yours when you log out", advice)
    elif seen.linger:
        yield Verdict("logout", OK, "lingering is on: everything stays when you log out")

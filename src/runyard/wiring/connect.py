"""The way to a yard's Service: its server is found, or started. For the command line and `runyard.connect()`."""

from __future__ import annotations

import os
import select
import sys
import time
from importlib import import_module

from runyard.api import Service
from runyard.client.duplex import Duplex
from runyard.client.remote import RemoteService
from runyard.client.transport import UnixTransport
from runyard.errors import Unavailable
from runyard.foreign import sockets
from runyard.settings import Home, Settings
from runyard.wiring.home import READY, TAKEN, home_at, pid_of, server_lock

START_S = 30.0
LOOK_S = 0.02


def home(settings: Settings) -> Home:
    """Where this yard keeps its files."""
    return home_at(settings.home)


def connect(settings: Settings) -> Service:
    """The verbs of the yard; a server is started if none runs, and another if that one is just being ended."""
    end = time.monotonic() + START_S
    while True:
        service = reach(settings)
        if service is not None:
            return service
        start_server(settings)
        if time.monotonic() >= end:
            raise Unavailable(f"servers of {home(settings).root} end as soon as they are started; see their log")
        time.sleep(LOOK_S)


def reach(settings: Settings) -> Service | None:
    """The verbs if a server answers at once; starts nothing."""
    path = home(settings).server_socket
    transport = UnixTransport(path)
    try:
        transport.open()
    except Unavailable:
        return None
    return RemoteService(transport)


def stream(service: Service, ticket: str) -> Duplex:
    """Our end of the stream with this ticket, through the server behind this service."""
    assert isinstance(service, RemoteService)
    return Duplex(service.dial, ticket)


def start_server(settings: Settings, accept_older_store: bool = False) -> int:
    """Start the server as a daemon and wait until it answers; its pid. One that runs already is left alone.

    One that holds the home and does not answer is starting, or ending: then the next one is ours to start.
    """
    place = home(settings)
    end = time.monotonic() + START_S
    while True:
        holder = server_pid(place)
        if holder is not None and _answers(place):
            return holder
        if holder is None and _launch(place, accept_older_store, end):
            return server_pid(place) or 0
        if time.monotonic() >= end:
            raise Unavailable(_silent(place, holder))
        time.sleep(LOOK_S)


def server_pid(place: Home) -> int | None:
    """The pid of the server that holds this home, if one does."""
    return pid_of(server_lock(place))


def _launch(place: Home, accept_older_store: bool, end: float) -> bool:
    """Start a server: whether it answers. False if another one holds the home; Unavailable if it has failed."""
    read, write = os.pipe()
    os.set_inheritable(write, True)
    argv = [sys.executable, "-m", "runyard.wiring.server", "--ready-fd", str(write)]
    argv += ["--accept-older-store"] if accept_older_store else []
    log = place.log("server")
    before = os.path.getsize(log) if os.path.exists(log) else 0
    try:
        try:
            spawn = import_module("runyard.foreign.daemon").spawn  # it takes longer to load than a call to a server
            pid = spawn(argv, log, {**os.environ, "RUNYARD_HOME": place.root}, (write,))
        finally:
            os.close(write)
        if not select.select([read], [], [], max(0.0, end - time.monotonic()))[0]:
            raise Unavailable(_silent(place, pid))
        told = os.read(read, 1)
        if told == TAKEN:
            select.select([read], [], [], max(0.0, end - time.monotonic()))  # until it has ended
    finally:
        os.close(read)
    if told in (READY, TAKEN):
        return told == READY
    last = _last_line(log, before)
    raise Unavailable(f"the server did not start{': ' + last if last else ''} (its log: {log})")


def _answers(place: Home) -> bool:
    try:
        sockets.connect(place.server_socket).close()
    except OSError:
        return False
    return True


def _silent(place: Home, pid: int | None) -> str:
    who = f"the server (pid {pid})" if pid else "a server"
    return (
        f"{who} holds {place.root} but does not answer at {place.server_socket} after {START_S:.0f} s; its log:"
        f" {place.log('server')}. If it hangs, end it with `kill`: jobs run on, and the next command starts another"
    )


def _last_line(path: str, offset: int) -> str:
    """The last line that was written after this offset."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            file.seek(offset if os.path.getsize(path) >= offset else 0)
            return ([""] + [line.strip() for line in file if line.strip()])[-1]
    except OSError:
        return ""

"""The way to a yard's Service: its server is found, or started. For the command line and `runyard.connect()`."""

from __future__ import annotations

import os
import select
import sys
import time
from contextlib import suppress

from runyard.api import Service
from runyard.client.remote import RemoteService
from runyard.client.transport import UnixTransport
from runyard.client.transport import connect as connect_socket
from runyard.errors import Unavailable
from runyard.foreign.daemon import spawn
from runyard.settings import Home, Settings
from runyard.wiring.home import home_at, pid_of, server_lock

START_S = 30.0
LOOK_S = 0.02


def home(settings: Settings) -> Home:
    """Where this yard keeps its files."""
    return home_at(settings.home)


def connect(settings: Settings) -> Service:
    """The verbs of the yard; a server is started if none runs."""
    service = reach(settings)
    if service is None:
        start_server(settings)
        service = RemoteService(UnixTransport(home(settings).server_socket))
    return service


def reach(settings: Settings) -> Service | None:
    """The verbs if a server answers at once; starts nothing."""
    path = home(settings).server_socket
    transport = UnixTransport(path)
    try:
        transport.open()
    except Unavailable:
        return None
    return RemoteService(transport)


def start_server(settings: Settings, accept_older_store: bool = False) -> int:
    """Start the server as a daemon and wait until it answers; its pid. One that runs already is left alone."""
    place = home(settings)
    if server_pid(place) is None:
        read, write = os.pipe()
        os.set_inheritable(write, True)
        argv = [sys.executable, "-m", "runyard.wiring.server", "--ready-fd", str(write)]
        argv += ["--accept-older-store"] if accept_older_store else []
        spawn(argv, place.log("server"), {**os.environ, "RUNYARD_HOME": place.root}, (write,))
        os.close(write)
        ready, _, _ = select.select([read], [], [], START_S)
        told = os.read(read, 1) if ready else b""
        os.close(read)
        if told:
            return server_pid(place) or 0
    return _wait_for_server(place)


def server_pid(place: Home) -> int | None:
    """The pid of the server that holds this home, if one does."""
    return pid_of(server_lock(place))


def _wait_for_server(place: Home) -> int:
    """Another process is starting it, or it has failed: whichever shows first."""
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        pid = server_pid(place)
        if pid is None:
            break
        with suppress(Unavailable):
            connect_socket(place.server_socket).close()
            return pid
        time.sleep(LOOK_S)
    told = _last_line(place.log("server"))
    raise Unavailable(f"the server did not start{': ' + told if told else ''} (its log: {place.log('server')})")


def _last_line(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return ([""] + [line.strip() for line in file if line.strip()])[-1]
    except OSError:
        return ""

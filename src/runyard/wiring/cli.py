"""What the command line and `runyard.connect()` need: a Service, and a server to start, stop or be."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress

from runyard.client.remote import RemoteService
from runyard.client.transport import UnixTransport, connect
from runyard.errors import TimedOut, Unavailable
from runyard.foreign.daemon import spawn
from runyard.settings import Home
from runyard.wiring.home import server_lock

START_S = 30.0
STOP_S = 15.0


def service(home: Home, start: bool = True, environ: Mapping[str, str] = os.environ) -> RemoteService:
    """The verbs of the yard at this home; a server is started if none runs (and `start`)."""
    try:
        connect(home.server_socket).close()
    except Unavailable:
        if not start:
            raise
        start_server(home, environ)
    return RemoteService(UnixTransport(home.server_socket))


def start_server(home: Home, environ: Mapping[str, str], accept_older_store: bool = False) -> int:
    """Start the server as a daemon and wait until it answers; its pid. One that runs already is left alone."""
    holder = server_pid(home)
    if holder is None:
        read, write = os.pipe()
        os.set_inheritable(write, True)
        argv = [sys.executable, "-m", "runyard.wiring.server", "--ready-fd", str(write)]
        argv += ["--accept-older-store"] if accept_older_store else []
        spawn(argv, home.log("server"), {**environ, "RUNYARD_HOME": home.root}, (write,))
        os.close(write)
        ready, _, _ = select.select([read], [], [], START_S)
        told = os.read(read, 1) if ready else b""
        os.close(read)
        if told:
            return server_pid(home) or 0
    return _wait_for_server(home)


def _wait_for_server(home: Home) -> int:
    """Another process is starting it, or it has failed: whichever shows first."""
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        pid = server_pid(home)
        if pid is None:
            break
        with suppress(Unavailable):
            connect(home.server_socket).close()
            return pid
        time.sleep(0.02)
    raise Unavailable(
        f"the server did not start; its log is {home.log('server')}\n{_last_lines(home.log('server'))}".rstrip()
    )


def stop_server(home: Home) -> bool:
    """End the server and its agent; jobs run on. False if none ran."""
    pid = server_pid(home)
    if pid is None:
        return False
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            if server_pid(home) == pid:
                signal.pidfd_send_signal(descriptor, signal.SIGTERM)
            if not select.select([descriptor], [], [], STOP_S)[0]:
                raise TimedOut(f"the server (pid {pid}) has not ended after {STOP_S:.0f} s; its log says why")
        finally:
            os.close(descriptor)
    return True


def server_pid(home: Home) -> int | None:
    """The pid of the server that holds this home, if one does."""
    holder = server_lock(home).holder()
    pid = holder.get("pid") if holder else None
    return pid if isinstance(pid, int) else None


def run_server(home: Home, environ: Mapping[str, str]) -> None:
    """Become the server, in the foreground."""
    os.execve(sys.executable, [sys.executable, "-m", "runyard.wiring.server"], {**environ, "RUNYARD_HOME": home.root})


def _last_lines(path: str, most: int = 5) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-most:])
    except OSError:
        return ""

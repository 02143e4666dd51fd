"""What the command line needs beyond `connect`: a server to stop, or to be. This module is its `context.Wiring`."""

from __future__ import annotations

import os
import pwd
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

from runyard.errors import NotAllowed, TimedOut
from runyard.settings import Settings
from runyard.wiring.connect import connect as connect
from runyard.wiring.connect import home as home
from runyard.wiring.connect import reach as reach
from runyard.wiring.connect import server_pid
from runyard.wiring.connect import start_server as start_server
from runyard.wiring.connect import stream as stream

if TYPE_CHECKING:
    from runyard.wiring.far import Far

STOP_S = 15.0


def far(settings: Settings, tell: Callable[[str], None], asks: bool) -> Far:
    """The yard of another machine; only who wants one loads what it takes."""
    made: Far = import_module("runyard.wiring.far").Far(settings, tell, asks)
    return made


def stop_server(settings: Settings, account: str = "") -> bool:
    """End the server and its agent; jobs run on. False if none ran.

    It is that of `account` ("": of whoever has the home), who could write any pid into the home's lock.
    """
    place = home(settings)
    pid = server_pid(place)
    if pid is None:
        return False
    whose = pwd.getpwnam(account).pw_uid if account else os.stat(place.root).st_uid
    with suppress(ProcessLookupError, FileNotFoundError):
        descriptor = os.pidfd_open(pid)
        try:
            if server_pid(place) == pid:
                if os.stat(f"/proc/{pid}").st_uid != whose:
                    raise NotAllowed(f"{place.server_lock} names pid {pid}, a process of another account: not ended")
                signal.pidfd_send_signal(descriptor, signal.SIGTERM)
            if not select.select([descriptor], [], [], STOP_S)[0]:
                raise TimedOut(f"the server (pid {pid}) has not ended after {STOP_S:.0f} s; its log says why")
        finally:
            os.close(descriptor)
    return True


def run_server(settings: Settings) -> None:
    """Become the server, in the foreground."""
    environ = {**os.environ, "RUNYARD_HOME": home(settings).root}
    os.execve(sys.executable, [sys.executable, "-m", "runyard.wiring.server"], environ)

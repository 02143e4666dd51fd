"""The line below the prompt of `ry shell`: what runs and waits, how many GPUs are free, whose yard it is.

A thread of its own waits for the server to say that something has changed; nothing is asked while nothing changes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from runyard.api import JobRow, ServerStatus
from runyard.cli.context import App
from runyard.cli.gpus import Seen, holding
from runyard.cli.ls import ON_HOSTS
from runyard.cli.render.text import counted, harmless
from runyard.errors import RunyardError
from runyard.model.filter import JobQuery
from runyard.model.host import Host

if TYPE_CHECKING:
    from runyard.api import Service

TOPICS = ("jobs", "hosts")
CALL_S = 25.0
"""How long one call waits in the server."""
AGAIN_S = 0.5
"""The line changes at most this often, however much happens."""
AWAY_S = 2.0
"""How often a server that is away is looked for."""


class StatusLine:
    """`text` is the line as it stands; `changed` is called, in another thread, when it is another one.

    `connect` gives a call of the command whose service nobody else uses.
    """

    def __init__(self, connect: Callable[[], App], changed: Callable[[], None]) -> None:
        self.text = ""
        self._connect = connect
        self._changed = changed
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="status line", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Say nothing more. (A call that waits in the server is left alone: the thread ends with the process.)"""
        self._over.set()

    def _run(self) -> None:
        while not self._over.is_set():
            away = "no server runs"
            try:
                app = self._connect()
                away = f"no connection to {harmless(app.settings.host)}" if app.settings.is_far else away
                service = app.watch()
                if service is not None:
                    self._watch(app, service)
            except (RunyardError, OSError):
                pass  # the verbs say what is wrong
            self._say(away)
            self._over.wait(AWAY_S)

    def _watch(self, app: App, service: Service) -> None:
        """Until the server goes away, or another yard is used."""
        position = 0
        while not self._over.is_set():
            position = service.changed(TOPICS, position, CALL_S)
            told = line(service.status(), service.hosts(), service.jobs(JobQuery(selectors=(ON_HOSTS,))), app)
            self._say(told)
            self._over.wait(AGAIN_S)

    def _say(self, text: str) -> None:
        if text != self.text and not self._over.is_set():
            self.text = text
            self._changed()


def line(seen: ServerStatus, hosts: Sequence[Host], jobs: Sequence[JobRow], app: App) -> str:
    """The state of a yard in a line."""
    holders = holding(jobs)
    states = [
        Seen(host, device, holders.get((host.name, device.index), ()), app.settings.foreign_mb).state
        for host in hosts
        for device in host.devices
    ]
    parts = [
        f"{len(seen.running)} running",
        f"{seen.waiting} waiting",
        f"{states.count('free')} of {counted(len(states), 'gpu')} free" if states else "no gpu",
        *(["draining"] if seen.draining else []),
        *([f"paused: {', '.join(seen.paused)}"] if seen.paused else []),
        *([counted(len(seen.problems), "problem") + ": server status"] if seen.problems else []),
        f"server {seen.version}",
    ]
    return " · ".join(parts)

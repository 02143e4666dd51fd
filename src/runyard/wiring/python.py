"""`runyard.connect()`: the public Python API, over the client of the command line."""

from __future__ import annotations

import os
import time
from importlib import import_module
from typing import TYPE_CHECKING

from runyard.api import Service
from runyard.client.handle import Yard
from runyard.config import load
from runyard.settings import Settings
from runyard.submitting.ground import here_of
from runyard.submitting.maker import Maker
from runyard.wiring.connect import connect as connect_service

if TYPE_CHECKING:
    from runyard.submitting.far import Far


def connect(home: str = "", host: str = "") -> Yard:
    """The yard at `home` (default: RUNYARD_HOME, else ~/.runyard). Starts its server if none runs.

    `host` is another machine, reached by ssh as `ry --host` does; `home` is the yard's home there then. A machine that
    `ry use` remembers does not count here. Unavailable if it fails; what then helps is in the message.
    """
    flags = {"host": host, "far_home": home} if host else {"home": home}
    settings = load(os.environ, {name: value for name, value in flags.items() if value})
    service, far = _reached(settings)
    maker = Maker(service, lambda: here_of(os.environ, time.time(), settings, far))
    return Yard(service, maker, settings.home)


def _reached(settings: Settings) -> tuple[Service, Far | None]:
    """The verbs, and the machine that jobs are submitted to where it is another one."""
    if not settings.is_far:
        return connect_service(settings), None
    way = import_module("runyard.wiring.far").Far(settings, lambda text: None, False)
    service: Service = way.connect()
    return service, way.ground(service)

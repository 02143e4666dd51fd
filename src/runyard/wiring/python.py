"""`runyard.connect()`: the public Python API on the same client and the same builder of specs as the command line."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from runyard.api import Service, Submission
from runyard.client.handle import Command, Yard
from runyard.config import load
from runyard.submitting.build import Builder, Request
from runyard.submitting.fields import Here
from runyard.wiring.connect import connect as connect_service


def connect(home: str = "") -> Yard:
    """The yard at `home` (default: RUNYARD_HOME, else ~/.runyard). Starts its server if none runs.

    Unavailable if that fails; what then helps is in the message.
    """
    settings = load(os.environ, {"home": home} if home else {})

    def prepare(service: Service, command: Command, options: Mapping[str, Any]) -> Submission:
        here = Here(os.environ, os.getcwd(), time.time(), settings.environment_max_kb)
        words = (command,) if isinstance(command, str) else tuple(command)
        named = {name.replace("_", "-"): value for name, value in options.items()}
        return Builder(service, here).submission(Request(words, not isinstance(command, str), named))

    return Yard(connect_service(settings), prepare)

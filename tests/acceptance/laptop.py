"""Somebody who types on a laptop, and whose yard is that of another machine, behind a real sshd.

The yard there is the one of all tests here; the laptop has a home of its own, and variables that must not travel.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from runyard.settings import Home
from tests.acceptance.typist import Typist
from tests.harness import processes
from tests.harness.commands import BIN
from tests.harness.sshd import Sshd
from tests.harness.yard import Ended, Yard

ONLY_HERE = {"ONLY_HERE": "yes"}


class Laptop(Typist):
    """Calls `ry` with a home of its own, and an `ssh` that knows the machine `gpu1`."""

    def __init__(self, yard: Yard, machine: Sshd, directory: Path) -> None:
        super().__init__(yard, directory)
        self.machine = machine
        self.home = Home(str(directory / "laptop"))
        here = {"HOME": str(directory), "LANG": "C.UTF-8", "PATH": yard.environ["PATH"], "RUNYARD_HOME": self.home.root}
        self.environ = machine.environ({**here, **ONLY_HERE})

    def far(self, *words: str, **more: Any) -> Ended:
        """Type `ry --host gpu1 ...` into a pipe."""
        return self("--host", "gpu1", *words, **more)

    def far_ok(self, *words: str, **more: Any) -> str:
        """What it prints; it has to succeed."""
        return self.ok("--host", "gpu1", *words, **more)

    def masters(self) -> list[int]:
        """The processes of ssh that hold a connection of this laptop."""
        pids = []
        for note in Path(self.home.far).glob("*/landing.json"):
            with suppress(FileNotFoundError):
                pids.append(int(json.loads(note.read_text())["holder"]["pid"]))
        return [pid for pid in pids if processes.name(pid) == "ssh"]

    def end(self) -> None:
        """Leave nothing running."""
        for pid in self.masters():
            processes.kill(pid)
        processes.end_all(self.home.root)


def profile(yard: Yard) -> str:
    """What a login shell over there reads."""
    return f"export PATH='{BIN}':/usr/bin:/bin RUNYARD_HOME='{yard.home.root}' FROM_LOGIN=yes\nunset ONLY_HERE"

"""Our unit for systemd: its text, where it lies, and the few calls to systemctl and loginctl that go with it.

The text is pure; its second line is a mark of the rest, by which a unit that somebody has changed is known.
"""

from __future__ import annotations

import hashlib
import os
from typing import Optional

from runyard.errors import InvalidSpec
from runyard.foreign.command import Completed, run
from runyard.model.record import dataclass

BOOTED = "/run/systemd/system"
SYSTEM_UNITS = "/etc/systemd/system"
CALL_S = 60.0

WRITTEN = "# Written by `ry server install`; `ry server uninstall` removes it."
MARK = "# unchanged: "


@dataclass(frozen=True)
class Service:
    """What is to be started at boot. `account` "" is the caller's own, by a unit of that user."""

    home: str
    python: str
    name: str = "runyard"
    account: str = ""

    @property
    def file(self) -> str:
        return f"{self.name}.service"

    @property
    def scope(self) -> tuple[str, ...]:
        """What systemctl is told of whose unit it is."""
        return () if self.account else ("--user",)


def service_name(home: str, default_home: str) -> str:
    """A name of its own for each home."""
    if os.path.realpath(home) == os.path.realpath(default_home):
        return "runyard"
    return f"runyard-{hashlib.sha256(os.fsencode(home)).hexdigest()[:8]}"


def unit(service: Service) -> str:
    """The unit. The server is ended alone (its jobs, agent and runners are not), and may make control groups."""
    lines = [
        "[Unit]",
        f"Description=Runyard, the job queue at {_plain(service.home)}",
        *(["After=network.target local-fs.target"] if service.account else []),
        "StartLimitIntervalSec=300",
        "StartLimitBurst=10",
        "",
        "[Service]",
        "Type=exec",
        f"ExecStart={_quoted(service.python, command=True)} -m runyard.wiring.server",
        f"Environment={_quoted('RUNYARD_HOME=' + service.home)}",
        *([f"User={service.account}"] if service.account else []),
        "WorkingDirectory=/",
        "UMask=0077",
        "Restart=on-failure",
        "RestartSec=5",
        "KillMode=process",
        "Delegate=yes",
        "",
        "[Install]",
        f"WantedBy={'multi-user' if service.account else 'default'}.target",
        "",
    ]
    body = "\n".join(lines)
    return f"{WRITTEN}\n{MARK}{_mark(body)}\n{body}"


def is_ours(text: str) -> Optional[bool]:
    """Whether a unit is as we wrote it; None if we did not write it at all."""
    first, _, rest = text.partition("\n")
    second, _, body = rest.partition("\n")
    if first != WRITTEN or not second.startswith(MARK):
        return None
    return second == MARK + _mark(body)


def unit_path(service: Service, config_home: str) -> str:
    """Where it lies. `config_home` is the user's (~/.config)."""
    directory = SYSTEM_UNITS if service.account else os.path.join(config_home, "systemd", "user")
    return os.path.join(directory, service.file)


def systemctl(service: Service, *words: str) -> Completed:
    """Call systemctl for this unit's manager; CommandError with what it says."""
    return run(["systemctl", *service.scope, *words], CALL_S).required()


def enable_linger(user: str) -> None:
    """Have this user's units run from boot on, and after a logout."""
    run(["loginctl", "enable-linger", "--", user], CALL_S).required()


def _mark(body: str) -> str:
    return hashlib.sha256(body.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _quoted(text: str, command: bool = False) -> str:
    """A word of a unit: its quotes, specifiers and (of a command) variables kept from meaning anything."""
    if not text.isprintable():
        raise InvalidSpec(f"{text!r} holds a character that a unit of systemd cannot", "home")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped.replace("$", "$$") if command else escaped}"'


def _plain(text: str) -> str:
    return text.replace("%", "%%")

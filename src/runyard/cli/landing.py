"""What somebody who logs in from another machine finds here (`server door`)."""

from __future__ import annotations

import json
import os
import pwd
import zlib
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from runyard.api import PROTOCOL
from runyard.errors import NotAllowed
from runyard.model.landing import Landing
from runyard.settings import Home, Settings
from runyard.submitting import environment

if TYPE_CHECKING:
    from runyard.api import Service

ADDRESS_MAX = 100
"""The longest path of a socket that sshd can be told: an address holds 108 bytes."""

SHORT = "/tmp/runyard-{uid}"
"""Below this a socket with a longer path gets a short one."""

OF_A_LOGIN = ("SSH_",)
"""Variables that end with the login."""


def landing(service: Service, environ: Mapping[str, str], home: Home, settings: Settings) -> Landing:
    """Where the server listens, and what a login shell has; its variables are kept as a blob."""
    kept = {name: value for name, value in environment.captured(environ).items() if not name.startswith(OF_A_LOGIN)}
    blob = json.dumps(kept, sort_keys=True, separators=(",", ":")).encode("ascii")
    return Landing(
        protocol=PROTOCOL,
        version=getattr(import_module("runyard"), "__version__", ""),
        socket=_reachable(home.server_socket),
        home=home.root,
        user=pwd.getpwuid(os.getuid()).pw_name,
        cwd=os.getcwd(),
        environment=service.put_blob(blob),
        defaults=json.dumps(dict(settings.defaults)),
        public_prefixes=settings.public_prefixes,
    )


def _reachable(socket: str) -> str:
    """A path to the socket that fits into an address: through a link in a directory of our own, if need be."""
    if len(os.fsencode(socket)) <= ADDRESS_MAX:
        return socket
    directory, name = os.path.split(socket)
    own = SHORT.format(uid=os.getuid())
    os.makedirs(own, mode=0o700, exist_ok=True)
    seen = os.lstat(own)
    if seen.st_uid != os.getuid() or seen.st_mode & 0o777 != 0o700 or os.path.islink(own):
        raise NotAllowed(f"{own} is not a directory of this account alone; the path {socket} is too long without it")
    link = os.path.join(own, f"{zlib.crc32(os.fsencode(directory)):08x}")
    temporary = f"{link}.{os.getpid()}"
    os.symlink(directory, temporary)
    os.replace(temporary, link)
    return os.path.join(link, name)

"""The user's browser: opened on a page by the desktop's own opener, where there is a desktop to show it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping

from runyard.errors import InvalidSpec
from runyard.foreign.command import CommandError, run

OPEN_S = 10.0
OPENERS = ("xdg-open", "open") if sys.platform == "darwin" else ("xdg-open",)
REMOTE = ("SSH_CONNECTION", "SSH_TTY", "SSH_CLIENT")
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")


def has_desktop(environ: Mapping[str, str]) -> bool:
    """Whether a browser that is opened here is seen by who types: not over SSH, and not without a display."""
    if any(environ.get(name) for name in REMOTE):
        return False
    return sys.platform == "darwin" or any(environ.get(name) for name in DISPLAYS)


def show(address: str, environ: Mapping[str, str]) -> bool:
    """Open the page; False where nothing could."""
    if not address.startswith(("http://", "https://")):
        raise InvalidSpec(f"{address!r} is no page of the web")
    opener = next((found for name in OPENERS if (found := shutil.which(name, path=environ.get("PATH")))), None)
    if opener is None:
        return False
    try:
        return run((opener, address), OPEN_S, env=environ).returncode == 0
    except CommandError:
        return False

"""How our processes set the Python interpreter up when they start, and how the short ones leave it.

The defaults suit neither a server, in which a busy thread must not keep others waiting, nor anybody who makes a hundred
thousand records at once: the garbage collector would look through all of them again and again.
"""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn

SWITCH_S = 0.0005
"""How long a busy thread keeps others waiting. (Python's default is 5 ms.)"""

COLLECTED = (50_000, 20, 50)
"""Objects made before the youngest are looked through, and so on for the older ones (`gc.set_threshold`)."""


def tune() -> None:
    """Let threads change places quickly and collect garbage rarely; what is imported by now is never looked through."""
    sys.setswitchinterval(SWITCH_S)
    gc.set_threshold(*COLLECTED)
    gc.freeze()


def leave(code: int) -> NoReturn:
    """End this process, which has nothing to do but to write out what it has said. Taking the interpreter apart object
    by object would take a command longer than its work."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # nobody reads it; it is closed; there is none
            stream.flush()
    os._exit(code)

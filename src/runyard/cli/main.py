"""The entry point of `ry` and `runyard`. What it imports inside functions is paid for only by who needs it."""

from __future__ import annotations

import signal
import sys

from runyard.cli.app import root
from runyard.cli.context import App, Wiring
from runyard.cli.lazy import completes
from runyard.foreign import interpreter

TAB_S = 2
"""How long the Tab key waits for a server that does not answer."""


def main() -> None:
    """Run the command line and exit."""
    interpreter.tune()
    if completes():
        signal.alarm(TAB_S)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    try:
        root.main(obj=App(_wiring))
    except SystemExit as end:
        interpreter.leave(end.code if isinstance(end.code, int) else 0)


def _wiring() -> Wiring:
    from runyard.wiring import cli

    return cli


if __name__ == "__main__":
    main()

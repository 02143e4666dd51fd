"""The entry point of `ry` and `runyard`. What it imports inside functions is paid for only by who needs it."""

from __future__ import annotations

import sys

from runyard.cli.app import root
from runyard.cli.context import App, Wiring


def main() -> None:
    """Run the command line and exit."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    root.main(obj=App(_wiring))


def _wiring() -> Wiring:
    from runyard.wiring import cli

    return cli


if __name__ == "__main__":
    main()

"""The entry point of `ry` and `runyard`. What it imports inside functions is paid for only by who needs it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from runyard.cli.app import root
from runyard.cli.context import App
from runyard.errors import Unavailable
from runyard.settings import Home, Settings

if TYPE_CHECKING:
    from runyard.api import Service


def main() -> None:
    """Run the command line and exit."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    root.main(obj=App(Wired))


class Wired:
    """`context.Wiring` as the composition root has it."""

    def connect(self, settings: Settings) -> Service:
        from runyard.wiring import cli

        return cli.service(self.home(settings))

    def reach(self, settings: Settings) -> Service | None:
        from runyard.wiring import cli

        try:
            return cli.service(self.home(settings), start=False)
        except Unavailable:
            return None

    def start_server(self, settings: Settings) -> int:
        from runyard.wiring import cli

        return cli.start_server(self.home(settings), os.environ)

    def stop_server(self, settings: Settings) -> bool:
        from runyard.wiring import cli

        return cli.stop_server(self.home(settings))

    def run_server(self, settings: Settings) -> None:
        from runyard.wiring import cli

        cli.run_server(self.home(settings), os.environ)

    def home(self, settings: Settings) -> Home:
        from runyard.wiring.home import home_at

        return home_at(settings.home)


if __name__ == "__main__":
    main()

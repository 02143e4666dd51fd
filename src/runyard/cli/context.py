"""What every verb gets: the settings, the service, and where to print. Click carries it as `ctx.obj`."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from runyard import config
from runyard.cli.render.output import Output
from runyard.cli.render.text import one_line
from runyard.errors import RunyardError, StorageFull, UsageError
from runyard.settings import Home, Settings

if TYPE_CHECKING:
    from runyard.api import Service
    from runyard.client.duplex import Duplex
    from runyard.model.landing import Landing
    from runyard.submitting.far import Far as FarGround


class Far(Protocol):
    """The yard of another machine (`--host`)."""

    name: str

    def connect(self) -> Service:
        """The service; makes the connection, and starts a server there if none runs."""

    def reach(self) -> Service | None:
        """The service if the connection stands; makes none."""

    def watch(self) -> Service | None:
        """The same, and one that breaks stays broken: for what goes on beside the verbs, and asks nobody."""

    @property
    def socket(self) -> str:
        """Where its server is reached on this machine."""

    def ground(self, service: Service) -> FarGround:
        """That machine, as far as a submit looks at it."""

    def run_there(self, words: tuple[str, ...], terminal: bool) -> int:
        """Run `ry` with these words over there; its exit code."""

    def enter(self) -> Landing:
        """Log in anew; what was found there."""

    def leave(self) -> None:
        """End the connection."""


class Wiring(Protocol):
    """What the composition root (`wiring.cli`) offers to the command line."""

    def connect(self, settings: Settings) -> Service:
        """The service; starts a server if none runs."""

    def reach(self, settings: Settings) -> Service | None:
        """The service if a server answers at once; starts nothing."""

    def far(self, settings: Settings, tell: Callable[[str], None], asks: bool) -> Far:
        """The yard of the machine that the settings name. `tell` gives the user remarks; `asks`: he can be asked."""

    def start_server(self, settings: Settings, accept_older_store: bool = False) -> int:
        """Start a server in the background and return its pid when it answers; one that runs already is left alone."""

    def stop_server(self, settings: Settings, account: str = "") -> bool:
        """End the server of this account ("": of whoever has the home) and its agent, never a job, and return when
        they are gone. False if none ran."""

    def run_server(self, settings: Settings) -> None:
        """Be the server, in the foreground."""

    def home(self, settings: Settings) -> Home:
        """Where this yard keeps its files."""

    def stream(self, service: Service, ticket: str) -> Duplex:
        """Our end of the stream with this ticket, through the server behind this service."""


class Inside(Protocol):
    """The shell that a call of the command is a line of (`ry shell`)."""

    flags: dict[str, Any]
    """What the shell itself was called with: it holds for all of its lines."""


class App:
    """One call of the command. `wiring` is called only by what needs it, so that help costs no import of it."""

    def __init__(
        self,
        wiring: Callable[[], Wiring],
        output: Output | None = None,
        environ: Mapping[str, str] = os.environ,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._wiring = wiring
        self.output = output or Output()
        self.environ = environ
        self.now = now
        self.sleep = sleep
        self.flags: dict[str, Any] = {}
        self.shell: Inside | None = None

    def line_of(self, shell: Inside) -> App:
        """Another call of the command, from a line of this shell."""
        made = App(self._wiring, None, self.environ, self.now, self.sleep)
        made.shell = shell
        return made

    def use(self, flags: dict[str, Any], anew: bool = False) -> None:
        """Take these flags; what was made of others is let go (`anew`: also what was made of the same)."""
        if self.shell is not None:
            flags = {**self.shell.flags, **{name: value for name, value in flags.items() if value is not None}}
        if anew or flags != self.flags:
            self.flags = flags
            for made in ("settings", "home", "far", "_service"):
                self.__dict__.pop(made, None)

    @cached_property
    def settings(self) -> Settings:
        return config.load(self.environ, self.flags, remembered=True)

    @cached_property
    def wiring(self) -> Wiring:
        return self._wiring()

    @cached_property
    def home(self) -> Home:
        return self.wiring.home(self.settings)

    @cached_property
    def far(self) -> Far:
        """The machine whose yard is used, where `settings.is_far`."""
        return self.wiring.far(self.settings, lambda text: self.output.note(one_line(text)), self.output.asks)

    @property
    def ground(self) -> FarGround | None:
        """The machine that jobs are submitted to, where that is another one."""
        return self.far.ground(self.service()) if self.settings.is_far else None

    @cached_property
    def _service(self) -> Service:
        return self.far.connect() if self.settings.is_far else self.wiring.connect(self.settings)

    def service(self) -> Service:
        """The verbs; the first call may start a server."""
        return self._service

    def forget_service(self) -> None:
        """The server has gone: the next call of `service` connects again."""
        self.__dict__.pop("_service", None)

    def reach(self) -> Service | None:
        """The verbs if a server runs (on another machine: if there is a connection to it)."""
        return self.far.reach() if self.settings.is_far else self.wiring.reach(self.settings)

    def watch(self) -> Service | None:
        """The same, for what goes on beside the verbs: a connection to another machine that breaks stays broken."""
        return self.far.watch() if self.settings.is_far else self.wiring.reach(self.settings)

    @property
    def socket(self) -> str:
        """Where the server of the yard is reached on this machine."""
        return self.far.socket if self.settings.is_far else self.home.server_socket

    def told(self, error: OSError) -> RunyardError | None:
        """What this error of the system means to the user, where it is not for a traceback: this directory is gone,
        or the home cannot be made or written."""
        if error.filename is None:
            return UsageError("this directory was removed; go to another one") if _nowhere() else None
        settings: Settings | None = self.__dict__.get("settings")
        path = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else ""
        if settings is None or os.path.commonpath((path or "/", settings.home)) not in (path, settings.home):
            return None
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return StorageFull()
        return UsageError(
            f"{path}: {error.strerror}; a home is a directory that you can make and write (--home, RUNYARD_HOME)"
        )


def _nowhere() -> bool:
    """Whether the working directory is gone."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False

"""The yard of another machine (`ry --host`), put together: what `cli.context.Far` asks for, over a `client.login`."""

from __future__ import annotations

import json
from collections.abc import Mapping

from runyard.api import Service
from runyard.client.far import FarTransport
from runyard.client.login import Login, Tell
from runyard.client.remote import RemoteService
from runyard.client.transport import UnixTransport
from runyard.errors import NotFound, Unavailable
from runyard.foreign.openssh import NOT_FOUND
from runyard.model.landing import Landing
from runyard.settings import Settings
from runyard.submitting.far import Far as Ground
from runyard.wiring.home import home_at, prepare


class Far:
    """The yard that `settings.host` has. `tell` gives the user remarks, `asks` says whether he can be asked."""

    def __init__(self, settings: Settings, tell: Tell, asks: bool) -> None:
        self.name = settings.host
        self._link = Login(settings, prepare(home_at(settings.home)).far, tell, asks)
        self._tell = tell

    def connect(self) -> Service:
        """The verbs of its server, which is started if none runs."""
        transport = self._transport()
        try:
            transport.open()
        except Unavailable:
            self._link.renew()
        return RemoteService(transport)

    def reach(self) -> Service | None:
        """The verbs if the connection stands; makes none."""
        transport = self._transport()
        try:
            transport.open()
        except Unavailable:
            return None
        return RemoteService(transport)

    def watch(self) -> Service | None:
        """The same, and a connection that breaks stays broken."""
        transport = UnixTransport(self._link.socket)
        try:
            transport.open()
        except Unavailable:
            return None
        return RemoteService(transport)

    @property
    def socket(self) -> str:
        """Where its server is reached on this machine."""
        return self._link.socket

    def ground(self, service: Service) -> Ground:
        """That machine, as far as a submit looks at it."""
        landing = self._link.landing
        return Ground(self.name, landing, service.places, lambda: self._login(service))

    def run_there(self, words: tuple[str, ...], terminal: bool) -> int:
        """Run `ry` itself over there, for verbs about the machine; its exit code."""
        code = self._link.session(words, terminal)
        if code == NOT_FOUND:
            raise self._link.no_command()
        return code

    def enter(self) -> Landing:
        """Log in anew, whatever stands; what was found."""
        self._link.close()
        self._link.renew()
        return self._link.landing

    def leave(self) -> None:
        """End the connection."""
        self._link.close()

    def _transport(self) -> FarTransport:
        return FarTransport(self._link, lambda: self._tell(f"ry: on {self.name}"))

    def _login(self, service: Service) -> Mapping[str, str]:
        """The variables of a login shell over there, as they were when this connection was made."""
        try:
            data = service.blob(self._link.landing.environment)
        except NotFound:
            self._link.renew()
            data = service.blob(self._link.landing.environment)
        found: dict[str, str] = json.loads(data)
        return found

"""The way to the yard of another machine: over OpenSSH, through a forwarded Unix socket (`ry --host`).

The first command logs in, has a server started over there if none runs, and has its socket forwarded. The connection
stays (`ssh_keep_s`): a later command finds the forwarded socket, and starts no ssh at all. What was found at the login
is noted beside the sockets, in a directory of our own for each destination.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any, Optional

from runyard.api import PROTOCOL
from runyard.errors import ProtocolError, RunyardError, Unavailable
from runyard.foreign import filesystem
from runyard.foreign.command import Completed, ProgramTimedOut
from runyard.foreign.openssh import (
    FAILED,
    NOT_FOUND,
    Destination,
    Holder,
    Master,
    holder,
    in_login_shell,
    may_pass,
)
from runyard.model import codec
from runyard.model.landing import Landing
from runyard.settings import LOCAL, Settings

NOTE, LOCK = "landing.json", "lock"

DOOR = ("server", "door")
"""What is run over there: the verb that tells where its server listens."""

Tell = Callable[[str], None]


class Login:
    """The connection to the host of the settings, shared by all commands of this home (a `far.FarLink`).

    `below` is the directory that holds those of all destinations. `tell` gives the user remarks, `asks` says whether he
    can be asked.
    """

    def __init__(self, settings: Settings, below: str, tell: Tell, asks: bool) -> None:
        self.name = settings.host
        self._settings = settings
        self._below = below
        self._tell = tell
        self._asks = asks

    @property
    def socket(self) -> str:
        return self._master.socket

    @property
    def landing(self) -> Landing:
        """What was found over there."""
        noted = self._noted()
        if noted is None:
            self.renew()
            noted = self._noted()
        assert noted is not None
        return noted[0]

    def alive(self) -> bool:
        if self._master.pid() is not None:
            return True
        self._end_hung()
        return False

    def renew(self) -> None:
        with self._alone():
            if self._master.pid() is None:
                self._end_hung()
            landing = self._landed()
            self._checked(self._master.forward(landing.socket))
            pid = self._master.pid()
            self._note(landing, holder(pid) if pid else Holder(0, 0))

    def session(self, words: tuple[str, ...], terminal: bool) -> int:
        """Run `ry` over there, with our standard streams."""
        return self._master.session(in_login_shell(self._called(words)), terminal)

    def close(self) -> None:
        """End it, and take away all that it left."""
        if self._master.pid() is not None:
            self._master.close()
        self._end_hung()
        with suppress(FileNotFoundError):
            os.unlink(self._path(NOTE))

    def no_command(self) -> Unavailable:
        """Where `ry` is not to be found over there."""
        called = self._settings.ssh_command
        return Unavailable(
            f"{self.name}: a login shell there does not find {called!r}; install runyard there, or say where its"
            " command is: --ssh-command /path/to/ry (ssh_command in config.toml)"
        )

    @cached_property
    def _directory(self) -> str:
        settings = self._settings
        about = "\0".join((settings.host, settings.ssh_user, settings.ssh_key, settings.ssh_command, settings.far_home))
        data = about.encode("utf-8", "surrogateescape")
        directory = os.path.join(self._below, f"{zlib.crc32(data):08x}{zlib.adler32(data):08x}")
        for made in (self._below, directory):
            os.makedirs(made, mode=0o700, exist_ok=True)
        return directory

    @cached_property
    def _master(self) -> Master:
        settings = self._settings
        destination = Destination(settings.host, settings.ssh_user, settings.ssh_key)
        return Master(destination, self._directory, settings.ssh_keep_s)

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, name)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One command at a time logs in; the others find what it has made."""
        descriptor = os.open(self._path(LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _landed(self) -> Landing:
        """Log in and ask where the server is, as often as the settings say where the network is at fault."""
        tries = max(1, self._settings.ssh_retries)
        for number in range(1, tries + 1):
            try:
                ended = self._master.run(in_login_shell(self._called(DOOR)), self._asks)
            except ProgramTimedOut as error:
                raise Unavailable(error.message) from None
            complaint = _complaint(ended)
            if ended.returncode == FAILED and number < tries and may_pass(complaint):
                self._tell(f"ry: {self.name}: {complaint}; trying again ({number + 1} of {tries})")
                time.sleep(self._settings.ssh_retry_delay_s)
            else:
                return self._read(ended)
        raise AssertionError("the last try returns or raises")

    def _read(self, ended: Completed) -> Landing:
        complaint = _complaint(ended)
        if ended.returncode == NOT_FOUND:
            raise self.no_command()
        found = _answer(ended.stdout)
        if found is None:
            for line in _lines(ended)[:-1]:
                self._tell(line)
            if ended.returncode == FAILED:
                raise Unavailable(f"{self.name}: {complaint or 'ssh could not connect, and did not say why'}")
            raise ProtocolError(
                f"{self.name}: its `{self._settings.ssh_command} {' '.join(DOOR)}` ended with {ended.returncode} and"
                f" said nothing that we understand ({complaint or 'nothing at all'}); is a runyard as new as this one"
                " installed there?"
            )
        if "error" in found:
            raise Unavailable(f"{self.name}: {found['error'].get('message', 'its server did not start')}")
        if found.get("protocol") != PROTOCOL:
            raise ProtocolError(
                f"{self.name} has runyard {found.get('version')}, which speaks another protocol"
                f" ({found.get('protocol')}) than this one ({PROTOCOL}): install the same version on both machines"
            )
        return codec.decode(Landing, found)

    def _called(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """How `ry` is called over there: for its own yard, whatever is remembered there."""
        home = ("--home", self._settings.far_home) if self._settings.far_home else ()
        return (*shlex.split(self._settings.ssh_command), "--host", LOCAL, *home, *words)

    def _checked(self, ended: Completed) -> None:
        if ended.returncode != 0:
            raise Unavailable(f"{self.name}: its server's socket cannot be forwarded: {_complaint(ended)}")

    def _end_hung(self) -> None:
        """No master answers: end the process that held the connection, if it hangs, and what it left."""
        noted = self._noted()
        if noted is not None:
            noted[1].kill()
        self._master.forget()

    def _note(self, landing: Landing, held: Holder) -> None:
        note = {"landing": codec.encode(landing), "holder": codec.encode(held)}
        filesystem.put(self._path(NOTE), json.dumps(note).encode("ascii"))

    def _noted(self) -> Optional[tuple[Landing, Holder]]:
        try:
            with open(self._path(NOTE), encoding="ascii") as file:
                noted = json.load(file)
            return codec.decode(Landing, noted["landing"]), codec.decode(Holder, noted["holder"])
        except (OSError, ValueError, KeyError, TypeError, RunyardError):
            return None


def _answer(stdout: bytes) -> Optional[dict[str, Any]]:
    """The object of JSON that begins a line: login shells say all kinds of things before."""
    text = stdout.decode("utf-8", "replace")
    for begins in re.finditer(r"^{", text, re.MULTILINE):
        with suppress(ValueError):
            found: dict[str, Any] = json.JSONDecoder().raw_decode(text, begins.start())[0]
            return found
    return None


def _complaint(ended: Completed) -> str:
    """What ssh, or the command over there, said last: as it said it."""
    return (_lines(ended) or [""])[-1]


def _lines(ended: Completed) -> list[str]:
    return [line.strip() for line in ended.stderr.decode("utf-8", "replace").splitlines() if line.strip()]

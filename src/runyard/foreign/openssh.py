"""OpenSSH as the way to another machine: what `ssh` is called with, and what it says.

A `Master` is the one connection to a destination (ControlMaster). Commands run over it, and Unix sockets are forwarded
through it; no port is opened anywhere. The user's own configuration, keys, agent and jump hosts count: ssh is told only
what it cannot know. It asks for passwords and new host keys at the terminal, if there is one.

All that it leaves lies in one directory, private to the account, in which ssh runs: so paths are short, whatever the
directory is called (a socket address holds 108 bytes).
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Optional

from runyard.errors import UsageError
from runyard.foreign.command import Completed, ProgramFailed, ProgramMissing, ProgramTimedOut, run
from runyard.foreign.process import read_stat
from runyard.model.record import dataclass

CONTROL, SOCKET, COMPLAINTS = "m", "s", "err"
"""In the directory of a master: the socket at which it listens for further ssh, the one that it forwards, and what the
last ssh said."""

ALIVE_EVERY_S = 5
ALIVE_MISSED = 3
"""A connection that carries nothing any more is given up by ssh after so many signs of life that did not come."""
CONNECT_S = 10
"""How long a machine may take to accept a connection."""
LOGIN_S = 120.0
"""How long a login may take, with all questions that it asks."""
CONTROL_S = 5.0
"""How long a master may take to answer another ssh on this machine: one that does not, hangs."""

TOLD_MAX = 1024 * 1024
"""The most that a command over there may print, with what the login prints before it."""

FAILED = 255
"""ssh's own exit code. (A remote command could end with it too.)"""
NOT_FOUND = 127

PASSING = (
    "connection refused", "timed out", "timeout", "connection reset", "connection closed", "broken pipe",
    "no route to host", "network is unreachable", "temporary failure", "lost connection", "closed by",
)  # fmt: skip
"""What ssh says of failures that may be over in a moment."""


@dataclass(frozen=True)
class Destination:
    """A machine as ssh names it: an alias of its configuration, `host`, `user@host` or `ssh://user@host:port`."""

    host: str
    user: str = ""
    key: str = ""

    def __post_init__(self) -> None:
        for name, value in (("host", self.host), ("ssh-user", self.user), ("ssh-key", self.key)):
            if value.startswith("-") or any(ord(mark) < 32 or ord(mark) == 127 for mark in value):
                raise UsageError(f"{name}: {value!r} is no name that ssh can be given")
        if not self.host or any(mark.isspace() for mark in self.host):
            raise UsageError(f"host: {self.host!r} is no name of a machine")

    def options(self) -> list[str]:
        """What ssh is told of it beside its name."""
        user = ["-l", self.user] if self.user else []
        key = ["-i", os.path.abspath(os.path.expanduser(self.key))] if self.key else []
        return user + key


class Master:
    """The connection to a destination, whether it stands or not. `directory` is there, and ours alone (0700)."""

    def __init__(self, destination: Destination, directory: str, keep_s: int) -> None:
        self._destination = destination
        self._directory = directory
        self._keep_s = keep_s

    @property
    def socket(self) -> str:
        """The path on this machine of the socket that is forwarded."""
        return os.path.join(self._directory, SOCKET)

    def run(self, command: str, asks: bool) -> Completed:
        """Run a command line in a shell over there, over the connection that stands or a new one.

        `asks`: ssh may ask the user at our terminal; else what would need an answer fails.
        """
        return self._ssh([*self._connecting(asks), "-T", "--", self._destination.host, command], asks)

    def session(self, command: str, terminal: bool) -> int:
        """Run a command line over there with our own standard streams; its exit code."""
        argv = ["ssh", *self._connecting(terminal), "-t" if terminal else "-T", "--", self._destination.host, command]
        try:
            with subprocess.Popen(argv, cwd=self._directory) as process:
                while True:
                    with suppress(KeyboardInterrupt):  # Ctrl-C is for the command over there
                        return process.wait()
        except FileNotFoundError:
            raise _missing() from None

    def forward(self, socket: str) -> Completed:
        """Have the connection forward the Unix socket at this path over there to `self.socket`."""
        there = socket.replace("\\", "\\\\").replace(":", "\\:")
        return self._control("forward", "-L", f"./{SOCKET}:{there}")

    def pid(self) -> Optional[int]:
        """The process that holds the connection; None if none answers."""
        if not os.path.exists(os.path.join(self._directory, CONTROL)):
            return None
        try:
            told = self._control("check")
        except ProgramTimedOut:
            return None
        _, found, rest = told.stderr.decode("utf-8", "replace").partition("(pid=")
        return int(rest.partition(")")[0]) if found and told.returncode == 0 else None

    def close(self) -> None:
        """End the connection."""
        with suppress(ProgramTimedOut):
            self._control("exit")
        self.forget()

    def forget(self) -> None:
        """Take away what a connection that has ended, or hangs, has left."""
        for name in (CONTROL, SOCKET):
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(self._directory, name))

    def _connecting(self, asks: bool) -> list[str]:
        """What makes a connection, or finds the one that stands. Forwardings of the user's configuration are for his
        own sessions."""
        settings = {
            "ControlMaster": "auto",
            "ControlPath": CONTROL,
            "ControlPersist": str(self._keep_s),
            "ServerAliveInterval": str(ALIVE_EVERY_S),
            "ServerAliveCountMax": str(ALIVE_MISSED),
            "ConnectTimeout": str(CONNECT_S),
            "ClearAllForwardings": "yes",
            "ForwardAgent": "no",
            "ForwardX11": "no",
            "PermitLocalCommand": "no",
            "RemoteCommand": "none",
            "StreamLocalBindUnlink": "yes",
            "StreamLocalBindMask": "0177",
            **({} if asks else {"BatchMode": "yes"}),
        }
        return [
            *self._destination.options(),
            *(word for name in settings for word in ("-o", f"{name}={settings[name]}")),
        ]

    def _control(self, order: str, *words: str) -> Completed:
        """Tell the master something. Nothing but its socket counts for that, so no configuration is read."""
        argv = ["ssh", "-F", os.devnull, "-o", f"ControlPath={CONTROL}", "-O", order, *words, "--"]
        return run([*argv, self._destination.host], CONTROL_S, cwd=self._directory)

    def _ssh(self, words: Sequence[str], asks: bool) -> Completed:
        """Run ssh to its end. What it says goes into a file: the master that it leaves behind may hold a pipe open."""
        argv = ["ssh", *words]
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        with open(os.open(os.path.join(self._directory, COMPLAINTS), flags, 0o600), "w+b") as complaints:
            try:
                process = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints, cwd=self._directory,
                    start_new_session=not asks,
                )  # fmt: skip
            except FileNotFoundError:
                raise _missing() from None
            with process:
                try:
                    stdout = self._told(process)
                except BaseException:
                    process.kill()
                    raise
            complaints.seek(max(0, os.fstat(complaints.fileno()).st_size - TOLD_MAX))
            return Completed(tuple(argv), process.returncode, stdout, complaints.read(TOLD_MAX))

    def _told(self, process: subprocess.Popen[bytes]) -> bytes:
        """What it writes until it ends: in time, and with an end."""
        assert process.stdout is not None
        host, told, until = self._destination.host, bytearray(), time.monotonic() + LOGIN_S
        try:
            while select.select([process.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
                piece = os.read(process.stdout.fileno(), TOLD_MAX)
                if not piece:
                    process.wait(max(0.0, until - time.monotonic()))
                    return bytes(told)
                told += piece
                if len(told) > TOLD_MAX:
                    raise ProgramFailed(f"{host}: what is printed at a login there has no end")
        except subprocess.TimeoutExpired:
            pass
        raise ProgramTimedOut(f"{host}: the login has not come to its end within {LOGIN_S:.0f} s")


@dataclass(frozen=True)
class Holder:
    """The process that holds a connection, by pid and start: the pid alone may be another's by now."""

    pid: int
    start_time: int

    def kill(self) -> None:
        """End it, if it is still the one."""
        stat = read_stat(self.pid)
        if stat is not None and stat.start_time == self.start_time:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def holder(pid: int) -> Holder:
    """The process that has this pid now."""
    stat = read_stat(pid)
    return Holder(pid, stat.start_time if stat else 0)


def may_pass(complaint: str) -> bool:
    """Whether what ssh complains of may be over in a moment."""
    return any(words in complaint.lower() for words in PASSING)


def in_login_shell(words: Sequence[str]) -> str:
    """The command line that runs these words as the account's login shell would, whatever shell it is.

    What sshd runs a command with is no login shell, and knows less (no ~/.profile, often no PATH of the user's).
    """
    line = "exec " + " ".join(map(_home_or_quoted, words))
    script = 'case "$SHELL" in *csh|"") exec /bin/sh -lc "$0";; *) exec "$SHELL" -lc "$0";; esac'
    return f"exec sh -c {quoted(script)} {quoted(line)}"


def quoted(text: str) -> str:
    """The text as one word, for every shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def _home_or_quoted(word: str) -> str:
    """The word quoted; a `~/` at its beginning is the home over there."""
    return '"$HOME"/' + quoted(word[2:]) if word.startswith("~/") else quoted(word)


def _missing() -> ProgramMissing:
    return ProgramMissing("ssh is not installed here (or not in PATH); --host needs the OpenSSH client")

"""A real sshd on loopback: another machine, as far as ssh can tell. Its accounts are ours, with a home of its own.

`Sshd` is the machine; `environ` is what a shell on this side needs so that `ssh gpu1` reaches it: a command `ssh` that
reads the test's configuration (the real one would read that of the account, wherever HOME points).
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.harness import processes
from tests.harness.ports import free_ports
from tests.harness.processes import PATIENCE_S

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin") or ""
RUN_SSHD = Path("/run/sshd")
"""What sshd wants to be there when root starts it; Debian's own script makes it."""

LOOK_S = 0.01

SSHD_CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {root}/hostkey
PidFile none
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AuthorizedKeysFile {root}/key.pub
StrictModes no
SetEnv HOME={home}
MaxStartups 50:30:100
"""

SSH_CONFIG = """
Host gpu1 behind
  HostName 127.0.0.1
  Port {port}
Host behind
  ProxyJump gpu1
Host nobody
  HostName 127.0.0.1
  Port 9
Host gpu1 behind nobody
  LocalForward 127.0.0.1:{forward} 127.0.0.1:9
Host *
  IdentityFile {root}/key
  IdentitiesOnly yes
  StrictHostKeyChecking no
  UserKnownHostsFile {root}/known_hosts
"""


class Sshd:
    """The machine `gpu1` (and `behind`, which is reached through it). `home` is where a login there begins."""

    def __init__(self, root: Path, profile: str) -> None:
        self.root = root
        self.home = root / "account"
        self.home.mkdir(parents=True)
        (self.home / ".profile").write_text(profile + f"\ncd '{self.home}'\n")
        self._port, forward = free_ports(2)
        for name in ("hostkey", "key", "stranger"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", root / name], check=True)
        values = {"root": root, "home": self.home, "port": self._port, "forward": forward}
        (root / "sshd_config").write_text(SSHD_CONFIG.format(**values))
        (root / "ssh_config").write_text(SSH_CONFIG.format(**values))
        (root / "bin").mkdir()
        ssh = root / "bin" / "ssh"
        ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {root}/ssh_config "$@"\n')
        ssh.chmod(0o755)
        if os.getuid() == 0:
            RUN_SSHD.mkdir(mode=0o755, exist_ok=True)
        self._start()

    def environ(self, environ: Mapping[str, str]) -> dict[str, str]:
        """These variables, with an `ssh` that knows this machine."""
        return {**environ, "PATH": f"{self.root / 'bin'}:{environ['PATH']}"}

    def sessions(self) -> list[int]:
        """The processes of sshd that serve a login each."""
        return [pid for pid in processes.below(self._process.pid) if processes.name(pid).startswith("sshd")]

    def cut(self) -> None:
        """Every login ends, as if the network were gone."""
        for pid in self.sessions():
            processes.send(pid)

    @contextmanager
    def away(self) -> Iterator[None]:
        """The machine is off for a while."""
        self.end()
        yield
        self._start()

    def end(self) -> None:
        self._process.send_signal(signal.SIGSTOP)  # so that nobody logs in while it is ended
        self.cut()
        self._process.kill()
        self._process.wait(PATIENCE_S)

    def _start(self) -> None:
        with open(self.root / "sshd.log", "ab") as log:
            self._process = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", self.root / "sshd_config"], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        end = time.monotonic() + PATIENCE_S
        while True:
            with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self._port), PATIENCE_S):
                return
            assert self._process.poll() is None, (self.root / "sshd.log").read_text()
            assert time.monotonic() < end, "sshd does not listen"
            time.sleep(LOOK_S)

"""Servers without the price of an interpreter: a process that has imported the server once and forks one per wish.

What it forks runs the product's own `wiring.server.main` and is in everything that counts here like the daemon: a
session of its own, a clean environment, cwd /, no descriptor but its log. A real start costs a second of imports, one
from here some 50 ms: so tests can kill hundreds.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from runyard.foreign.daemon import clean_environment
from tests.harness.processes import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
PR_SET_PDEATHSIG = 1
MESSAGE_BYTES = 64 * 1024
_BOOT = "import sys; from tests.harness.nursery import serve; serve(int(sys.argv[1]))"


class Nursery:
    """The process that forks servers."""

    def __init__(self) -> None:
        self._wishes, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._wishes.settimeout(PATIENCE_S)
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        argv = [sys.executable, "-c", _BOOT, str(its.fileno())]
        self._process = subprocess.Popen(argv, pass_fds=[its.fileno()], env=environ, start_new_session=True)
        its.close()

    def start(self, environ: Mapping[str, str], log: str, arguments: Sequence[str], ready: int, gate: int) -> int:
        """Start a server; its pid. The descriptor `ready` gets a byte when it answers; it does nothing before it can
        read one (or the end) from `gate`."""
        wish = {"environ": clean_environment(environ), "log": log, "arguments": list(arguments)}
        socket.send_fds(self._wishes, [json.dumps(wish).encode("utf-8")], [ready, gate])
        return int(self._wishes.recv(64))

    def close(self) -> None:
        """End it; what it has forked runs on."""
        self._wishes.close()
        self._process.wait(PATIENCE_S)


def serve(descriptor: int) -> None:
    """What runs in the nursery: fork for each wish until nobody wishes any more."""
    main: Callable[[], None] = import_module("runyard.wiring.server").main  # only this process pays for it
    wishes = socket.socket(fileno=descriptor)
    wishes.set_inheritable(False)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
    while True:
        text, fds, _, _ = socket.recv_fds(wishes, MESSAGE_BYTES, 2)
        if not text:
            return
        pid = os.fork()
        if not pid:
            code = 1
            try:
                wishes.close()
                code = _become(main, json.loads(text), *fds)
            except BaseException:  # noqa: BLE001  # a forked child must not come back
                traceback.print_exc()
            finally:
                os._exit(code)
        for fd in fds:
            os.close(fd)
        wishes.send(str(pid).encode("ascii"))


def _become(main: Callable[[], None], wish: dict[str, Any], ready: int, gate: int) -> int:
    """Be a daemon as `foreign.daemon.spawn` makes one, then the server."""
    die_with_parent()
    os.setsid()
    os.chdir("/")
    os.umask(0o077)
    os.makedirs(os.path.dirname(wish["log"]), mode=0o700, exist_ok=True)
    _open_as(0, os.devnull, os.O_RDONLY)
    _open_as(1, wish["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(1, 2)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(wish["environ"])
    sys.argv = ["runyard.wiring.server", *wish["arguments"], "--ready-fd", str(ready)]
    os.read(gate, 1)
    os.close(gate)
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def die_with_parent() -> None:
    """A test run that was killed leaves no server behind: the nursery ends with it, and they with the nursery."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() == 1:
        os._exit(1)


def _open_as(descriptor: int, path: str, flags: int) -> None:
    opened = os.open(path, flags, 0o600)
    os.dup2(opened, descriptor)
    os.close(opened)

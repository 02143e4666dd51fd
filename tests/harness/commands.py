"""Commands without the price of an interpreter: a process that has imported `ry` once and forks one for each line.

What it forks runs the installed command's own `cli.main.main` with the arguments, environment, directory and standard
streams of who typed it. A real start costs 100 ms of imports, one from here some 20: and tests type thousands. (Lines
on a terminal, those left running, and those of a shell are real starts.)
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from tests.harness.nursery import ROOT
from tests.harness.processes import PATIENCE_S

BIN = Path(sys.executable).parent
RY = str(BIN / "ry")
COMMAND_S = 60.0

AT_START = ("PYTHON", "LANG", "LC_", "TZ")
"""What an interpreter or its C library reads when it starts: with others of them than LANGUAGE it is a real one."""

LANGUAGE = {"LANG": "C.UTF-8"}
FILES = 1024
_BOOT = "import sys; from tests.harness.commands import serve; serve(int(sys.argv[1]))"
ON_ERRORS = ("surrogateescape", "surrogateescape", "backslashreplace")
"""Of the three standard streams, as an interpreter opens them in that locale."""


class Commands:
    """The process that forks commands. It ends with the one that asked for it."""

    def __init__(self) -> None:
        self._wishes, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._wishes.settimeout(PATIENCE_S)
        argv = [sys.executable, "-c", _BOOT, str(its.fileno())]
        self._process = subprocess.Popen(argv, pass_fds=[its.fileno()], env={**LANGUAGE, "PYTHONPATH": str(ROOT)})
        its.close()
        atexit.register(self.close)

    def run(self, wish: Mapping[str, Any], streams: Sequence[int]) -> int:
        """Have this typed, and wait for its end; its exit code, negative where a signal ended it."""
        over, its_over = os.pipe()
        with tempfile.TemporaryFile() as text:  # an environment may be larger than a message
            text.write(json.dumps(wish).encode())
            text.flush()
            socket.send_fds(self._wishes, [b"!"], [text.fileno(), *streams, its_over])
        os.close(its_over)
        try:
            pid = int(self._wishes.recv(64))
            if not select.select([over], [], [], COMMAND_S)[0]:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(wish["words"], COMMAND_S)
            return int(os.read(over, 64))
        finally:
            os.close(over)

    def close(self) -> None:
        self._wishes.close()
        self._process.wait(PATIENCE_S)


@cache
def _commands() -> Commands:
    return Commands()


def type_ry(
    words: Sequence[str], streams: Sequence[int], cwd: str | os.PathLike[str], environ: Mapping[str, str]
) -> int:
    """Type `ry` with these words, standard streams (input, output, errors) and variables; its exit code."""
    if {name: value for name, value in environ.items() if name.startswith(AT_START)} != LANGUAGE:
        stdin, stdout, stderr = streams
        return subprocess.run(
            [RY, *words], stdin=stdin, stdout=stdout, stderr=stderr, env=dict(environ), cwd=cwd, timeout=COMMAND_S,
            check=False,
        ).returncode  # fmt: skip
    wish = {"words": list(words), "environ": dict(environ), "cwd": os.fspath(cwd)}
    return _commands().run(wish, streams)


def serve(descriptor: int) -> None:
    """What runs beside the tests: fork for each line until nobody types any more."""
    main: Callable[[], None] = import_module("runyard.cli.main").main
    package = import_module("runyard.cli")
    for module in iter_modules(package.__path__, "runyard.cli."):
        import_module(module.name)
    import_module("runyard.wiring.cli")
    wishes = socket.socket(fileno=descriptor)
    wishes.set_inheritable(False)
    sys.path[:] = [str(BIN), *(place for place in sys.path if place not in ("", str(ROOT)))]
    running: dict[int, tuple[int, int]] = {}  # by its pidfd, each command's pid and where its end is told
    while True:
        waiting: list[Any] = [wishes, *running]
        for ready in select.select(waiting, [], [])[0]:
            if ready in running:
                pid, over = running.pop(ready)
                os.write(over, str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode("ascii"))
                os.close(over)
                os.close(ready)
                continue
            text, fds, _, _ = socket.recv_fds(wishes, 1, len(ON_ERRORS) + 2)
            if not text:
                return
            pid = os.fork()
            if not pid:
                _become(main, fds)
            running[os.pidfd_open(pid)] = (pid, fds.pop())
            for fd in fds:
                os.close(fd)
            wishes.send(str(pid).encode("ascii"))


def _become(main: Callable[[], None], fds: Sequence[int]) -> None:
    """Be the command, as the script of that name begins and ends it."""
    code = 1
    text, *streams, _ = fds
    try:
        with open(text, encoding="utf-8") as file:
            file.seek(0)
            wish = json.load(file)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.closerange(len(ON_ERRORS), FILES)
        sys.stdin, sys.stdout, sys.stderr = (_stream(number) for number in range(len(ON_ERRORS)))
        os.environ.clear()
        os.environ.update(wish["environ"])
        os.chdir(wish["cwd"])
        sys.argv = [RY, *wish["words"]]
        code = _exit_code(main)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001  # a forked child must not come back
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code & 0xFF)


def _stream(number: int) -> Any:
    mode = "w" if number else "r"
    return open(number, mode, encoding="utf-8", errors=ON_ERRORS[number], closefd=False)


def _exit_code(main: Callable[[], None]) -> int:
    try:
        main()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        sys.stderr.write(f"{end.code}\n")
        return 1
    return 0

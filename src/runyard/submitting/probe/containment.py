"""What a script may not do while its parameters are looked for: reach a network, start or end processes, change files.

Directories that it makes are not made and files that it writes go nowhere, since many scripts do both at their top;
everything else of that kind is refused with PermissionError. Python's audit events tell of it, and a few functions
that have none are replaced: this keeps accidents in, no villain, and no library that writes files by itself.
"""

from __future__ import annotations

import _posixsubprocess
import builtins
import errno
import io
import os
import resource
import sys
from functools import partial
from typing import Any

REFUSED = frozenset(
    (
        "socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo",
        "socket.gethostbyname", "subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn",
        "pty.spawn", "os.kill", "os.killpg", "signal.pthread_kill", "os.remove", "os.rename",
        "os.rmdir", "os.truncate", "os.link", "os.symlink", "os.chmod", "os.chown", "os.utime", "os.setxattr",
        "os.removexattr",
        "shutil.rmtree", "shutil.move", "shutil.copyfile", "shutil.copytree", "shutil.chown",
    )
)  # fmt: skip
UNTOLD = ((os, "mkfifo"), (os, "mknod"), (_posixsubprocess, "fork_exec"))
"""Functions without an event. (The last one is how multiprocessing starts its processes.)"""

IN_MEMORY = ("", ":memory:")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
FILE_MB = 64
CPU_S = 120


class Containment:
    """In force once it is made. `scratch` is the one directory that may be written in."""

    def __init__(self, scratch: str) -> None:
        self._scratch = os.path.realpath(scratch) + "/"
        self._open = builtins.open
        self._mkdir = os.mkdir
        self.refused: list[str] = []
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_MB << 20, FILE_MB << 20))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        builtins.open = io.open = self.open
        os.mkdir = self.mkdir
        for module, name in UNTOLD:
            setattr(module, name, partial(self._refused, f"{module.__name__}.{name}"))
        sys.addaudithook(self._audit)

    def open(self, file: Any, mode: Any = "r", *args: Any, **kwargs: Any) -> Any:
        """What is written outside the scratch directory goes nowhere."""
        if isinstance(mode, str) and set(mode) & set("wax+") and not self._may_write(file):
            self.refused.append(f"writing {file}")
            return self._open(os.devnull, mode.replace("x", "w"), *args, **kwargs)
        return self._open(file, mode, *args, **kwargs)

    def mkdir(self, path: Any, *args: Any, **kwargs: Any) -> None:
        """Directories elsewhere are not made."""
        if self._may_write(path):
            self._mkdir(path, *args, **kwargs)

    def _may_write(self, path: Any) -> bool:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return True  # a descriptor that is open already
        whole = os.path.realpath(os.fsdecode(path))
        return whole.startswith(self._scratch) or whole == os.devnull

    def _audit(self, event: str, args: Any) -> None:
        if event in REFUSED:
            self._refuse(event)
        elif event == "open" and isinstance(args[2], int) and args[2] & WRITES and not self._may_write(args[0]):
            self._refuse(f"writing {args[0]}")
        elif event == "sqlite3.connect" and args[0] not in IN_MEMORY and not self._may_write(args[0]):
            self._refuse(f"the database {args[0]}")

    def _refused(self, what: str, *args: Any, **kwargs: Any) -> None:
        self._refuse(what)

    def _refuse(self, what: str) -> None:
        self.refused.append(what)
        raise PermissionError(errno.EPERM, f"{what} is not allowed while the parameters of a script are looked for")

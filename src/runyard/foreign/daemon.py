"""Starts our own long-lived processes so that nothing of the first caller's shell sticks to them.

A daemon has its own session, cwd `/`, umask 077, every descriptor but its log closed, all CPUs again, its own cgroup
where it would die with a job's, and an environment by allow-list.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

KEPT = frozenset(
    (
        "PATH",
        "LD_LIBRARY_PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TMPDIR",
        "XDG_RUNTIME_DIR",
    )
)
"""Variables that a daemon keeps, beside LC_* and our own settings (RUNYARD_*, less those of a job)."""

OF_A_JOB = frozenset(
    f"RUNYARD_{name}" for name in ("JOB_ID", "ATTEMPT", "JOB_NAME", "QUEUE", "ARRAY_INDEX", "TOKEN", "GPUS")
)
"""Our variables that belong to one attempt."""


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What a daemon may see. `RUNYARD_KEEP_ENV` names further variables, with commas between them."""
    more = frozenset(environ.get("RUNYARD_KEEP_ENV", "").split(","))
    return {
        name: value
        for name, value in environ.items()
        if name in KEPT
        or name in more
        or name.startswith("LC_")
        or (name.startswith("RUNYARD_") and name not in OF_A_JOB)
    }


def spawn(argv: Sequence[str], log: str, environ: Mapping[str, str], pass_fds: Sequence[int] = ()) -> int:
    """Start a daemon; its pid. What it prints goes to the end of `log` (0600)."""
    os.makedirs(os.path.dirname(log), mode=0o700, exist_ok=True)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        child = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env=clean_environment(environ),
            pass_fds=tuple(pass_fds),
            start_new_session=True,
            umask=0o077,
        )
    finally:
        os.close(output)
    child.returncode = 0  # It is nobody's child from here on: no warning, no wait.
    return child.pid


def settle() -> None:
    """Called by a daemon first: all CPUs, no signal blocked or ignored that a shell may have left so."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    with suppress(OSError):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))

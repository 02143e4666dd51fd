"""Starts our own long-lived processes so that nothing of the first caller's shell sticks to them.

A daemon has its own session, cwd `/`, umask 077, every descriptor but its log closed, all CPUs again, its own cgroup
where it would die with a job's, and an environment by allow-list.
"""

from __future__ import annotations

import os
import resource
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

MARK = "RUNYARD_DAEMON"
"""Set in the environment of our daemons, and in nobody else's: by it, and by what they do with it (see
`runtime/family`), no job's family counts them in, wherever they were started."""

OF_A_JOB = frozenset(
    f"RUNYARD_{name}"
    for name in (
        "JOB_ID",
        "ATTEMPT",
        "JOB_NAME",
        "QUEUE",
        "ARRAY_INDEX",
        "TOKEN",
        "GPUS",
        "PARAMS",
        "METRICS",
        "CODE",
        "SOURCE",
        "COMMIT",
    )
)
"""Our variables that belong to one attempt."""


LOWERED = (
    resource.RLIMIT_CPU,
    resource.RLIMIT_FSIZE,
    resource.RLIMIT_DATA,
    resource.RLIMIT_AS,
    resource.RLIMIT_NPROC,
    resource.RLIMIT_NOFILE,
)
"""Limits that people lower in a shell, and that must not reach every job from the one that started the server."""

FILES = 1_024
"""Open files that a process may have by default; more breaks programs that use select."""


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
            env={**clean_environment(environ), MARK: "1"},
            pass_fds=tuple(pass_fds),
            start_new_session=True,
            umask=0o077,
        )
    finally:
        os.close(output)
    child.returncode = 0  # It is nobody's child from here on: no warning, no wait.
    return child.pid


def settle() -> None:
    """Called by a daemon first: all CPUs, the usual niceness and limits as far as we may, no signal blocked or ignored.

    What only root can undo (a hard limit, a higher niceness) stays as the first shell had it.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    with suppress(OSError):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, 0)
    for limit in LOWERED:
        soft, hard = resource.getrlimit(limit)
        if soft != hard and (limit != resource.RLIMIT_NOFILE or soft < FILES):
            resource.setrlimit(limit, (hard if limit != resource.RLIMIT_NOFILE else _files(hard), hard))


def _files(hard: int) -> int:
    """The usual number of open files, or as many as there may be."""
    return FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)

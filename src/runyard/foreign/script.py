"""Scripts of ours that run a user's commands for as long as they like: in front, behind, and their end.

In front a script shares our terminal, input and output, and what is typed (Ctrl-C) reaches it as it reaches us. Behind
it has a session of its own. Either is ended by its pid and whatever lives below it, each through a pidfd.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Optional

from runyard.foreign import process
from runyard.foreign.command import CommandError, ProgramMissing

GRACE_S = 5.0
"""How long what is ended may take before it is killed."""

UNKILLABLE_S = 10.0
"""How long after that nobody is waited for any more."""

LOOK_S = 0.5
"""After so long we look again who is left: one that was being born may have been missed."""


def foreground(argv: Sequence[str], environ: Optional[Mapping[str, str]] = None) -> int:
    """Run it to its end on our terminal; its exit code, or the negative number of the signal that killed it.

    An interrupt is the script's to take: it is waited for all the same, and raised afterwards.
    """
    sys.stdout.flush()  # what we have said comes before what it says
    child = _started(argv, environ, None, new_session=False)
    interrupted: Optional[KeyboardInterrupt] = None
    while True:
        try:
            code = child.wait()
            break
        except KeyboardInterrupt as error:
            interrupted = error
    if interrupted is not None:
        raise interrupted
    return code


def background(argv: Sequence[str], environ: Optional[Mapping[str, str]], output: str) -> int:
    """Start it with nothing to read, and what it prints in this file (0600); its pid. It outlives us."""
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        return _started(argv, environ, descriptor, new_session=True).pid
    finally:
        os.close(descriptor)


def wait(pid: int, timeout_s: float) -> bool:
    """Wait until this process has ended, at most so long; whether it has."""
    try:
        descriptor = process.open_pidfd(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], timeout_s)[0])
    finally:
        os.close(descriptor)


def end(heads: Sequence[int], mark: str = "", grace_s: float = GRACE_S) -> None:
    """End these, who carries this `NAME=value` in its environment, and all below them, until nobody is left.

    They get SIGTERM, and after the grace SIGKILL; the heads only when they alone are left, so that they can tell how
    the others ended. Who cannot be killed is given up after some time.
    """
    known: dict[int, int] = {}  # when each was born
    told: set[int] = set()
    begun = time.monotonic()
    while (left := _left(heads, mark, known)) and time.monotonic() < begun + grace_s + UNKILLABLE_S:
        over = time.monotonic() >= begun + grace_s
        others = left.keys() - set(heads)
        chosen = (others or left.keys()) if over else left.keys() - told
        told |= chosen
        for pid in sorted(chosen, key=lambda pid: pid not in heads):  # they are to start nothing more when another ends
            _signal(pid, left[pid], signal.SIGKILL if over else signal.SIGTERM)
        _wait_for_all(left, LOOK_S if chosen or over else max(0.0, begun + grace_s - time.monotonic()))


def _started(
    argv: Sequence[str], environ: Optional[Mapping[str, str]], output: Optional[int], new_session: bool
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL if new_session else None,
            stdout=output,
            stderr=output,
            env=environ,
            start_new_session=new_session,
        )
    except FileNotFoundError:
        raise ProgramMissing(f"{argv[0]} is not installed here (or not in PATH); install it and try again") from None
    except OSError as error:
        raise CommandError(f"{argv[0]} cannot be started: {error.strerror}") from None


def _left(heads: Sequence[int], mark: str, known: dict[int, int]) -> dict[int, int]:
    """Who is to be ended and lives, each with its birth; who was ever seen is `known`, and so are those below."""
    roots = [*heads, *known]
    if mark:
        roots.extend(pid for pid in process.processes() if process.environ_has(pid, mark))
    found: dict[int, int] = {}
    todo = roots
    while todo:
        pid = todo.pop()
        stat = process.read_stat(pid)
        if pid in found or pid == os.getpid() or stat is None or stat.dead:
            continue
        if known.setdefault(pid, stat.start_time) == stat.start_time:
            found[pid] = stat.start_time
            todo.extend(process.children(pid))
    return found


def _pidfd(pid: int, born: int) -> Optional[int]:
    """A descriptor of this very process; None if it has gone."""
    try:
        descriptor = process.open_pidfd(pid)
    except ProcessLookupError:
        return None
    stat = process.read_stat(pid)
    if stat is not None and stat.start_time == born:
        return descriptor
    os.close(descriptor)
    return None


def _signal(pid: int, born: int, number: signal.Signals) -> None:
    descriptor = _pidfd(pid, born)
    if descriptor is not None:
        with suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(descriptor, number)
        os.close(descriptor)


def _wait_for_all(members: Mapping[int, int], timeout_s: float) -> None:
    """Wait until these have ended, at most so long."""
    until = time.monotonic() + timeout_s
    for pid, born in members.items():
        descriptor = _pidfd(pid, born)
        if descriptor is not None:
            select.select([descriptor], [], [], max(0.0, until - time.monotonic()))
            os.close(descriptor)

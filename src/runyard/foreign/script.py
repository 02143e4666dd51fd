"""Scripts of ours that run a user's commands for as long as they like: in front, behind, and their end.

In front a script shares our terminal, input and output, and what is typed (Ctrl-C) reaches it as it reaches us. Behind
it has a session of its own. Either is ended by its pid and whatever lives below it, each through a pidfd.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Optional

from runyard.foreign import process
from runyard.foreign.command import CommandError, ProgramMissing

GRACE_S = 5.0
"""How long what is ended may take before it is killed."""


def foreground(argv: Sequence[str], environ: Optional[Mapping[str, str]] = None) -> int:
    """Run it to its end on our terminal; its exit code, or the negative number of the signal that killed it.

    An interrupt is the script's to take: it is waited for all the same, and raised afterwards.
    """
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


def end(pid: int, grace_s: float = GRACE_S) -> None:
    """End it and all below it: SIGTERM, and SIGKILL for what is left after the grace."""
    members = {member: _pidfd(member) for member in (pid, *_below(pid))}
    try:
        _signal(members, signal.SIGTERM)
        until = time.monotonic() + grace_s
        while (left := [fd for fd in members.values() if fd >= 0]) and (rest := until - time.monotonic()) > 0:
            ended = select.select(left, [], [], rest)[0]
            for member, descriptor in list(members.items()):
                if descriptor in ended:
                    os.close(descriptor)
                    members[member] = -1
        _signal(members, signal.SIGKILL)
    finally:
        for descriptor in members.values():
            if descriptor >= 0:
                os.close(descriptor)


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


def _below(pid: int) -> list[int]:
    found = []
    todo = [pid]
    while todo:
        children = process.children(todo.pop())
        found.extend(children)
        todo.extend(children)
    return found


def _pidfd(pid: int) -> int:
    try:
        return process.open_pidfd(pid)
    except ProcessLookupError:
        return -1


def _signal(members: Mapping[int, int], number: signal.Signals) -> None:
    for descriptor in members.values():
        if descriptor >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, number)

"""Finding the processes of an attempt, and ending them.

While its runner lives, the family is all descendants of the runner (it is a child subreaper). After the runner's death
it is who is in the command's session or carries the attempt's token in its environment, all their descendants, and
whatever the dead runner left to its zygote. Nobody is chosen by pid alone, by name or by user, nor for holding a
device: an identity is pid and start time (within one boot and pid namespace, which the caller has checked), and a
signal goes through a pidfd after a second look at the start time. A zombie is dead.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Container, Iterable, Iterator
from typing import NamedTuple, Optional

from runyard.foreign import process
from runyard.foreign.daemon import MARK

TOKEN = "RUNYARD_TOKEN="
DAEMONS = ("ry-server", "ry-agent", "ry-zygote", "ry-runner")
"""The command lines of our own daemons: each writes its name there itself, as soon as our code runs in it
(`native.name_process`). One that is first started from inside a job outlives that job: it leads a session of its own,
was born with the mark, runs under one of these names and no arguments, and so is of no attempt's family, nor is what it
starts. No program of a user's comes to be all of that by chance, and no job is given the mark; the attempt's own
command is of its family whatever it looks like."""
_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


class Member(NamedTuple):
    """A process, safe from a reuse of its pid."""

    pid: int
    start_time: int


def descendants(pid: int, certain: Optional[Member] = None) -> list[Member]:
    """Everybody below this process who is not dead, parents before children. `certain` is no daemon, whatever it looks
    like."""
    found: list[Member] = []
    todo = [(pid, child) for child in process.children(pid)]
    while todo:
        parent, child = todo.pop(0)
        stat = process.read_stat(child)
        if stat is None or stat.ppid != parent:
            continue  # it is dead, and its pid is perhaps another's
        member = Member(child, stat.start_time)
        if member != certain and _is_daemon(child, stat):
            continue
        todo.extend((child, below) for below in process.children(child))
        if not stat.dead:
            found.append(member)
    return found


def only_daemons(pid: int) -> bool:
    """Whether this process has children, but only such as belong to no family."""
    stats = [(child, process.read_stat(child)) for child in process.children(pid)]
    return bool(stats) and all(stat is not None and _is_daemon(child, stat) for child, stat in stats)


def kin(pids: Iterable[int]) -> list[Member]:
    """Those of these processes that are not dead, and neither daemons nor below one."""
    stats = {pid: process.read_stat(pid) for pid in pids}
    found = []
    for pid, stat in stats.items():
        above, known = pid, stat
        while known is not None and not _is_daemon(above, known):
            above = known.ppid
            known = stats.get(above)
        if stat is not None and not stat.dead and known is None:
            found.append(Member(pid, stat.start_time))
    return found


def remains(leader: Optional[Member], token: str) -> list[Member]:
    """Who is left of an attempt whose runner is dead: by session, by token, and their descendants. The session counts
    only as long as its leader is the command itself: its number may be another's by now."""
    leads = leader is not None and identity(leader.pid) == leader
    found: dict[int, Member] = {}
    for pid in process.processes():
        stat = process.read_stat(pid)
        if stat is None or stat.dead or pid == os.getpid():
            continue
        in_session = leads and leader is not None and stat.session == leader.pid
        if in_session or process.environ_has(pid, TOKEN + token):
            found[pid] = Member(pid, stat.start_time)
    for pid in list(found):
        found.update((member.pid, member) for member in descendants(pid))
    return list(found.values())


def strangers(zygote: Member, runners: Container[Member]) -> list[Member]:
    """Children that a zygote got from dead runners, and everybody below them: all but its runners, what it has just
    forked (which is still in its own session), and daemons."""
    own = process.read_stat(zygote.pid)
    if own is None or own.start_time != zygote.start_time:
        return []
    found: list[Member] = []
    for pid in process.children(zygote.pid):
        stat = process.read_stat(pid)
        if stat is None or stat.dead or stat.session == own.session or _is_daemon(pid, stat):
            continue
        member = Member(pid, stat.start_time)
        if member not in runners:
            found.extend([member, *descendants(pid)])
    return found


def boot_clock() -> int:
    """Nanoseconds since the boot: the clock of start times."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def newborn(pid: int, before: int) -> Member:
    """The child that we have started since `before` by the boot clock. Its start time is known without a look at
    /proc (which is slow while the child executes its program) unless a tick has passed meanwhile. Never fails: where
    /proc cannot be read the later time is taken."""
    earliest, latest = before // _TICK_NS, boot_clock() // _TICK_NS
    if earliest == latest:
        return Member(pid, earliest)
    with contextlib.suppress(OSError):
        return Member(pid, start_time(pid))
    return Member(pid, latest)


def start_time(pid: int) -> int:
    """When this process, ours or our child and so surely there, was started (in ticks since the boot)."""
    stat = process.read_stat(pid)
    if stat is None:
        raise ProcessLookupError(pid)
    return stat.start_time


def identity(pid: int) -> Optional[Member]:
    """The process that has this pid now, unless it is dead."""
    stat = process.read_stat(pid)
    return None if stat is None or stat.dead else Member(pid, stat.start_time)


def open_member(member: Member) -> Optional[int]:
    """A pidfd of this very process; None when it is gone."""
    try:
        fd = process.open_pidfd(member.pid)
    except ProcessLookupError:
        return None
    stat = process.read_stat(member.pid)
    if stat is not None and stat.start_time == member.start_time:
        return fd
    os.close(fd)
    return None


def send(members: Iterable[Member], number: int) -> None:
    """Signal these, each if it is still the same process. A stopped one is woken first, so that it hears. Raises
    OSError for a number that is no signal."""
    for member in members:
        fd = open_member(member)
        if fd is not None:
            with _letting_go(fd):
                _wake(fd, member.pid)
                signal.pidfd_send_signal(fd, number)


def halt(members: Iterable[Member]) -> None:
    """Have these stand still, each if it is still the same process."""
    for member in members:
        _tell(member, signal.SIGSTOP)


def let_go_on(members: Iterable[Member]) -> None:
    """The opposite. It is also for one that does not stand still yet, and would otherwise come to it afterwards."""
    for member in members:
        _tell(member, signal.SIGCONT)


def wake(member: Member) -> None:
    """Let it go on, if somebody has stopped it."""
    fd = open_member(member)
    if fd is not None:
        with _letting_go(fd):
            _wake(fd, member.pid)


def _tell(member: Member, number: int) -> None:
    fd = open_member(member)
    if fd is not None:
        with _letting_go(fd):
            signal.pidfd_send_signal(fd, number)


def _wake(fd: int, pid: int) -> None:
    stat = process.read_stat(pid)
    if stat is not None and stat.state in "Tt":
        signal.pidfd_send_signal(fd, signal.SIGCONT)


@contextlib.contextmanager
def _letting_go(fd: int) -> Iterator[None]:
    """Close the pidfd at the end. Who is dead by now, or not ours to signal, is passed over."""
    try:
        yield
    except (ProcessLookupError, PermissionError):
        pass
    finally:
        os.close(fd)


def _is_daemon(pid: int, stat: process.Stat) -> bool:
    return stat.session == pid and process.command_line(pid) in DAEMONS and process.environ_has(pid, f"{MARK}=1")

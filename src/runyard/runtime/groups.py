"""The control groups of a runner, where the machine lets us make any (see `cgroup`); elsewhere this does nothing.

A runner enters a group of its own when it is born, so each command is born in it, at no cost and with no gap: after
the runner's death whoever is in that group is its family, whatever session or environment he has. The group also
holds the command to its CPUs. Memory is limited in a second group, that only the command is moved into: the kernel
must not choose the runner when it runs out. Moving costs more than a short command, so only who asks for a memory
limit is moved.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterable
from typing import Optional

from runyard.foreign import process
from runyard.runtime import family
from runyard.runtime.cgroup import CgroupTree, Group
from runyard.runtime.family import Member

LIMITED = "-job"
_NAME = re.compile(r"runner-([0-9]+)-([0-9]+)-([0-9]+)(-job)?")


class RunnerGroups:
    """Used by the runner itself."""

    def __init__(self, tree: Optional[CgroupTree], runner: Member) -> None:
        self._tree = tree
        self._name = _name(runner)
        self._own = tree.group(self._name) if tree is not None else None
        self._limited: Optional[Group] = None
        self._cpus = 0
        if self._own is not None:
            self.limit(1, 0)
            self._own.add(0)

    def limit(self, cpus: int, memory_mb: int) -> None:
        """Limits for the command that is started next."""
        if self._own is None or self._tree is None:
            return
        if cpus != self._cpus:
            self._own.limit(cpus, 0)
            self._cpus = cpus
        if memory_mb:
            self._limited = self._tree.group(self._name + LIMITED)
        if self._limited is not None:
            self._limited.limit(cpus, memory_mb)

    def take(self, pid: int) -> None:
        """The command has started: it, and what it has forked already, is held to its memory."""
        if self._limited is not None:
            self._limited.add(pid)
            for member in family.descendants(os.getpid()):
                if member.pid != pid:
                    self._limited.add(member.pid)

    def freeze(self, members: Iterable[Member]) -> Optional[list[Member]]:
        """Have these stand still as one, those too whom they start; who of them was not in it before. None: that cannot
        be done here."""
        if self._tree is None or not self._tree.freezes:
            return None
        if self._limited is None:
            self._limited = self._tree.group(self._name + LIMITED)
            if self._limited is None:
                return None
            self._limited.limit(self._cpus, 0)
        inside = set(self._limited.pids())
        new = [member for member in members if member.pid not in inside]
        for member in new:
            self._limited.add(member.pid)
        return new if self._limited.freeze(True) else None

    def thaw(self) -> None:
        """They go on."""
        if self._limited is not None:
            self._limited.freeze(False)

    def finish(self) -> bool:
        """The attempt is over. Whether the kernel has killed one of its processes for want of memory."""
        if self._limited is None:
            return False
        out_of_memory = self._limited.oom_kills() > 0
        self._limited.remove()
        self._limited = None
        return out_of_memory


def end_groups(tree: Optional[CgroupTree], runner: Member) -> list[Member]:
    """Kill whoever is left in the groups of a dead runner; who that is. Nobody: the groups are taken away. A daemon
    that has not left them (see `family.DAEMONS`) is spared."""
    left: list[Member] = []
    for name in (_name(runner), _name(runner) + LIMITED):
        group = tree.existing(name) if tree is not None else None
        if group is not None:
            pids = group.pids()
            found = family.kin(pids)
            if found and len(found) == len(pids):
                group.kill()
            family.send(found, signal.SIGKILL)
            left.extend(found)
            group.remove()
    return left


def sweep(tree: Optional[CgroupTree]) -> None:
    """Take away the empty groups of runners that are dead, whose zygotes could not do it any more."""
    for name in tree.names() if tree is not None else ():
        match = _NAME.fullmatch(name)
        if match and int(match.group(1)) == process.pid_namespace():
            runner = Member(int(match.group(2)), int(match.group(3)))
            group = tree.existing(name) if tree is not None and family.identity(runner.pid) != runner else None
            if group is not None:
                group.remove()


def _name(runner: Member) -> str:
    """Pids count in one namespace only."""
    return f"runner-{process.pid_namespace()}-{runner.pid}-{runner.start_time}"

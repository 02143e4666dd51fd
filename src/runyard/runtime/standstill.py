"""A pause: all processes of an attempt stand still, and later go on.

Where the kernel keeps our groups with its second freezer (cgroup v2), they are moved into the attempt's own group and
that is frozen: nobody in it can fork, and one that is killed still dies. Elsewhere each gets SIGSTOP. Both are done
again until a look finds nobody new: a process that was just about to fork leaves a child that has not heard of it. Who
does not stand still after some rounds (it waits for a disk) is looked at again later.
"""

from __future__ import annotations

from collections.abc import Callable

from runyard.foreign import process
from runyard.runtime import family
from runyard.runtime.family import Member
from runyard.runtime.groups import RunnerGroups

ROUNDS_AT_ONCE = 50
LOOK_AGAIN_S = 0.1
STOPPED = "Tt"

NEVER = float("inf")


class Standstill:
    """One pause. `due` is the monotonic time of the next look at who still runs."""

    def __init__(self, groups: RunnerGroups, members: Callable[[], list[Member]]) -> None:
        self._groups = groups
        self._members = members
        self.due = 0.0

    def look(self, now: float) -> None:
        """Have everybody stand still who does not yet."""
        for _ in range(ROUNDS_AT_ONCE):
            if not self._halt(self._members()):
                self.due = NEVER
                return
        self.due = now + LOOK_AGAIN_S

    def end(self) -> None:
        """Everybody goes on."""
        self._groups.thaw()
        family.let_go_on(self._members())

    def _halt(self, members: list[Member]) -> bool:
        """Whether somebody ran, and has been told now."""
        new = self._groups.freeze(members)
        if new is None:
            new = [member for member in members if _runs(member)]
            family.halt(new)
        return bool(new)


def _runs(member: Member) -> bool:
    stat = process.read_stat(member.pid)
    return stat is not None and not stat.dead and stat.state not in STOPPED and stat.start_time == member.start_time

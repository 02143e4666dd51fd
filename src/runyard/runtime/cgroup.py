"""Groups of processes that the kernel keeps for us: they limit an attempt's CPUs and memory, and end it as one.

The agent asks once for the tree (`CgroupTree.find`), the runner for a group per attempt. Everything here is a help that
may be missing: where groups cannot be made `find` and `group` give None, a limit that cannot be set is left out of
what `limit` returns, and nothing raises. All three layouts are known: v1, v2, and hybrid (limits by v1, kill by v2).

A process is added after it was started, or adds itself (pid 0); what it forked before stays outside. Under v2 a group
either holds processes or shares out controllers, never both; so in a group that systemd gave to us (Delegate=yes) we
move our own processes one down, into `main`; where it is somebody else's we take what is shared out there already.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Optional

from runyard.foreign.filesystem import Mount, is_below, mounts

PREFIX = "runyard-"
MAIN = "main"
CONTROLLERS = ("cpu", "memory", "pids")
KILLING = ("freezer", "pids", "memory", "cpu")
"""The v1 hierarchies by which a group is ended, best first: a frozen group cannot fork."""

PERIOD_US = 100_000
MB = 1024 * 1024
PASSES = 100
AT_ONCE = 200
"""How many processes are held by descriptor at a time."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


@dataclass(frozen=True)
class Place:
    """Where the caller stands in one hierarchy. `controllers` are those of v1; `top` is where it is mounted."""

    version: int
    controllers: frozenset[str]
    top: str
    own: str

    def upwards(self) -> Iterator[str]:
        """The caller's group and all above it that can be seen."""
        directory = self.own
        while is_below(directory, self.top):
            yield directory
            directory = os.path.dirname(directory)


def places(found: Optional[Sequence[Mount]] = None, groups: Optional[bytes] = None) -> list[Place]:
    """The caller's place in each hierarchy (named ones apart); none where /proc does not tell."""
    found = mounts() if found is None else found
    groups = _read("/proc/self/cgroup") if groups is None else groups
    kinds = {"cgroup": 1, "cgroup2": 2}
    wanted: dict[frozenset[str], Place] = {}
    for line in groups.splitlines():
        names, _, path = os.fsdecode(line).partition(":")[2].partition(":")
        controllers = frozenset(names.split(",")) - {""}
        if "=" in names or ".." in path.split("/"):  # a named hierarchy; a group outside of what we can see
            continue
        for mount in found:
            version = kinds.get(mount.kind, 0)
            fits = version == 2 if not controllers else version == 1 and controllers <= set(mount.options)
            if fits and controllers not in wanted and is_below(path, mount.root):
                own = os.path.normpath(os.path.join(mount.point, os.path.relpath(path, mount.root)))
                wanted[controllers] = Place(version, controllers, mount.point, own)
    return list(wanted.values())


class CgroupTree:
    """Where groups can be made. `controllers` says for the user what they do: "cgroup v1 cpu, memory; v2 kill"."""

    def __init__(self, legacy: dict[str, str], unified: str, shared: frozenset[str]) -> None:
        """`legacy` maps v1 controllers to directories; `unified` is the v2 directory, which shares out `shared`."""
        self.unified = unified
        self._shared = shared
        self._legacy = legacy

    @classmethod
    def find(cls) -> Optional[CgroupTree]:
        """The tree of this process, made ready for groups; None where it may not make any."""
        legacy: dict[str, str] = {}
        unified, shared = "", frozenset[str]()
        for place in places():
            if place.version == 2:
                unified, shared = _prepared(place)
            elif _writable(place.own):
                legacy.update((controller, place.own) for controller in place.controllers)
        usable = {controller: legacy[controller] for controller in (*CONTROLLERS, *KILLING) if controller in legacy}
        return cls(usable, unified, shared) if unified or usable else None

    @property
    def controllers(self) -> str:
        first = [name for name in CONTROLLERS if name in self._legacy and name != "pids"]
        second = [name for name in CONTROLLERS if name in self._shared and name not in (*first, "pids")]
        (second if self.unified else first).append("kill")
        told = [(1, first), (2, second)]
        return "cgroup " + "; ".join(f"v{version} {', '.join(names)}" for version, names in told if names)

    @property
    def freezes(self) -> bool:
        """Whether a group can stand still, and its processes be killed meanwhile (v1 cannot do both)."""
        return bool(self.unified)

    def group(self, name: str) -> Optional[Group]:
        """The group of this name, made if need be; None if it cannot be made."""
        group = self._named(name)
        return group if group.make() else None

    def existing(self, name: str) -> Optional[Group]:
        """The group of this name, if there is one."""
        group = self._named(name)
        return group if group.directories() else None

    def names(self) -> list[str]:
        """All groups that there are here now, whoever of ours made them."""
        found: set[str] = set()
        for directory in {self.unified, *self._legacy.values()} - {""}:
            with suppress(OSError):
                found.update(name[len(PREFIX) :] for name in os.listdir(directory) if name.startswith(PREFIX))
        return sorted(found)

    def place_of(self, controller: str) -> tuple[int, str]:
        """Version and directory by which a controller is used; (0, "") where it is not to be had."""
        if controller in self._legacy:
            return 1, self._legacy[controller]
        return (2, self.unified) if controller in self._shared else (0, "")

    def killing(self) -> tuple[int, str]:
        """Version and directory by which groups are ended."""
        if self.unified:
            return 2, self.unified
        return 1, next(self._legacy[controller] for controller in KILLING if controller in self._legacy)

    def _named(self, name: str) -> Group:
        if not _NAME.fullmatch(name):
            raise ValueError(f"not a name for a group: {name!r}")
        return Group(self, PREFIX + name)


class Group:
    """The processes of one attempt. It keeps nothing in memory: whoever knows the name has the same group."""

    def __init__(self, tree: CgroupTree, name: str) -> None:
        self._tree = tree
        self._name = name

    def make(self) -> bool:
        """Make it, so that it can be ended. Limits make more directories as they are set."""
        return bool(self._made(self._tree.killing()[1]))

    def directories(self) -> list[str]:
        """Those that it has now."""
        roots = {self._tree.killing()[1], *(self._tree.place_of(name)[1] for name in CONTROLLERS)} - {""}
        return [path for path in sorted(os.path.join(root, self._name) for root in roots) if os.path.isdir(path)]

    def limit(self, cpus: int, memory_mb: int) -> tuple[str, ...]:
        """At most so many CPUs and so much memory; 0 lifts a limit. Which of the two are limited now."""
        wanted = (("cpu", self._limit_cpus, cpus), ("memory", self._limit_memory, memory_mb))
        return tuple(name for name, set_limit, most in wanted if set_limit(most) and most > 0)

    def pids_max(self, most: int) -> int:
        """At most so many processes and threads; what the kernel says that it took (0: it took nothing)."""
        _, directory = self._controlled("pids")
        if not directory or not _write(f"{directory}/pids.max", str(most)):
            return 0
        taken = _read(f"{directory}/pids.max").strip()
        return int(taken) if taken.isdigit() else 0

    def add(self, pid: int) -> bool:
        """Put a process (0: the caller) into it, with all that it forks from now on. False: not everywhere."""
        put = [_write(f"{directory}/cgroup.procs", str(pid)) for directory in self.directories()]
        return all(put)

    def pids(self) -> list[int]:
        """Who is in it now, groups below it included. The dead are not."""
        return _pids(self._ending()[1])

    def populated(self) -> bool:
        """Whether anybody is left in it."""
        version, directory = self._ending()
        events = _counts(f"{directory}/cgroup.events") if version == 2 else {}
        return bool(events.get("populated")) if events else bool(_pids(directory))

    def kill(self) -> None:
        """SIGKILL for everybody in it, who forks meanwhile included. They are dead when it is no longer `populated`."""
        version, directory = self._ending()
        if version == 2 and _write(f"{directory}/cgroup.kill", "1"):
            return
        freezer, frozen, thawed = _FREEZERS[version]
        _write(f"{directory}/{freezer}", frozen)
        struck: set[int] = set()
        for _ in range(PASSES):
            left = [pid for pid in _pids(directory) if pid not in struck]
            if not left:
                break
            for start in range(0, len(left), AT_ONCE):
                _strike(directory, left[start : start + AT_ONCE])
            struck.update(left)
        _write(f"{directory}/{freezer}", thawed)

    def freeze(self, still: bool) -> bool:
        """Have everybody in it stand still, or go on (v2). False: the kernel does not do that."""
        return _write(f"{self._ending()[1]}/{_FREEZERS[2][0]}", _FREEZERS[2][1 if still else 2])

    def oom_kills(self) -> int:
        """How many of its processes the kernel has killed for want of memory."""
        version, root = self._tree.place_of("memory")
        file = {1: "memory.oom_control", 2: "memory.events"}.get(version, "")
        return _counts(os.path.join(root, self._name, file)).get("oom_kill", 0) if file else 0

    def remove(self) -> bool:
        """Take it away, groups below it included. False: somebody is still in it."""
        for directory in self.directories():
            for below, _, _ in os.walk(directory, topdown=False):
                with suppress(OSError):
                    os.rmdir(below)
        return not self.directories()

    def _limit_cpus(self, cpus: int) -> bool:
        version, directory = self._controlled("cpu", make=cpus > 0)
        quota = str(cpus * PERIOD_US)
        if version == 2:
            return _write(f"{directory}/cpu.max", f"{quota if cpus else 'max'} {PERIOD_US}")
        period_set = version == 1 and _write(f"{directory}/cpu.cfs_period_us", str(PERIOD_US))
        return period_set and _write(f"{directory}/cpu.cfs_quota_us", quota if cpus else "-1")

    def _limit_memory(self, memory_mb: int) -> bool:
        """Memory, and no swap beyond it where swap is counted."""
        version, directory = self._controlled("memory", make=memory_mb > 0)
        most = str(memory_mb * MB)
        if version == 2:
            _write(f"{directory}/memory.swap.max", "0" if memory_mb else "max")
            return _write(f"{directory}/memory.max", most if memory_mb else "max")
        if version == 0:
            return False
        _write(f"{directory}/memory.memsw.limit_in_bytes", "-1")  # never less than the other one, whatever that was
        taken = _write(f"{directory}/memory.limit_in_bytes", most if memory_mb else "-1")
        if taken and memory_mb:
            _write(f"{directory}/memory.memsw.limit_in_bytes", most)
        return taken

    def _controlled(self, controller: str, make: bool = True) -> tuple[int, str]:
        """Version and the group's directory for a controller; (0, "") without it, or where there is none to be made."""
        version, root = self._tree.place_of(controller)
        if not version or not (make or os.path.isdir(os.path.join(root, self._name))):
            return 0, ""
        return version, self._made(root)

    def _ending(self) -> tuple[int, str]:
        version, root = self._tree.killing()
        return version, os.path.join(root, self._name)

    def _made(self, root: str) -> str:
        directory = os.path.join(root, self._name)
        try:
            os.mkdir(directory)
        except FileExistsError:
            pass
        except OSError:
            return ""
        return directory


_FREEZERS = {1: ("freezer.state", "FROZEN", "THAWED"), 2: ("cgroup.freeze", "1", "0")}
"""File and words by which a group is stopped and goes on."""


def leave() -> bool:
    """Take this process out of the groups of any attempt: what it starts now outlives that. False: it could not."""
    left = [_left(place) for place in places()]
    return all(left)


def _left(place: Place) -> bool:
    above = [os.path.dirname(path) for path in place.upwards() if os.path.basename(path).startswith(PREFIX)]
    if not above:
        return True
    outside = above[-1]
    if _write(f"{outside}/cgroup.procs", "0"):
        return True
    with suppress(FileExistsError):
        os.mkdir(os.path.join(outside, MAIN))
    return _write(f"{outside}/{MAIN}/cgroup.procs", "0")


def _prepared(place: Place) -> tuple[str, frozenset[str]]:
    """The v2 group below which ours are made, and the controllers that it shares out; ("", none) if there is none."""
    if not _writable(place.own):
        return "", frozenset()
    base = next((path for path in _writable_upwards(place) if _may_share(path)), place.own)
    if _is_root(base) or _delegated(base):
        _vacate(base)
        for controller in CONTROLLERS:
            _write(f"{base}/cgroup.subtree_control", f"+{controller}")
    return base, frozenset(_read(f"{base}/cgroup.subtree_control").decode("ascii").split())


def _writable_upwards(place: Place) -> Iterator[str]:
    """From the caller's group upwards, as far as it may move processes."""
    for directory in place.upwards():
        if not _writable(directory):
            return
        yield directory


def _may_share(directory: str) -> bool:
    """Whether controllers are, or can be, shared out there."""
    return _is_root(directory) or _delegated(directory) or not _read(f"{directory}/cgroup.procs").strip()


def _is_root(directory: str) -> bool:
    """Whether it is the root of all groups, to which the rule about processes does not apply."""
    return not os.path.exists(f"{directory}/cgroup.type")


def _delegated(directory: str) -> bool:
    """Whether it is ours to rule: systemd says so, or ours ends there (what an older systemd leaves to see)."""
    for name in ("user.delegate", "trusted.delegate"):
        with suppress(OSError):
            if os.getxattr(directory, name) == b"1":
                return True
    return os.geteuid() != 0 and not _writable(os.path.dirname(directory))


def _vacate(directory: str) -> None:
    """Move the processes of a group that was given to us into `main` below it."""
    if _is_root(directory) or not _read(f"{directory}/cgroup.procs").strip():
        return
    with suppress(OSError):
        os.mkdir(os.path.join(directory, MAIN))
    for _ in range(PASSES):
        left = _read(f"{directory}/cgroup.procs").decode("ascii").split()
        moved = [_write(f"{directory}/{MAIN}/cgroup.procs", pid) for pid in left]
        if not any(moved):
            return


def _writable(directory: str) -> bool:
    return os.access(directory, os.W_OK | os.X_OK) and os.access(f"{directory}/cgroup.procs", os.W_OK)


def _pids(directory: str) -> list[int]:
    """The processes of a group and of all below it. 0 is somebody of another pid namespace, whom nobody can name."""
    found = [int(pid) for below, _, _ in os.walk(directory) for pid in _read(f"{below}/cgroup.procs").split()]
    return [pid for pid in found if pid]


def _strike(directory: str, pids: Sequence[int]) -> None:
    """Kill these, each only if it is in the group after we have got hold of it: a pid may be another's by now."""
    held: dict[int, int] = {}
    for pid in pids:
        with suppress(ProcessLookupError):
            held[pid] = os.pidfd_open(pid)
    members = set(_pids(directory))
    for pid, pidfd in held.items():
        with suppress(ProcessLookupError, PermissionError):
            if pid in members:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        os.close(pidfd)


def _counts(path: str) -> dict[str, int]:
    """A file with a name and a number on each line."""
    pairs = (line.split() for line in _read(path).decode("ascii", "replace").splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _read(path: str) -> bytes:
    """The file, or nothing where it cannot be read."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.readall()
    except OSError:
        return b""


def _write(path: str, text: str) -> bool:
    """Whether the kernel took this value. A file that is not there is not made."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(file, text.encode("ascii"))
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(file)

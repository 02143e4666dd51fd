"""Where groups can be made: from the mount tables of real kinds of machines, and in imitated v2 trees."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from runyard.foreign.filesystem import parse_mounts
from runyard.runtime import cgroup
from runyard.runtime.cgroup import CgroupTree, Place, places

V2 = b"""25 30 0:23 / /sys rw - sysfs sysfs rw
35 25 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate
"""
V1 = b"""25 30 0:23 / /sys rw - sysfs sysfs rw
26 25 0:24 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755
27 26 0:25 / /sys/fs/cgroup/systemd rw shared:10 - cgroup cgroup rw,xattr,name=systemd
28 26 0:26 / /sys/fs/cgroup/cpu,cpuacct rw shared:11 - cgroup cgroup rw,cpuacct,cpu
29 26 0:27 / /sys/fs/cgroup/memory rw shared:12 - cgroup cgroup rw,memory
"""
HYBRID = V1 + b"30 26 0:28 / /sys/fs/cgroup/unified rw,nosuid shared:13 - cgroup2 cgroup2 rw\n"
DOCKER_V1 = b"""40 39 0:27 /docker/abc /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory
41 39 0:26 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro,nosuid - cgroup cgroup rw,cpu,cpuacct
"""


def found(mounts: bytes, groups: bytes) -> list[Place]:
    return places(parse_mounts(mounts.splitlines()), groups)


def where(mounts: bytes, groups: bytes) -> dict[str, str]:
    return {",".join(sorted(place.controllers)): place.own for place in found(mounts, groups)}


class TestPlaces:
    def test_v2(self) -> None:
        (place,) = found(V2, b"0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope\n")
        assert place == Place(
            version=2,
            controllers=frozenset(),
            top="/sys/fs/cgroup",
            own="/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope",
        )
        assert list(place.upwards())[-2:] == ["/sys/fs/cgroup/user.slice", "/sys/fs/cgroup"]

    def test_v1(self) -> None:
        groups = b"4:memory:/user.slice/anna\n3:cpu,cpuacct:/user.slice\n1:name=systemd:/user.slice/x.scope\n"
        assert where(V1, groups) == {
            "memory": "/sys/fs/cgroup/memory/user.slice/anna",
            "cpu,cpuacct": "/sys/fs/cgroup/cpu,cpuacct/user.slice",
        }

    def test_hybrid(self) -> None:
        groups = b"4:memory:/\n3:cpu,cpuacct:/\n1:name=systemd:/a\n0::/a\n"
        assert where(HYBRID, groups) == {
            "memory": "/sys/fs/cgroup/memory",
            "cpu,cpuacct": "/sys/fs/cgroup/cpu,cpuacct",
            "": "/sys/fs/cgroup/unified/a",
        }

    def test_a_container_sees_its_part_alone(self) -> None:
        groups = b"4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc/below\n"
        assert where(DOCKER_V1, groups) == {
            "memory": "/sys/fs/cgroup/memory",
            "cpu,cpuacct": "/sys/fs/cgroup/cpu,cpuacct/below",
        }

    @pytest.mark.parametrize("groups", [b"4:memory:/docker/abcd\n", b"4:memory:/\n", b"0::/../else\n", b"0::/..\n"])
    def test_a_group_that_cannot_be_seen(self, groups: bytes) -> None:
        assert where(DOCKER_V1 + V2, groups) == {}

    @pytest.mark.parametrize("groups", [b"", b"nonsense\n", b"::\n:\n"])
    def test_nonsense(self, groups: bytes) -> None:
        assert where(V1, groups) == {}
        assert where(b"", b"0::/\n") == {}


Machine = Callable[[str, str], Path]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Imitate a v2 machine: the caller's group, and down from where it may write; where the groups are."""

    def make(own: str, mine_from: str) -> Path:
        top = tmp_path / "top"
        for path in [top, *(top / part for part in _growing(own))]:
            make_group(path, root=path == top)
        monkeypatch.setattr(cgroup, "_writable", lambda path: f"{path}/".startswith(f"{top / mine_from}/"))
        monkeypatch.setattr(cgroup, "places", lambda: [Place(2, frozenset(), str(top), str(top / own))])
        (top / own / "cgroup.procs").write_text("123\n")
        return top

    return make


def make_group(path: Path, root: bool = False) -> None:
    path.mkdir()
    names = ["cgroup.procs", "cgroup.kill", "cgroup.events", "cgroup.subtree_control", "cpu.max", "memory.max"]
    for name in names + ([] if root else ["cgroup.type"]):
        (path / name).touch()


def _growing(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


class TestV2:
    def test_in_a_scope_below_a_users_slice_the_slice_is_used(self, machine: Machine) -> None:
        top = machine("user/service/app.slice/x.scope", "user/service")
        (top / "user/service/app.slice/cgroup.subtree_control").write_text("memory pids\n")
        tree = CgroupTree.find()
        assert tree is not None
        assert tree.unified == str(top / "user/service/app.slice")
        assert tree.controllers == "cgroup v2 memory, kill"
        assert (top / "user/service/app.slice/cgroup.subtree_control").read_text() == "memory pids\n"

    def test_nothing_is_moved_in_what_is_not_ours(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        top = machine("user/service/app.slice/x.scope", "user/service/app.slice/x.scope")
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        tree = CgroupTree.find()
        assert tree is not None
        assert tree.unified == str(top / "user/service/app.slice/x.scope")
        assert tree.controllers == "cgroup v2 kill"
        assert not (top / "user/service/app.slice/x.scope/main").exists()

    def test_where_our_rights_end_an_older_systemd_gave_it_to_us(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        top = machine("system/runyard.service", "system/runyard.service")
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        assert CgroupTree.find() is not None
        assert (top / "system/runyard.service/main").is_dir()

    def test_what_systemd_gave_to_us_is_made_ready(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        top = machine("system/runyard.service", "system/runyard.service")
        own = top / "system/runyard.service"
        monkeypatch.setattr(os, "getxattr", lambda path, name: _delegates(path, name, own))
        (own / "cgroup.subtree_control").write_text("")
        make_group(own / "main")
        tree = CgroupTree.find()
        assert tree is not None
        assert tree.unified == str(own)
        assert (own / "main/cgroup.procs").read_text() == "123"
        assert (own / "cgroup.subtree_control").read_text() == "+pids"  # each word is a write of its own

    def test_limits(self, machine: Machine) -> None:
        top = machine("app.slice/x.scope", "app.slice")
        (top / "app.slice/cgroup.subtree_control").write_text("cpu memory\n")
        make_group(top / "app.slice/runyard-1.1")
        tree = CgroupTree.find()
        assert tree is not None
        assert tree.controllers == "cgroup v2 cpu, memory, kill"
        group = tree.group("1.1")
        assert group is not None
        assert group.limit(3, 64) == ("cpu", "memory")
        assert (top / "app.slice/runyard-1.1/cpu.max").read_text() == "300000 100000"
        assert (top / "app.slice/runyard-1.1/memory.max").read_text() == str(64 * 2**20)
        assert not (top / "app.slice/runyard-1.1/memory.swap.max").exists()
        assert group.limit(0, 0) == ()
        assert (top / "app.slice/runyard-1.1/cpu.max").read_text() == "max 100000"
        assert (top / "app.slice/runyard-1.1/memory.max").read_text() == "max"
        (top / "app.slice/runyard-1.1/memory.events").write_text("low 0\nhigh 0\nmax 9\noom 2\noom_kill 2\n")
        assert group.oom_kills() == 2
        group.kill()
        assert (top / "app.slice/runyard-1.1/cgroup.kill").read_text() == "1"
        (top / "app.slice/runyard-1.1/cgroup.events").write_text("populated 1\nfrozen 0\n")
        assert group.populated()
        (top / "app.slice/runyard-1.1/cgroup.events").write_text("populated 0\nfrozen 0\n")
        assert not group.populated()

    def test_not_ours_at_all(self, machine: Machine) -> None:
        machine("user/session-1.scope", "elsewhere")
        assert CgroupTree.find() is None


def _delegates(path: str, name: str, own: Path) -> bytes:
    if name == "user.delegate" and path == str(own):
        return b"1"
    raise OSError


def test_without_any_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "mounts", lambda: [])
    assert CgroupTree.find() is None
    assert cgroup.leave()

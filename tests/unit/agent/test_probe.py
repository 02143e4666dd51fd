"""How much of a machine may be used: whole ones, containers, slices of others."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional

import pytest

from runyard.agent import probe
from runyard.agent.probe import cpu_list, host_id, usable_cpus, usable_memory_mb
from runyard.runtime.cgroup import Place

GB = 1024**3


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 16 CPUs and 64 GB, whose first process may use all; our shell left us 2 CPUs."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)) if pid == 1 else {0, 1})
    monkeypatch.setattr(probe, "_total_memory", lambda: 64 * GB)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "top" / "own").mkdir(parents=True)
    return Place(2, frozenset(), str(tmp_path / "top"), str(tmp_path / "top" / "own"))


class TestCpus:
    def test_a_whole_machine(self, place: Place) -> None:
        assert usable_cpus([]) == 16
        assert usable_cpus([place]) == 16

    def test_without_the_first_process(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def hidden(pid: int) -> set[int]:
            if pid == 1:
                raise PermissionError
            return {0, 1, 2}

        monkeypatch.setattr(os, "sched_getaffinity", hidden)
        assert usable_cpus([]) == 3

    @pytest.mark.parametrize(
        ("where", "file", "content", "cpus"),
        [
            ("own", "cpuset.cpus.effective", "0-3,8", 5),
            (".", "cpuset.cpus.effective", "0-3,8", 5),
            ("own", "cpuset.effective_cpus", "0-31", 16),
            ("own", "cpuset.cpus.effective", "", 16),
            ("own", "cpu.max", "350000 100000", 4),
            (".", "cpu.max", "50000 100000", 1),
            ("own", "cpu.max", "max 100000", 16),
            ("own", "cpu.max", "nonsense", 16),
        ],
    )
    def test_a_group_that_is_limited(self, place: Place, where: str, file: str, content: str, cpus: int) -> None:
        Path(place.top, where, file).write_text(content + "\n")
        assert usable_cpus([place]) == cpus

    @pytest.mark.parametrize(("quota", "cpus"), [("250000", 3), ("-1", 16)])
    def test_a_v1_quota(self, place: Place, quota: str, cpus: int) -> None:
        Path(place.own, "cpu.cfs_quota_us").write_text(quota)
        Path(place.own, "cpu.cfs_period_us").write_text("100000")
        assert usable_cpus([place]) == cpus

    @pytest.mark.parametrize(
        ("text", "expected"),
        [("", []), ("5", [5]), ("0-2", [0, 1, 2]), ("0-1,4, 6-7", [0, 1, 4, 6, 7]), ("x", []), ("1-x", [1])],
    )
    def test_lists(self, text: str, expected: list[int]) -> None:
        assert cpu_list(text) == expected


class TestMemory:
    def test_a_whole_machine(self, place: Place) -> None:
        assert usable_memory_mb([]) == 64 * 1024
        assert usable_memory_mb([place]) == 64 * 1024

    @pytest.mark.parametrize("file", ["memory.max", "memory.limit_in_bytes"])
    @pytest.mark.parametrize("where", ["own", "."])
    @pytest.mark.parametrize(
        ("limit", "memory_mb"), [(str(8 * GB), 8192), ("max", 65_536), ("9223372036854771712", 65_536)]
    )
    def test_a_group_that_is_limited(self, place: Place, file: str, where: str, limit: str, memory_mb: int) -> None:
        Path(place.top, where, file).write_text(limit + "\n")
        assert usable_memory_mb([place]) == memory_mb


class TestHostId:
    MACHINE = "0123456789abcdef0123456789abcdef"

    @staticmethod
    def id_with(tmp_path: Path, machine_id: Optional[str], name: str = "kept") -> str:
        file = tmp_path / "machine-id"
        file.unlink() if file.exists() else None
        if machine_id is not None:
            file.write_text(machine_id)
        return host_id(str(tmp_path / "locks" / name), str(file))

    def test_from_the_machine(self, tmp_path: Path) -> None:
        first = self.id_with(tmp_path, self.MACHINE + "\n")
        assert first == self.id_with(tmp_path, self.MACHINE + "\n", "other")
        assert first != self.id_with(tmp_path, "f" * 32)
        assert len(first) == 16
        assert set(first) <= set("0123456789abcdef")
        assert not (tmp_path / "locks").exists()

    def test_the_same_image_on_two_hosts(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        first = self.id_with(tmp_path, self.MACHINE)
        monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "another", "6", "1", "x86_64")))
        assert first != self.id_with(tmp_path, self.MACHINE)

    @pytest.mark.parametrize("machine_id", [None, "", "uninitialized\n", "0" * 31])
    def test_kept_where_the_machine_has_none(self, tmp_path: Path, machine_id: Optional[str]) -> None:
        first = self.id_with(tmp_path, machine_id)
        assert first == self.id_with(tmp_path, machine_id)
        assert first != self.id_with(tmp_path, machine_id, "other")
        assert sorted(path.name for path in (tmp_path / "locks").iterdir()) == ["kept", "other"]


def test_the_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    host = probe.Machine("host").look()
    assert (host.id, host.name) == ("host", os.uname().nodename)
    assert 1 <= host.cpus <= (os.cpu_count() or 1)
    assert host.memory_mb > 100
    assert host.limits == "accounted" or host.limits.startswith("cgroup v")
    assert host.looked_at > 0

"""Kinds of file systems, from mount tables of real machines."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runyard.foreign import filesystem
from runyard.foreign.filesystem import Mount, free_mb, is_below, is_network, kind_of, parse_mounts

LAB = rb"""22 27 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:13 - proc proc rw
27 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw,errors=remount-ro
95 27 0:44 / /home rw,relatime shared:48 - autofs systemd-1 rw,fd=57,pgrp=1,timeout=0,minproto=5,maxproto=5,direct
120 95 0:61 / /home rw,relatime shared:50 - nfs4 nas:/export/home rw,vers=4.2,hard,proto=tcp
130 27 0:70 / /home/anna/local\040disk rw,relatime - xfs /dev/sdb1 rw
131 27 0:71 /deep/er /scratch rw,relatime master:3 propagate_from:2 - lustre 10.0.0.1@o2ib:/work rw,flock
132 27 0:72 / /mnt/remote rw,nosuid,nodev - fuse.sshfs anna@gpu1:/data rw,user_id=1000
133 27 0:73 / /mnt/crypt rw - fuse.gocryptfs /x rw
134 27 0:74 / /mnt/windows rw - fuseblk /dev/sda3 rw
135 27 0:75 / /mnt/unknown rw - fuse.something x rw
136 27 0:76 / /tmp rw - tmpfs tmpfs rw
137 27 0:77 / /var/lib/docker/x rw - overlay overlay rw,lowerdir=/a:/b
this is no line
"""


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with these mounts, where every path exists."""
    monkeypatch.setattr(filesystem, "mounts", lambda: parse_mounts(LAB.splitlines()))
    monkeypatch.setattr(filesystem, "_existing", lambda path: path)


@pytest.mark.usefixtures("lab")
class TestKinds:
    @pytest.mark.parametrize(
        ("path", "kind", "network"),
        [
            ("/var/lib/x", "ext4", False),
            ("/", "ext4", False),
            ("/home/anna/.runyard", "nfs4", True),
            ("/home", "nfs4", True),
            ("/homestead", "ext4", False),
            ("/home/anna/local disk/a", "xfs", False),
            ("/scratch/anna", "lustre", True),
            ("/mnt/remote/a", "fuse.sshfs", True),
            ("/mnt/crypt/a", "fuse.gocryptfs", False),
            ("/mnt/windows/a", "fuseblk", False),
            ("/mnt/unknown/a", "fuse.something", True),
            ("/tmp/a", "tmpfs", False),
            ("/var/lib/docker/x/y", "overlay", False),
        ],
    )
    def test_by_the_nearest_and_latest_mount(self, path: str, kind: str, network: bool) -> None:
        assert kind_of(path) == kind
        assert is_network(path) is network


class TestMounts:
    def test_fields(self) -> None:
        found = parse_mounts(LAB.splitlines())
        assert len(found) == 12
        assert found[5] == Mount("/deep/er", "/scratch", "lustre", ("rw", "flock"))

    def test_without_proc(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(filesystem, "mounts", lambda: [])
        assert kind_of("/") == ""
        assert not is_network("/")


class TestHere:
    def test_proc(self) -> None:
        assert kind_of("/proc/self") == "proc"

    def test_symlinks_are_followed(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("/proc")
        assert kind_of(str(tmp_path / "link" / "none" / "at" / "all")) == "proc"

    def test_free(self, tmp_path: Path) -> None:
        found = os.statvfs(tmp_path)
        free = free_mb(str(tmp_path / "not" / "yet"))
        assert 0 < free <= found.f_blocks * found.f_frsize // 2**20

    @pytest.mark.parametrize(("files", "left", "free"), [(100, 5, 2), (100, 0, 0), (0, 0, 2)])
    def test_without_an_inode_nothing_is_free(
        self, files: int, left: int, free: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answer = os.statvfs_result((4096, 4096, 9000, 700, 512, files, left, left, 0, 255))
        monkeypatch.setattr(os, "statvfs", lambda path: answer)
        assert free_mb("/") == free


def test_is_below() -> None:
    assert is_below("/a/b", "/a")
    assert is_below("/a", "/a")
    assert is_below("/a", "/")
    assert not is_below("/ab", "/a")


def test_a_file_is_put_whole_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "note"
    path.write_text("an older one, and longer")
    path.chmod(0o666)
    with path.open() as reading:
        filesystem.put(str(path), b"new")
        assert reading.read() == "an older one, and longer", "who reads it still has all of it"
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o600)
    assert os.listdir(tmp_path) == ["note"]


def test_a_file_that_cannot_be_put_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "note"
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        filesystem.put(str(path), b"new")
    assert os.listdir(tmp_path) == ["note"]


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    path, other = tmp_path / "note", tmp_path / "other"
    other.write_bytes(b"mine")
    path.symlink_to(other)
    filesystem.put(str(path), b"new")
    assert (path.is_symlink(), path.read_bytes(), other.read_bytes()) == (False, b"new", b"mine")

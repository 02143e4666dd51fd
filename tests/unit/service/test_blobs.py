"""Environments and scripts by hash: private, durable, and nothing but what their name says."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path

import pytest

from runyard.errors import InvalidSpec, NotFound, StorageFull
from runyard.service.blobs import Blobs


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(str(tmp_path / "blobs"))


@pytest.mark.parametrize("data", [b"", b"\0\xff", os.urandom(300_000)])
def test_there_and_back(blobs: Blobs, data: bytes) -> None:
    assert blobs.get(blobs.put(data)) == data


def test_private_whatever_the_umask_is(blobs: Blobs, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        name = blobs.put(b"TOKEN=secret")
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(tmp_path / "blobs").st_mode) == 0o700
    assert stat.S_IMODE(os.stat(tmp_path / "blobs" / name).st_mode) == 0o600


def test_the_same_is_kept_once(blobs: Blobs, tmp_path: Path) -> None:
    name = blobs.put(b"x")
    assert blobs.put(b"x") == name
    assert os.listdir(tmp_path / "blobs") == [name]


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/etc/passwd", "A" * 64, "0" * 63, "0" * 65, "0" * 64 + "\n"])
def test_what_is_no_name(blobs: Blobs, name: str) -> None:
    with pytest.raises(InvalidSpec):
        blobs.get(name)


def test_one_that_is_not_there(blobs: Blobs) -> None:
    with pytest.raises(NotFound):
        blobs.get("0" * 64)


def test_a_link_is_not_followed(blobs: Blobs, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"s")
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / ("0" * 64)).symlink_to(tmp_path / "secret")
    with pytest.raises(NotFound):
        blobs.get("0" * 64)


def test_one_that_was_cut_short_is_written_anew(blobs: Blobs, tmp_path: Path) -> None:
    """What an older crash left under this name is not what the name says."""
    name = hashlib.sha256(b"the whole of it").hexdigest()
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / name).write_bytes(b"")
    assert blobs.put(b"the whole of it") == name
    assert blobs.get(name) == b"the whole of it"


def test_a_full_disk_leaves_nothing_behind(blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageFull, match="No space"):
            blobs.put(b"x")
    assert os.listdir(tmp_path / "blobs") == []
    blobs.get(blobs.put(b"x"))

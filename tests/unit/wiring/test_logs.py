"""Logs that have grown large, under a process that goes on writing."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from runyard.settings import Home
from runyard.wiring import logs
from runyard.wiring.logs import cap, cap_all


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LOG_MAX_BYTES", 1_000)


def test_its_end_is_kept_and_its_writer_begins_anew(tmp_path: Path) -> None:
    path, older = tmp_path / "server.log", tmp_path / "server.log.1"
    writer = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(writer, b"first\n" + b"x" * 5_000 + b"last\n")
    cap(str(path))
    os.write(writer, b"next\n")
    assert path.read_bytes() == b"next\n"
    assert older.read_bytes() == b"x" * 995 + b"last\n"
    assert stat.S_IMODE(older.stat().st_mode) == 0o600
    os.write(writer, b"y" * 2_000)
    cap(str(path))
    os.close(writer)
    assert older.read_bytes() == b"y" * 1_000
    assert path.read_bytes() == b""
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["server.log", "server.log.1"]


def test_a_small_one_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    path.write_bytes(b"x" * 1_000)
    cap(str(path))
    cap(str(tmp_path / "none.log"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["server.log"]
    assert path.stat().st_size == 1_000


def test_nothing_is_thrown_away_that_cannot_be_copied(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    home = Home(str(tmp_path))
    Path(home.logs).mkdir()
    for process in logs.PROCESSES:
        Path(home.log(process)).write_bytes(b"x" * 2_000)
    Path(home.log("agent") + ".1").mkdir()
    cap_all(home)
    assert [Path(home.log(process)).stat().st_size for process in logs.PROCESSES] == [0, 2_000, 0]
    assert "agent.log cannot be cut" in caplog.text
    assert not Path(home.log("agent") + ".1.new").exists()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_bytes(b"x" * 2_000)
    (tmp_path / "server.log").symlink_to(mine)
    with pytest.raises(OSError, match=r"server\.log"):
        cap(str(tmp_path / "server.log"))
    assert mine.stat().st_size == 2_000

"""The keeper ends when it is told to, whatever cannot be had."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from runyard.foreign.lasting import lasting
from runyard.settings import Home
from runyard.wiring.keeper import Keeper

WAIT_S = 30.0


def test_too_many_open_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(pid: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "pidfd_open", none_left)
    keeper = Keeper(Home(str(tmp_path)), {})
    monkeypatch.setattr(keeper, "_look", lambda: setattr(keeper, "_agent", os.getpid()))
    thread = lasting("agent", keeper.run, again_s=0.0)
    thread.start()
    keeper.end()
    thread.join(WAIT_S)
    assert not thread.is_alive()

"""Whoever has a home can write any pid into its lock: only a process of that account is ended for it."""

from __future__ import annotations

import os
import pwd
import signal
from pathlib import Path

import pytest

from runyard.errors import NotAllowed
from runyard.settings import Settings
from runyard.wiring.cli import stop_server
from runyard.wiring.home import home_at, prepare, server_lock


def test_a_process_of_another_account_is_not_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = prepare(home_at(str(tmp_path / "home")))
    lock = server_lock(home)
    assert lock.take()
    signals: list[int] = []
    monkeypatch.setattr(signal, "pidfd_send_signal", lambda descriptor, number: signals.append(number))
    other = next(entry.pw_name for entry in pwd.getpwall() if entry.pw_uid != os.getuid())
    with pytest.raises(NotAllowed, match=f"names pid {os.getpid()}, a process of another account: not ended"):
        stop_server(Settings(home=home.root), other)
    lock.release()
    assert signals == []

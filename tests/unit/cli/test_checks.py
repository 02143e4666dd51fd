"""`doctor`: a server that holds its home and does not answer, and a database where others tidy up."""

from __future__ import annotations

from pathlib import Path

import pytest

from runyard.cli.checks import Seen, Verdict, cleaned, server
from runyard.settings import Home, Settings


def seen(home: Home, on_network: bool = True, holder: int | None = None) -> Seen:
    return Seen(Settings(home.root), home, 0.0, "1", 9_999, on_network, 1_000, holder=holder)


@pytest.mark.parametrize("below", ["/var/tmp", "/tmp"])
def test_a_database_that_is_tidied_away(below: str) -> None:
    place = f"{below}/runyard-1000-0123456789ab"
    (verdict,) = cleaned(seen(Home("/nfs/me/yard", place)))
    assert (verdict.check, verdict.verdict) == ("home", "warn")
    assert below in verdict.message and f"x {place}" in verdict.advice


@pytest.mark.parametrize("local", ["/var/tmpfiles/x", "/scratch/me", "/var/lib/tmp"])
def test_a_database_that_stays(local: str) -> None:
    assert list(cleaned(seen(Home("/nfs/me/yard", local)))) == []
    assert list(cleaned(seen(Home("/tmp/mine"), on_network=False))) == []


def test_a_server_that_does_not_answer(tmp_path: Path) -> None:
    home = Home(str(tmp_path))
    verdict = server(seen(home, holder=4711))
    assert verdict.verdict == "fail"
    assert "pid 4711" in verdict.message and home.server_socket in verdict.message
    assert server(seen(home)) == Verdict(
        "server", "warn", "none runs", "the next `ry submit` starts one, or `ry server start`"
    )

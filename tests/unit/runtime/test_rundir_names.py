"""Names are made of integers alone."""

from __future__ import annotations

import pytest

from runyard.runtime.rundir import RunDirs


def test_where_everything_is() -> None:
    dirs = RunDirs("/home/runs", "host-1")
    live, done = dirs.live(12345, 2), dirs.done(12345, 2)
    assert live.path == "/home/runs/host-1/live/12345.2"
    assert (live.run, live.output) == (live.path + "/run", live.path + "/output.log")
    assert done.path == "/home/runs/host-1/done/12/12345.2"


@pytest.mark.parametrize("host_id", ["", ".", "..", "a/b", "../up", "a\n", "a b", "-x", "x" * 65])
def test_a_host_id_is_checked(host_id: str) -> None:
    with pytest.raises(ValueError, match="not a host id"):
        RunDirs("/home/runs", host_id)


@pytest.mark.parametrize("job", ["../1", "1/2", 1.5])
def test_only_integers(job: object) -> None:
    with pytest.raises(ValueError, match="format code"):
        RunDirs("/home/runs", "host").live(job, 1)  # type: ignore[arg-type]  # that is the point

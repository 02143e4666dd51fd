"""A disk that is full: nothing new is accepted, what runs goes on to its true end, and with space all goes on.

The home lies on a small file system of its own (a tmpfs, which only root may mount).
"""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runyard.errors import StorageFull
from tests.harness import processes
from tests.harness.yard import Bell, Gate, Yard

SIZE_MB = 96
MB = 1024 * 1024


class Disk:
    """A small file system, and a file that fills it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def fill(self, leave_mb: int = 0) -> None:
        """Take all space but this."""
        stat = os.statvfs(self.path)
        free = stat.f_bavail * stat.f_frsize - leave_mb * MB
        with self._ballast.open("ab") as file:
            try:
                os.posix_fallocate(file.fileno(), file.tell(), max(1, free))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free(self) -> None:
        self._ballast.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    path = tmp_path / "disk"
    path.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=700", "runyard-test", str(path)]
    if os.getuid() != 0 or subprocess.run(argv, capture_output=True, check=False).returncode:
        if os.environ.get("CI"):
            pytest.fail("no small file system can be mounted here: the full disk is not tested")
        pytest.skip("only root can mount a small file system: THE FULL DISK IS NOT TESTED")
    yield Disk(path)
    subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.fixture
def full_yard(disk: Disk, make_yard: Callable[..., Yard]) -> Callable[..., Yard]:
    """Makes a yard on that disk; its server runs. (Made after the disk, so ended before it goes.)"""

    def make(**settings: object) -> Yard:
        yard = make_yard(home=str(disk.path / "home"), **settings)
        yard.start()
        return yard

    return make


@pytest.mark.parametrize("min_free_mb", [50, 0], ids=["little-is-left", "nothing-is-left"])
def test_a_full_disk(full_yard: Callable[..., Yard], disk: Disk, min_free_mb: int) -> None:
    """Below the threshold, and (where there is none) with no block left at all."""
    yard = full_yard(min_free_mb=min_free_mb)
    bell, gate = Bell(yard.out / "bell"), Gate(yard.out / "gate")
    jobs = yard.submit(*(yard.sh(f"echo >> bell; read x < gate; exit {code}") for code in (0, 3)))
    bell.wait(len(jobs))
    yard.running(*jobs)
    disk.fill(leave_mb=30 if min_free_mb else 0)
    refused = yard.ry("submit", "--", "true")
    assert refused.code == StorageFull.exit_code, refused
    assert "free" in refused.err or "space" in refused.err, refused
    assert "Traceback" not in refused.err
    gate.open(len(jobs))
    yard.when("their ends", lambda: not any(name == "sh" for name in _names(yard)))
    disk.free()
    rows = yard.done(*jobs, timeout_s=60)
    assert [(row.exit_code, row.attempt) for row in rows] == [(0, 1), (3, 1)]
    assert yard.run("true").word == "succeeded"
    for name in ("server", "agent"):
        assert "Traceback" not in yard.log(name), yard.log(name)
    bell.close()
    gate.close()


def test_killed_on_a_full_disk(full_yard: Callable[..., Yard], disk: Disk) -> None:
    """Server and agent die while nothing can be written; results are there when it can."""
    yard = full_yard(min_free_mb=0)
    bell, gate = Bell(yard.out / "bell"), Gate(yard.out / "gate")
    (job,) = yard.submit(yard.sh("echo >> bell; read x < gate; exit 4"))
    bell.wait()
    yard.running(job)
    disk.fill()
    yard.kill_server()
    yard.kill_agent()
    gate.open()
    yard.when("its end", lambda: "sh" not in _names(yard))
    disk.free()
    yard.start()
    (row,) = yard.done(job, timeout_s=60)
    assert (row.exit_code, row.attempt) == (4, 1)
    assert yard.run("true").word == "succeeded"
    bell.close()
    gate.close()


def _names(yard: Yard) -> list[str]:
    """Names of the processes of this home."""
    return [processes.name(pid) for pid in processes.of_home(yard.home.root)]

"""Which devices are given to nobody: a desktop's is, while it takes little."""

from __future__ import annotations

import pytest

from runyard.model.host import Device, DeviceProcess
from runyard.model.withheld import why_withheld

FOREIGN_MB = 500
XORG = DeviceProcess(900, "root", 200, command="Xorg", draws=True)
SHELL = DeviceProcess(901, "ann", 150, command="gnome-shell", draws=True)
GAME = DeviceProcess(902, "ann", 400, command="game", draws=True)
TRAINING = DeviceProcess(950, "bob", 100)
OURS = DeviceProcess(960, "ann", 9_000, attempt="7.1")


@pytest.mark.parametrize(
    ("processes", "used_mb", "says"),
    [
        ((), 0, ""),
        ((), 501, "501 MB in use, no process visible"),
        ((XORG, SHELL), 400, ""),
        ((XORG, SHELL), 900, "900 MB in use, no process visible"),
        ((XORG, SHELL, GAME), 750, "process 900 of root holds 200 MB"),
        ((XORG, TRAINING), 300, "process 950 of bob holds 100 MB"),
        ((XORG, OURS), 9_200, ""),
    ],
)
def test_who_is_on_it(processes: tuple[DeviceProcess, ...], used_mb: int, says: str) -> None:
    device = Device("GPU-a", 0, memory_mb=40_000, used_mb=used_mb, processes=processes)
    assert why_withheld(device, OURS in processes, (), FOREIGN_MB) == (f"GPU 0: {says}" if says else "")

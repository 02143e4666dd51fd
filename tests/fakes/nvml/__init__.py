"""NVIDIA's library without a GPU: the real binding loads it, a file says what the machine has.

    environment = use(build(directory), state)      # for the server, an agent or a test's own subprocess
    write(state, [Gpu("A100", total_mb=40960), Gpu("A100", compute=((pid, 3000),))])

The file is read anew on every call, so `write` changes the machine under a running agent. Python must be started with
the environment: the loader reads LD_LIBRARY_PATH once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("nvml.c")
GPU_IS_LOST = 15
DRIVER_NOT_LOADED = 9
UNKNOWN = 999


@dataclass(frozen=True)
class Gpu:
    """A device. Processes are (pid, MB). An empty uuid is made from its place in the list.

    `error` is what each question about it returns, `lost` what the device itself does; `mig` -1: it knows no such mode.
    """

    name: str = "NVIDIA Fake"
    uuid: str = ""
    total_mb: int = 16_384
    used_mb: int = 0
    utilization: int = 0
    compute: tuple[tuple[int, int], ...] = ()
    graphics: tuple[tuple[int, int], ...] = ()
    mig: int = 0
    error: int = 0
    lost: int = 0


def available() -> bool:
    """Whether there is a C compiler to build it with."""
    return compiler() is not None


def compiler() -> str | None:
    return next(filter(None, map(shutil.which, (os.environ.get("CC", "cc"), "cc", "gcc", "clang"))), None)


def build(directory: str | os.PathLike[str]) -> str:
    """Compile the library into this directory; what LD_LIBRARY_PATH has to name."""
    command = compiler()
    if command is None:
        raise FileNotFoundError("no C compiler; install gcc")
    library = Path(directory, "libnvidia-ml.so.1")
    library.parent.mkdir(parents=True, exist_ok=True)
    flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Wl,-soname,libnvidia-ml.so.1"]
    subprocess.run([command, *flags, "-o", str(library), str(SOURCE)], check=True)
    return str(library.parent)


def use(library: str, state: str | os.PathLike[str]) -> dict[str, str]:
    """The variables that make a process see this library and this file."""
    paths = [library, *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
    return {"LD_LIBRARY_PATH": ":".join(paths), "FAKE_NVML": os.fspath(state)}


def write(state: str | os.PathLike[str], gpus: Sequence[Gpu], error: int = 0, hang: bool = False) -> None:
    """Say what the machine has from now on. `error`: the whole driver fails so; `hang`: it does not answer."""
    lines = ["hang" if hang else str(error), *(_line(gpu, place) for place, gpu in enumerate(gpus))]
    fresh = Path(f"{os.fspath(state)}.new")
    fresh.write_text("\n".join(lines) + "\n", encoding="utf-8")
    fresh.replace(state)


def inits(state: str | os.PathLike[str]) -> int:
    """How often the library was initialised."""
    try:
        return Path(f"{os.fspath(state)}.inits").stat().st_size
    except FileNotFoundError:
        return 0


def _line(gpu: Gpu, place: int) -> str:
    uuid = gpu.uuid or f"GPU-{place:08x}-0000-0000-0000-000000000000"
    numbers = (gpu.total_mb, gpu.used_mb, gpu.utilization)
    processes = (_processes(gpu.compute), _processes(gpu.graphics))
    return "\t".join(map(str, (gpu.name, uuid, *numbers, *processes, gpu.mig, gpu.error, gpu.lost)))


def _processes(processes: tuple[tuple[int, int], ...]) -> str:
    return ",".join(f"{pid}:{used_mb}" for pid, used_mb in processes) or "-"

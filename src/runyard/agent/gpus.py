"""The NVIDIA devices of this machine, by NVML: what they are, who uses them, what is wrong with them.

`Gpus.look` is called by one thread of the agent, again and again. Devices are known by UUID, and a device that was seen
once stays: when it is lost, or the driver with it, it is shown with a fault and keeps its index. The driver may hang in
any call, so each look runs in a thread of its own that is given up after a time; no other begins before it is back.
Without a driver there are no devices, and that is no error.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Optional, TypeVar

import pynvml

from runyard.foreign import process
from runyard.model.host import Device, DeviceProcess
from runyard.runtime import runfile
from runyard.runtime.rundir import RunDirs

LOOK_MAX_S = 10.0
INIT_MAX_S = 30.0
"""How long one look may take; the first one wakes up every device."""

MB = 1024 * 1024
ATTEMPTS = 3
GENERATIONS_MAX = 100
DIGITS_MAX = 20

NO_ANSWER = "the driver does not answer"
GONE = "the driver no longer shows it"
MIG = "MIG is on"

NO_DRIVER = (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED)
UNABLE = (pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_FUNCTION_NOT_FOUND, pynvml.NVML_ERROR_NO_PERMISSION)
"""What a healthy device or an old driver may say to a question."""

OwnerOf = Callable[[int], str]
T = TypeVar("T")


@dataclass(frozen=True)
class Sight:
    """What one look at the driver brought. `problem` is the driver's own, `lost` that of devices without a name."""

    devices: tuple[Device, ...] = ()
    problem: str = ""
    driver: bool = True
    lost: str = ""


class Gpus:
    """All devices of this machine. `owner_of` names the attempt ("12.1") of ours that a process belongs to, or ""."""

    def __init__(self, owner_of: OwnerOf, look_max_s: float = LOOK_MAX_S, init_max_s: float = INIT_MAX_S) -> None:
        self._driver = Driver(owner_of)
        self._limits_s = (init_max_s, look_max_s)
        self._running: Optional[Look] = None
        self._known: tuple[Device, ...] = ()
        self.problem = ""
        """What is wrong with the driver as a whole ("" if nothing is, or if there is none)."""

    def look(self) -> tuple[Device, ...]:
        """The devices as they are now, in UUID order."""
        patience_s = 0.0
        if self._running is None or self._running.over.is_set():
            patience_s = self._limits_s[self._driver.ready]
            self._running = Look(self._driver)
        seen = self._running.wait(patience_s)
        if seen is not None:
            self._running = None
        self._known, self.problem = merged(self._known, seen or Sight(problem=NO_ANSWER))
        return self._known


class Look:
    """One look at the driver, in a thread of its own."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._seen: Optional[Sight] = None
        self.over = threading.Event()
        threading.Thread(target=self._run, name="nvml", daemon=True).start()

    def wait(self, most_s: float) -> Optional[Sight]:
        """What was seen; None if the driver does not answer."""
        self.over.wait(most_s)
        return self._seen

    def _run(self) -> None:
        try:
            self._seen = self._driver.look()
        finally:
            self.over.set()


class Driver:
    """NVML itself. It is opened once, and again after something went wrong, so that nothing is held open that its
    administrator may want to reset."""

    def __init__(self, owner_of: OwnerOf) -> None:
        self._owner_of = owner_of
        self.ready = False

    def look(self) -> Sight:
        """Every device that answers."""
        try:
            if not self.ready:
                pynvml.nvmlInit()
                self.ready = True
            seen = self._devices(pynvml.nvmlDeviceGetCount())
        except pynvml.NVMLError as error:
            seen = Sight(problem=said(error), driver=error.value not in NO_DRIVER)
        if seen.problem or seen.lost or any(device.fault not in ("", MIG) for device in seen.devices):
            self._close()
        return seen

    def _devices(self, count: int) -> Sight:
        devices, lost = [], ""
        for index in range(count):
            try:
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                uuid = text(pynvml.nvmlDeviceGetUUID(handle))
            except pynvml.NVMLError as error:
                lost = said(error)
            else:
                devices.append(self._device(handle, uuid))
        return Sight(tuple(devices), lost=lost)

    def _device(self, handle: Any, uuid: str) -> Device:
        device = Device(uuid, 0)
        try:
            device = replace(device, model=text(pynvml.nvmlDeviceGetName(handle)))
            memory = _memory(handle)
            use = asked(lambda: pynvml.nvmlDeviceGetUtilizationRates(handle))
            mig = asked(lambda: pynvml.nvmlDeviceGetMigMode(handle))
            return replace(
                device,
                memory_mb=memory.total // MB if memory else 0,
                used_mb=memory.used // MB if memory else 0,
                utilization=int(use.gpu) if use else None,
                processes=self._processes(handle),
                fault=MIG if mig and mig[0] else "",
            )
        except pynvml.NVMLError as error:
            return replace(device, fault=said(error))

    def _processes(self, handle: Any) -> tuple[DeviceProcess, ...]:
        """Who computes or draws on the device. Those of others that may not be seen are not in the list."""
        computing, drawing = (
            {found.pid: (found.usedGpuMemory or 0) // MB for found in _running(handle, kind)}
            for kind in ("Compute", "Graphics")
        )
        return tuple(
            DeviceProcess(
                pid,
                process.owner(pid),
                max(computing.get(pid, 0), drawing.get(pid, 0)),
                self._owner_of(pid),
                process.command_line(pid),
                draws=pid not in computing,
            )
            for pid in sorted({*computing, *drawing})
        )

    def _close(self) -> None:
        self.ready = False
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


class AttemptOwner:
    """Which attempt of ours a process belongs to: by the token in its environment or in that of a process above it,
    and by the run file of an attempt that is not committed yet, which must show the same token."""

    def __init__(self, dirs: RunDirs) -> None:
        self._dirs = dirs

    def __call__(self, pid: int) -> str:
        for _ in range(GENERATIONS_MAX):
            attempt = self._claimed(dict(entry.partition(b"=")[::2] for entry in process.environ(pid)))
            stat = process.read_stat(pid)
            if attempt or stat is None or stat.ppid <= 1:
                return attempt
            pid = stat.ppid
        return ""

    def _claimed(self, environment: dict[bytes, bytes]) -> str:
        values = [environment.get(name, b"") for name in (b"RUNYARD_JOB_ID", b"RUNYARD_ATTEMPT", b"RUNYARD_TOKEN")]
        if not all(value.isdigit() and len(value) < DIGITS_MAX for value in values[:2]):
            return ""
        job, number = int(values[0]), int(values[1])
        try:
            _, records = runfile.look(self._dirs.live(job, number).run)
        except OSError:
            return ""
        known = records.claim is not None and records.claim.token.encode("ascii") == values[2]
        return f"{job}.{number}" if known else ""


def merged(known: Sequence[Device], seen: Sight) -> tuple[tuple[Device, ...], str]:
    """The devices after a look, and what is wrong with the driver. What was known and is not seen now has a fault."""
    now = {device.uuid: device for device in seen.devices}
    fault = f"the driver says: {seen.problem}" if seen.problem and seen.problem != NO_ANSWER else seen.problem
    for device in known:
        if device.uuid not in now:
            now[device.uuid] = replace(device, utilization=None, fault=fault or seen.lost or GONE)
        elif not now[device.uuid].model or not now[device.uuid].memory_mb:
            now[device.uuid] = _filled(now[device.uuid], device)
    problem = seen.problem if seen.driver or known else ""
    if seen.lost and all(device.fault != seen.lost for device in now.values()):
        problem = problem or f"a device without a name: {seen.lost}"
    return _numbered(now.values()), problem


def asked(question: Callable[[], T]) -> Optional[T]:
    """The answer, or None where the device or the driver does not know such a question."""
    try:
        return question()
    except pynvml.NVMLError as error:
        if error.value not in UNABLE:
            raise
        return None


def said(error: pynvml.NVMLError) -> str:
    """What the driver calls its error."""
    return str(error).rstrip(".")


def text(value: Any) -> str:
    """A name of the driver's; older bindings give bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _numbered(devices: Iterable[Device]) -> tuple[Device, ...]:
    ordered = sorted(devices, key=lambda device: device.uuid)
    return tuple(replace(device, index=index) for index, device in enumerate(ordered))


def _filled(device: Device, before: Device) -> Device:
    """A device that no longer says what it is, with what it was."""
    return replace(device, model=device.model or before.model, memory_mb=device.memory_mb or before.memory_mb)


def _memory(handle: Any) -> Any:
    """Total and used bytes, without what the driver keeps for itself where the driver tells them apart."""
    apart = asked(lambda: pynvml.nvmlDeviceGetMemoryInfo(handle, version=pynvml.nvmlMemory_v2))
    return apart or asked(lambda: pynvml.nvmlDeviceGetMemoryInfo(handle))


def _running(handle: Any, kind: str) -> list[Any]:
    """The processes of a kind, by the newest call that the driver knows. Their number may grow while it is asked."""
    for version in ("v3", "v2"):
        call = getattr(pynvml, f"nvmlDeviceGet{kind}RunningProcesses_{version}")
        for attempt in range(ATTEMPTS):
            try:
                found = asked(lambda call=call: call(handle))  # type: ignore[misc]
                break
            except pynvml.NVMLError as error:
                if error.value != pynvml.NVML_ERROR_INSUFFICIENT_SIZE or attempt == ATTEMPTS - 1:
                    raise
        if found is not None:
            return list(found)
    return []

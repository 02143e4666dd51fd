"""Looks at the machine in a thread of its own: a driver that hangs must not stop the agent's loop.

`ask` wants a look; `fileno()` is readable when `take` has it. One look at a time; what is asked meanwhile gets another.
Looks are numbered: one that is to count for something has a number that `ask` gave afterwards.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Optional

from runyard.model.beat import Order
from runyard.model.host import Device, Host
from runyard.model.withheld import why_withheld

BUSY_EVERY_S = 5.0
IDLE_EVERY_S = 60.0
"""Pauses between looks at a host with devices: while attempts are here or a device is withheld, and otherwise."""

MATERIAL_MB = 64
"""A device's used memory has to change by this much to be news."""

log = logging.getLogger("runyard.agent")


class Looker:
    """Keeps the latest look. `look` gives the host and may take its time; it runs in one thread alone."""

    def __init__(
        self, look: Callable[[], Host], monotonic: Callable[[], float], busy_every_s: float = BUSY_EVERY_S
    ) -> None:
        self._look = look
        self.monotonic = monotonic
        self._busy_every_s = busy_every_s
        self._wanted = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._begun = 0
        self._asked = 0
        self._asked_s = monotonic()
        self._fresh: Optional[tuple[int, Host]] = None
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        self.host: Optional[Host] = None
        self.number = 0
        threading.Thread(target=self._run, name="look", daemon=True).start()

    def fileno(self) -> int:
        return self._read

    @property
    def boot_id(self) -> str:
        return self.host.boot_id if self.host else ""

    def ask(self) -> int:
        """Have a look that begins from now on; its number."""
        with self._lock:
            if self._asked == self._begun:
                self._asked += 1
                self._asked_s = self.monotonic()
                self._wanted.release()
            return self._asked

    def take(self) -> Optional[Host]:
        """A look that was finished since the last call; `number` is its number."""
        with self._lock:
            with contextlib.suppress(BlockingIOError):
                os.read(self._read, 4096)
            fresh, self._fresh = self._fresh, None
        if fresh is None:
            return None
        self.number, self.host = fresh
        return self.host

    def due_s(self, now: float, busy: bool) -> float:
        """Seconds until the next look is due. While one is awaited, however long it takes, no other is."""
        every = self._busy_every_s if busy and self.host is not None and self.host.devices else IDLE_EVERY_S
        return every if self._asked > self.number else self._asked_s + every - now

    def _run(self) -> None:
        while True:
            self._wanted.acquire()
            with self._lock:
                self._begun += 1
                number = self._begun
            host = self._seen()
            with self._lock:
                self._fresh = (number, host)
                os.write(self._write, b"\0")

    def _seen(self) -> Host:
        """A look. One that fails is tried again: without it nothing could be started here."""
        while True:
            try:
                return self._look()
            except Exception:  # whatever a driver or this machine has come up with, the next look may be better
                log.exception("this machine cannot be looked at")
                time.sleep(self._busy_every_s)


def busy_device(order: Order, host: Host, foreign_mb: int, ours: frozenset[str]) -> str:
    """Why the order's devices cannot be used after all ("" if they can). `ours`: devices that attempts here hold."""
    devices = {device.uuid: device for device in host.devices}
    for uuid in order.devices:
        device = devices.get(uuid)
        if device is None:
            return f"GPU {uuid} is gone"
        why = why_withheld(device, uuid in ours, (), foreign_mb)
        if why:
            return why
    return ""


def any_withheld(host: Host, foreign_mb: int, ours: frozenset[str]) -> bool:
    """Whether a device is withheld now, so that somebody may wait for it to come free."""
    return any(why_withheld(device, device.uuid in ours, (), foreign_mb) for device in host.devices)


def is_news(before: Optional[Host], after: Host) -> bool:
    """Whether the yard should hear of this look."""
    if before is None or len(before.devices) != len(after.devices):
        return True
    if _frame(before) != _frame(after):
        return True
    return any(_differs(old, new) for old, new in zip(before.devices, after.devices))


def _frame(host: Host) -> tuple[int, int, str, str]:
    return host.cpus, host.memory_mb, host.limits, host.problem


def _differs(old: Device, new: Device) -> bool:
    if (old.uuid, old.fault) != (new.uuid, new.fault) or abs(old.used_mb - new.used_mb) >= MATERIAL_MB:
        return True
    return [(p.pid, p.attempt) for p in old.processes] != [(p.pid, p.attempt) for p in new.processes]

"""Which devices are given to nobody, and why.

Called by `fit` for each device at the start of a round. Foreign is a process that no agent of the host marks as its
own; an attempt that the yard does not know keeps its device; memory in use that belongs to no visible process is
somebody's container. A desktop, which draws and does not compute, is left aside as long as it takes little memory. A
device that holds a job of ours is not judged by its used memory.
"""

from __future__ import annotations

from collections.abc import Collection

from runyard.model.host import Device, DeviceProcess


def why_withheld(device: Device, ours: bool, unknown: Collection[str], foreign_mb: int) -> str:
    """The sentence for the user, or "" where the device may be given out.

    `ours`: a job of the queue holds it, whole or in part. `unknown`: attempts that run there unknown to the yard.
    """
    if device.fault:
        return f"GPU {device.index}: {device.fault}"
    drawing = [process for process in device.processes if process.draws and not process.attempt]
    drawn_mb = sum(process.memory_mb for process in drawing)
    for process in device.processes:
        if not process.attempt and (not process.draws or drawn_mb > foreign_mb):
            return f"GPU {device.index}: {_whose(process)}"
        if process.attempt in unknown:
            return f"GPU {device.index}: attempt {process.attempt}, unknown to this yard, {_whose(process)}"
    if len(drawing) == len(device.processes) and not ours and device.used_mb - drawn_mb > foreign_mb:
        return f"GPU {device.index}: {device.used_mb} MB in use, no process visible"
    return ""


def _whose(process: DeviceProcess) -> str:
    user = f" of {process.user}" if process.user else ""
    return f"process {process.pid}{user} holds {process.memory_mb} MB"

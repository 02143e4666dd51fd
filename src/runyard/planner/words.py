"""Resources and waiting in words, short enough for a column of a list."""

from __future__ import annotations

from runyard.model.spec import GpuRequest, Resources

BLOCKERS = 32
"""How many of the jobs whose end would help a Reason names: those that end soonest."""

LISTED = 2
"""How many items of a list are named before "and N more"."""


def asks(resources: Resources) -> str:
    """All that is asked for: "4 CPUs, 8 GB, 2 GPUs (A100)"."""
    parts = []
    if resources.cpus:
        parts.append(plural(resources.cpus, "CPU"))
    if resources.memory_mb:
        parts.append(megabytes(resources.memory_mb))
    if resources.gpus.count:
        parts.append(gpus(resources.gpus))
    return ", ".join(parts) or "nothing"


def gpus(request: GpuRequest) -> str:
    """The devices asked for: "2 GPUs (A100)", "GPU 0,2", "1 GPU with 10 GB"."""
    if request.indices:
        text = "GPU " + ",".join(str(i) for i in sorted(request.indices))
    else:
        text = plural(request.count, "GPU")
    if request.model:
        text += f" ({request.model})"
    if request.memory_mb:
        text += f" with {megabytes(request.memory_mb)}"
    return text


def megabytes(memory_mb: int) -> str:
    """Memory as people say it."""
    if memory_mb < 1024:
        return f"{memory_mb} MB"
    return f"{memory_mb / 1024:.1f}".removesuffix(".0") + " GB"


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"

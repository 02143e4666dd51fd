"""Runyard: a job queue for training runs and shell commands. `connect` gives a yard, `Yard.submit` a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runyard.client.handle import Job, Yard
    from runyard.client.options import JobOptions
    from runyard.client.report import log
    from runyard.pipeline.cmd_queue import Queue
    from runyard.pipeline.pipeline import Pipeline
    from runyard.wiring.python import connect

__version__ = "0.1.0.dev0"
__all__ = ["Job", "JobOptions", "Pipeline", "Queue", "Yard", "__version__", "connect", "log"]

_PUBLIC = {
    "Job": "runyard.client.handle",
    "JobOptions": "runyard.client.options",
    "Pipeline": "runyard.pipeline.pipeline",
    "Queue": "runyard.pipeline.cmd_queue",
    "Yard": "runyard.client.handle",
    "connect": "runyard.wiring.python",
    "log": "runyard.client.report",
}
"""Public names and where they live: loaded when first used, so that `import runyard` costs nothing."""


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'runyard' has no attribute {name!r}")
    return getattr(__import__(_PUBLIC[name], fromlist=[name]), name)

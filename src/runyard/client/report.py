"""`runyard.log(acc=0.93, step=5)`: a job reports of itself.

Inside a job a line is appended to the file named in RUNYARD_METRICS; anywhere else the line that an agent would
recognise is printed, so that the same training runs without a queue. The standard library alone.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from typing import Any, Optional

METRICS = "RUNYARD_METRICS"
"""Names the file where a job may report of itself."""


def log(
    step: Optional[float] = None,
    stage: str = "",
    progress: Optional[tuple[float, float]] = None,
    **values: Any,
) -> None:
    """Report values by name (numbers, or what `float` takes, such as a tensor of one element), the `stage` that begins,
    and how much is done of how much (`progress=(5, 100)`). ValueError if something is no number; a file that cannot be
    written stops no training: the line is printed instead."""
    numbers = {name: _number(name, value) for name, value in values.items()}
    at_step = None if step is None else _number("step", step)
    done = None if progress is None else tuple(_number("progress", part) for part in progress)
    if done is not None and len(done) != 2:
        raise ValueError("progress is a pair: how much is done, of how much")
    if not _append(_record(numbers, at_step, stage, done)):
        sys.stdout.write("".join(_lines(numbers, at_step, stage, done)))
        sys.stdout.flush()


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name} is no number: {value!r:.80}") from None


def _record(
    numbers: dict[str, float], step: Optional[float], stage: str, progress: Optional[tuple[float, ...]]
) -> dict[str, Any]:
    """The line's content; what is not finite has no place in JSON."""
    record: dict[str, Any] = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
    if step is not None:
        record["step"] = step
    if stage:
        record["stage"] = str(stage)
    if progress is not None:
        record["progress"] = list(progress)
    return {**record, "_at": time.time()} if record else record


def _append(record: dict[str, Any]) -> bool:
    """Whether there is a file, and this is in it: one write, so that lines of several processes do not mix."""
    path = os.environ.get(METRICS)
    if not path or not os.path.isdir(os.path.dirname(path)):
        return False
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, (json.dumps(record) + "\n").encode("ascii"))
        finally:
            os.close(descriptor)
    except OSError:
        return False
    return True


def _lines(
    numbers: dict[str, float], step: Optional[float], stage: str, progress: Optional[tuple[float, ...]]
) -> list[str]:
    lines = []
    if stage:
        lines.append(f"::stage {' '.join(str(stage).split())}\n")
    if progress is not None:
        lines.append("::progress {:.10g}/{:.10g}\n".format(*progress))
    if numbers:
        at_step = {} if step is None else {"step": step}
        lines.append(f"::metric {' '.join(f'{name}={value:.10g}' for name, value in {**numbers, **at_step}.items())}\n")
    return lines

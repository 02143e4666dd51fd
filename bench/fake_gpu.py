"""A GPU that is none: the small NVML library of our tests, for the row that needs a device."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from bench.directory import directory
from tests.fakes import nvml


@contextmanager
def fake_gpu() -> Iterator[dict[str, str] | None]:
    """Variables for the daemons of a yard that shall see one GPU; None where the library cannot be built."""
    if not nvml.available():
        yield None
        return
    with directory() as path:
        state = os.path.join(path, "gpus")
        nvml.write(state, [nvml.Gpu()])
        yield {**nvml.use(nvml.build(path), state), "RUNYARD_KEEP_ENV": "FAKE_NVML"}

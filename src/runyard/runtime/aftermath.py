"""What is made of an attempt's end beside its wait status: out of memory, a checkpoint.

The runner notes before the start what it has to compare with, and asks when the family has ended. Only what came to a
bad end costs a look: a program that prints anything at all and exits with 0 has succeeded.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from runyard.model.checkpoint import DIRECTORY_VARIABLE, EXIT_CHECKPOINTED, SAVED, UNCHANGED
from runyard.runtime.lastwords import out_of_memory
from runyard.runtime.progress import Mark, mark
from runyard.runtime.protocol import Start
from runyard.runtime.rundir import RunDir
from runyard.runtime.spawn import expand_output

OOM, TIMEOUT = "oom", "timeout"
KERNEL = "the kernel killed a process of it for want of memory"
TOLD = {
    SAVED: "it made a checkpoint and asked to be run again",
    UNCHANGED: "it asked to be run again, without a new checkpoint",
}


class Before(NamedTuple):
    """What there was before the start: the output file, with so many bytes in it, and the checkpoint directory."""

    output: str
    written: int = 0
    directory: str = ""
    mark: Mark = Mark()


def before(start: Start, run_dir: RunDir) -> Before:
    """Taken before the command can have done anything."""
    output, written, directory = run_dir.output, 0, ""
    if start.output:
        output = expand_output(start)
        written = _size(output)
    if start.requeue:
        directory = start.variables.get(DIRECTORY_VARIABLE, "")
    return Before(output, written, directory, mark(directory) if directory else Mark())


def cause_of(start: Start, then: Before, status: int, why: str, kernel: bool) -> tuple[str, str]:
    """The cause and what is told of it. `why` is ours ("" for its own end); `kernel`: it has killed some of it."""
    if start.requeue and status == EXIT_CHECKPOINTED << 8 and why in ("", TIMEOUT):
        word = UNCHANGED if mark(then.directory) == then.mark else SAVED
        return word, TOLD[word]
    if kernel:
        return (OOM if status and not why else why), KERNEL
    line = out_of_memory(then.output, then.written) if status and not why else ""
    return (OOM, line) if line else (why, "")


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0

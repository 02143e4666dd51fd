"""What a job asks for, how it can stop and go on, what its retries get: in words, for `submit` and `show`."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from runyard.cli.render.text import counted, memory, numbers, words
from runyard.model.checkpoint import DIRECTORY_VARIABLE, EXIT_CHECKPOINTED

if TYPE_CHECKING:
    from runyard.model.spec import JobSpec


def asked(spec: JobSpec, more: Iterable[str] = ()) -> str:
    """What a job asks for, in words."""
    resources = spec.resources
    gpus = resources.gpus
    which = f" {gpus.model}" if gpus.model else ""
    share = f" with {memory(gpus.memory_mb)} each" if gpus.memory_mb else ""
    those = f" ({numbers(gpus.indices)})" if gpus.indices else ""
    parts = [
        counted(resources.cpus, "cpu"),
        f"{memory(resources.memory_mb)} memory" if resources.memory_mb else "no memory limit",
        f"{gpus.count}{which} gpu{'' if gpus.count == 1 else 's'}{those}{share}" if gpus.count else "no gpu",
        f"queue {spec.queue}",
        f"at most {words(spec.time_limit_s)}" if spec.time_limit_s else "no time limit",
        *more,
    ]
    return ", ".join(parts) + (f", run by {spec.shell}" if spec.shell else "")


def contract(spec: JobSpec) -> Iterator[tuple[str, str]]:
    """Name and text of each that was asked for."""
    asked = spec.checkpoint
    if asked.signal:
        name = _name(asked.signal)
        to = "all its processes" if asked.signal_all else "its command"
        yield "signal", f"{name} to {to} {words(asked.signal_before_s)} before its time limit"
    if asked.requeue:
        idle = f"{counted(asked.tries, 'attempt')} in a row without a new checkpoint"
        yield "requeue", f"exit code {EXIT_CHECKPOINTED} runs it again, until {idle}"
    if asked.has_directory:
        yield "checkpoints", f"${DIRECTORY_VARIABLE} is kept from attempt to attempt"
    for variable in spec.retry.env:
        after = f" after {variable.cause}" if variable.cause else ""
        yield "retry-env", f"{variable.name}={variable.value}{after}"
    if spec.ports is not None:
        yield "ports", str(spec.ports)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name.removeprefix("SIG")
    except ValueError:  # one that has only a number
        return str(number)

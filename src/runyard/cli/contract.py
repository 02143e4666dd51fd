"""What a job asks for, in words, for `submit` and `show`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from runyard.cli.render.text import counted, harmless, memory, numbers, words
from runyard.submitting.job_options import chosen

if TYPE_CHECKING:
    from runyard.model.spec import JobSpec

TOLD = frozenset(
    ("name", "note", "workdir", "queue", "gpus", "cpus", "mem", "time", "after", "hold", "param", "setup", "shell")
)
"""Options that are told in other words than their own."""


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


def other_options(spec: JobSpec) -> Iterator[tuple[str, str]]:
    """What else differs from the defaults, by its option."""
    return ((name, harmless(text)) for name, text in chosen(spec) if name not in TOLD)

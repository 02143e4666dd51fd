"""Which jobs have the same code, or run the same: the part that every store shares.

A job is like another if it runs the same words with the same parameters on code of the same place. What that code holds
is not compared here: who asks looks at the few that are found.
"""

from __future__ import annotations

import zlib

from runyard.model.spec import JobSpec

TOGETHER = 1_000
"""In a submission with more jobs than this, none is looked up by its likeness: whoever sends so many knows them."""

MOST = 20


def likeness_of(spec: JobSpec) -> int:
    """A number that is the same for jobs that are alike (and, rarely, for others)."""
    words = "\0".join((spec.user, spec.workdir, spec.shell, spec.script, *spec.command))
    return zlib.crc32(f"{words}\0\0{spec.params}{spec.array_index}".encode("utf-8", "surrogateescape"))


def are_alike(one: JobSpec, other: JobSpec) -> bool:
    """Whether they run the same words with the same parameters at the same place, for the same user."""
    return _what(one) == _what(other)


def _what(spec: JobSpec) -> tuple[object, ...]:
    return spec.user, spec.workdir, spec.shell, spec.script, spec.command, spec.params, spec.array_index


def key_of_code(spec: JobSpec) -> str:
    """The key of the snapshot that a job runs ("": it runs in place)."""
    return spec.code.key if spec.code is not None else ""

"""Whether a program that failed had run out of memory, by the last lines of what it wrote.

The runner asks this once about a command that came to a bad end by itself. A line counts only where it is what Python,
C++ or CUDA print when they give up: an exception at the beginning of a line (after the rank that torchrun or Ray put
before it), not the same words somewhere in a message, so that "CUDA out of memory, trying a smaller batch" decides
nothing.
"""

from __future__ import annotations

import os
import re

READ_MAX = 16 * 1024
"""The last bytes of the output: several ranks' last words and what a launcher says after them."""

_EXCEPTIONS = (
    rb"torch\.(?:cuda\.)?OutOfMemoryError: .*",
    rb"(?:\w+\.)*RuntimeError: (?:CUDA|HIP|MPS backend|XPU)(?: error:)? out of memory.*",
    rb"(?:\w+\.)*RuntimeError: .*CUBLAS_STATUS_ALLOC_FAILED.*",
    rb"(?:\w+\.)*RuntimeError: .*DefaultCPUAllocator: .*",
    rb"(?:\w+\.)*(?:XlaRuntimeError|JaxRuntimeError|ValueError): RESOURCE_EXHAUSTED: .*",
    rb"(?:\w+\.)*ResourceExhaustedError:.*",
    rb"(?:\w+\.)*OutOfMemoryError: .*",
    rb"(?:\w+\.)*(?:_Array)?MemoryError(?:: .*)?",
    rb"terminate called after throwing an instance of '(?:std::bad_alloc|c10::(?:\w+::)?OutOfMemoryError)'",
    rb"(?:\w+\.)*CudaAPIError: .*CUDA_ERROR_OUT_OF_MEMORY.*",
    rb"CUDA error: out of memory.*",
    rb"Cuda failure (?:\d+ )?'out of memory'.*",
    rb"cudaMalloc failed: out of memory.*",
)
_COLOUR = re.compile(rb"\x1b\[[0-9;]*[mK]")
_RANK = rb"(?:[\[(][^\])\n]{0,60}[\])]:? ?)*"
_LINE = re.compile(rb"^" + _RANK + rb"(" + rb"|".join(_EXCEPTIONS) + rb")\s*$", re.MULTILINE)


def out_of_memory(path: str, since: int = 0) -> str:
    """The line that says so, among the last of this file from byte `since` on; "" where none does."""
    return last_words(_end(path, since))


def last_words(text: bytes) -> str:
    """The last line of this output by which a program says that it has run out of memory; "" where none does."""
    found = _LINE.findall(_COLOUR.sub(b"", text).replace(b"\r", b"\n"))
    return found[-1].decode("utf-8", "replace").strip() if found else ""


def _end(path: str, since: int) -> bytes:
    """The end of a file; nothing where it is no regular file that we may read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return b""
    try:
        size = os.fstat(fd).st_size
        return os.pread(fd, READ_MAX, max(since, size - READ_MAX))
    except OSError:  # a pipe
        return b""
    finally:
        os.close(fd)

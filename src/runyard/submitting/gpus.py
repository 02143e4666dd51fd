"""What `-G` takes: `2`, `2:a100` or `a100:2`, `1,mem=10G` (shares a device), `index=0,2` (those very devices)."""

from __future__ import annotations

import re

from runyard.errors import InvalidSpec
from runyard.model import sizes
from runyard.model.spec import GpuRequest

COUNT_MAX = 1_024
"""`4090:2` are two devices of model 4090."""
FORMS = "2, 2:a100, 1,mem=10G or index=0,2"

_COUNT = r"\d{1,6}"
_MODEL = r"[A-Za-z0-9][A-Za-z0-9 ._+/-]*"


def parse(text: str, flag: str = "gpus") -> GpuRequest:
    """The request; InvalidSpec names the flag."""
    head, memory_mb, indices, share = _parts(text, flag)
    count, model = _head(head, text, flag)
    if indices and count is not None and count != len(indices):
        raise InvalidSpec(f"{text!r}: {len(indices)} devices are named but {count} asked for", flag)
    if share and not memory_mb:
        raise InvalidSpec(f"{text!r}: to share a device say how much of its memory is needed, as in 1,mem=10G", flag)
    if count is None:
        count = len(indices) if indices else 1
    return GpuRequest(count, memory_mb, model, indices)


def gres(text: str, flag: str = "gres") -> str:
    """sbatch's `--gres=gpu:a100:2` as `-G` takes it."""
    kind, _, rest = text.partition(":")
    if kind != "gpu" or "," in text:
        raise InvalidSpec(f"{text!r}: only gpu, as in gpu:2 or gpu:a100:2", flag)
    return rest or "1"


def _parts(text: str, flag: str) -> tuple[str, int, tuple[int, ...], bool]:
    head, memory_mb, share = "", 0, False
    indices: list[int] = []
    naming = False
    for place, raw in enumerate(text.split(",")):
        part = raw.strip()
        name, equals, value = part.partition("=")
        if equals and name in ("mem", "memory"):
            memory_mb, naming = sizes.megabytes(value, flag), False
            if memory_mb == 0:
                raise InvalidSpec(f"{text!r}: the memory of a share is more than nothing", flag)
        elif equals and name == "index" and re.fullmatch(_COUNT, value):
            indices, naming = [int(value)], True
        elif naming and re.fullmatch(_COUNT, part):
            indices.append(int(part))
        elif part == "share":
            share, naming = True, False
        elif place == 0 and part and not equals:
            head = part
        else:
            raise InvalidSpec(f"{text!r}: {part!r} is not understood; use {FORMS}", flag)
    return head, memory_mb, tuple(indices), share


def _head(head: str, text: str, flag: str) -> tuple[int | None, str]:
    """Count and model, in either order."""
    if not head:
        return None, ""
    first, colon, second = head.partition(":")
    if re.fullmatch(_COUNT, first) and (int(first) <= COUNT_MAX or not second.isdecimal()):
        count, model = first, second
    elif colon:
        count, model = second, first
    else:
        count, model = "1", first
    if not re.fullmatch(_COUNT, count) or (model and not re.fullmatch(_MODEL, model)) or (colon and not model):
        raise InvalidSpec(f"{text!r} is no request for GPUs; use {FORMS}", flag)
    return int(count), model

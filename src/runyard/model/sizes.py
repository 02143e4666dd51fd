"""Amounts of memory as people type them: `10G`, `500M`, `1.5G`, `2T`; a bare number is MB, as in sbatch."""

from __future__ import annotations

import math
import re

from runyard.errors import InvalidSpec

LARGEST_T = 256
"""No machine has that many TB."""
UNITS_MB = {"": 1.0, "k": 1 / 1_024, "m": 1.0, "g": 1_024.0, "t": 1_048_576.0}

_SIZE = r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?"


def megabytes(text: str, flag: str) -> int:
    """The amount in MB, rounded up; InvalidSpec names the flag."""
    match = re.fullmatch(_SIZE, text.strip(), re.IGNORECASE)
    if not match:
        raise InvalidSpec(f"{text!r} is no amount of memory; use 10G, 500M, or a number of MB", flag)
    amount = float(match[1]) * UNITS_MB[match[2].lower()]
    if amount > LARGEST_T * UNITS_MB["t"]:
        raise InvalidSpec(f"{text!r} is more than any machine has; at most {LARGEST_T}T", flag)
    return math.ceil(amount)

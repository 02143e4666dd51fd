"""The options by which a command can stop and go on, as they are typed."""

from __future__ import annotations

import signal
from typing import NamedTuple

from runyard.errors import InvalidSpec
from runyard.model.checkpoint import DEFAULT_BEFORE_S
from runyard.model.params import assigned
from runyard.model.spec import RETRY_CAUSES, RetryVariable
from runyard.submitting import durations

TO_ALL, TO_COMMAND = "all", "B"
"""Who gets a signal, before a colon. B is Slurm's letter for the command alone, which is the default."""


class Signal(NamedTuple):
    """A signal before the time limit."""

    number: int
    before_s: float = DEFAULT_BEFORE_S
    to_all: bool = False


def signal_of(text: str, flag: str) -> Signal:
    """`USR1@120`, `all:USR1@2m`: a bare number after the @ is seconds."""
    to, colon, rest = text.rpartition(":")
    if colon and to not in (TO_ALL, TO_COMMAND):
        raise InvalidSpec(f"{text!r}: a signal goes to the command, or with `{TO_ALL}:` to all of its processes", flag)
    name, at, before = rest.partition("@")
    number = signal_number(name, flag)
    before_s = durations.seconds(before, flag, bare_s=1) if at else DEFAULT_BEFORE_S
    return Signal(number, before_s, to == TO_ALL)


def signal_number(name: str, flag: str) -> int:
    """The number of TERM, SIGTERM or 15."""
    if name.isdecimal() and int(name) in {int(known) for known in signal.Signals}:
        return int(name)
    try:
        return int(signal.Signals["SIG" + name.upper().removeprefix("SIG")])
    except KeyError:
        raise InvalidSpec(f"{name!r} is no signal; use TERM, INT, USR1, KILL or a number", flag) from None


def retry_variable(text: str, flag: str) -> RetryVariable:
    """`NAME=VALUE`, or `CAUSE:NAME=VALUE` after an end by that cause."""
    head, value = assigned(text, "NAME=VALUE or CAUSE:NAME=VALUE, as in oom:BATCH_SIZE=16", flag)
    cause, colon, name = head.rpartition(":")
    if colon and cause not in RETRY_CAUSES:
        raise InvalidSpec(f"{cause!r} is none of {', '.join(RETRY_CAUSES)}", flag)
    return RetryVariable(cause, name, value)

"""What an engine and a runner say to each other: lines of JSON, over a stream socket.

To the runner:    {"do":"start", "job":12, "number":1, "token":..., ...}   (the fields of `Start`)
                  {"do":"stop", "token":..., "why":"cancelled", "signal":15, "grace_s":10.0}
                      (of this attempt only; without a token: of whichever there is)
                  {"do":"limit", "token":..., "seconds":3600.0}
                      (counted from the start, without its pauses; null: none)
                  {"do":"pause", "token":...}, {"do":"resume", "token":...}   all its processes; since version 2
                  {"do":"state"}
                  {"do":"attach", "token":..., "read_only":false, "quiet":false, "lines":24}
                      (on a connection of its own, as a viewer of this attempt's terminal: see `runtime.terminal`)
From the runner:  {"is":"state", "v":1, "pid":..., "start_time":..., "zygote":..., "zygote_start":...,
                   "pid_namespace":..., "attempt":{...} or null, "retired":false}
                      (also its greeting; the attempt as in "started")
                  {"is":"started", "job":..., "number":..., "token":..., "rank":..., "pid":..., "start_time":...,
                   "at":..., "ports":[...], "paused":true}             (left out where the command has ended at once)
                  {"is":"ended", ..., "started_at":..., "at":..., "wait_status":..., "why":..., ..., "retired":false}
                  {"is":"unkillable", "job":..., "number":..., "token":...}
                  {"is":"refused", "job":..., "number":..., "token":..., "reason":...}   nothing was started
                  {"is":"attached"}                    from here on frames, both ways (`model.frames`)
                  {"is":"not-attached", "reason":...}  ("": that attempt is not here)

Neither side ever waits for the other. An unknown `do` or `is` is passed over: runners outlive upgrades.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

if TYPE_CHECKING:
    from runyard.model.beat import Order, Terms

VERSION = 2
"""A runner of another version is given no more attempts: one of version 1 would start a command without the terminal
that it asks for."""
PAUSES = 2
"""The first version of a runner that can pause what it holds."""

CHUNK = 65536
LINE_MAX = 16 * 1024 * 1024
"""A longer line is nobody of ours."""

Message = dict[str, Any]
STATE: Message = {"do": "state"}
"""Asks a runner what it holds."""
_encode = json.JSONEncoder(separators=(",", ":")).encode


class Start(NamedTuple):
    """An order as a runner needs it. `environment` and `script` are paths of local files ("": none). `signal` is sent
    so long before the time limit; `requeue`: by exit code 85 the command asks to be run again."""

    job: int
    number: int
    token: str
    command: Sequence[str]
    workdir: str
    shell: str = ""
    script: str = ""
    environment: str = ""
    setup: Sequence[str] = ()
    variables: Mapping[str, str] = MappingProxyType({})
    output: str = ""
    input: str = ""
    cpus: int = 1
    memory_mb: int = 0
    time_limit_s: Optional[float] = None
    grace_s: float = 10.0
    detach: bool = False
    rank: int = 0
    tty: bool = False
    signal: int = 0
    signal_before_s: float = 0.0
    signal_all: bool = False
    requeue: bool = False
    ports: Sequence[int] = ()


def start_message(order: Order, environment: str, script: str) -> Message:
    """The order for a runner; what is as always is left out."""
    key = order.key
    start = Start(
        key.job_id,
        key.number,
        key.token,
        order.command,
        order.workdir,
        order.shell,
        script,
        environment,
        order.setup,
        dict(order.variables),
        order.output,
        order.input,
        order.cpus,
        order.memory_mb,
        order.time_limit_s,
        order.grace_s,
        order.detach,
        order.rank,
        order.tty,
        order.checkpoint.signal,
        order.checkpoint.signal_before_s if order.checkpoint.signal else 0.0,
        order.checkpoint.signal_all,
        order.checkpoint.requeue,
        order.granted,
    )
    usual = Start._field_defaults
    message = {name: value for name, value in zip(Start._fields, start) if name not in usual or value != usual[name]}
    message["do"] = "start"
    return message


def stop_message(token: str, why: str, number: int, grace_s: Optional[float]) -> Message:
    """The wish that this attempt ends; without a grace, with the one of its order."""
    return {"do": "stop", "token": token, "why": why, "signal": number, "grace_s": grace_s}


def terms_messages(terms: Terms) -> tuple[Message, ...]:
    """How an attempt is to go on."""
    token = terms.key.token
    stands = "pause" if terms.paused else "resume"
    return {"do": "limit", "token": token, "seconds": terms.time_limit_s}, {"do": stands, "token": token}


def attach_message(token: str, read_only: bool, quiet: bool, lines: int) -> bytes:
    """The line with which a viewer begins."""
    wish = {"do": "attach", "token": token, "read_only": read_only, "quiet": quiet, "lines": lines}
    return _encode(wish).encode("ascii") + b"\n"


def read_start(message: Message) -> Start:
    """The order in a message. Raises TypeError or ValueError where something is missing or no number is one."""
    start = Start(**{name: message[name] for name in Start._fields if name in message})
    limit_s = None if start.time_limit_s is None else float(start.time_limit_s)
    return start._replace(rank=int(start.rank), time_limit_s=limit_s, grace_s=float(start.grace_s))


class Channel:
    """One side of a connection. Messages that do not fit into the socket's buffer wait in ours (`unsent`)."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._got = b""
        self._out = b""
        self.fd = connection.fileno()

    @property
    def unsent(self) -> bool:
        return bool(self._out)

    def send(self, message: Message) -> bool:
        """Send it, or keep what does not fit for `flush`. False: the other side is gone."""
        self._out += _encode(message).encode("ascii") + b"\n"
        return self.flush()

    def flush(self) -> bool:
        """Send what is left. False: the other side is gone."""
        try:
            while self._out:
                self._out = self._out[self._socket.send(self._out) :]
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True

    def receive(self) -> Optional[list[Message]]:
        """What has arrived; None when the other side is gone. Nothing that arrived before the end is lost: it comes
        first, the None with the next call."""
        try:
            data = self._socket.recv(CHUNK)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data or len(self._got) > LINE_MAX:
            return None
        *lines, self._got = (self._got + data).split(b"\n")
        return [message for message in map(_decode, lines) if message is not None]

    def release(self) -> socket.socket:
        """The connection, for other talk; what has not been sent yet is dropped."""
        return self._socket

    def close(self) -> None:
        self._socket.close()


def _decode(line: bytes) -> Optional[Message]:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):  # no JSON, or nested so deeply that it is nobody of ours
        return None
    return message if isinstance(message, dict) else None

"""The one call between an agent and the yard: a report goes in, an answer with orders comes out.

Answers are numbered per incarnation; a report names the last answer applied. Absence stops nothing: only what an answer
lists under `stop` is stopped, only what it lists under `forget` is forgotten.
"""

from __future__ import annotations

from typing import Optional

from runyard.model.attempt import AttemptKey, Result
from runyard.model.checkpoint import Checkpoint
from runyard.model.code import Code, Note
from runyard.model.drift import Installed
from runyard.model.host import Host
from runyard.model.metrics import Reading
from runyard.model.record import dataclass

PROTOCOL = 1

OVER = ("ended", "revoked")
"""Stages of an attempt after which nothing of it is left running."""


@dataclass(frozen=True)
class Hello:
    """A new start of an agent. The answer to it is a `Welcome`.

    `epoch` and `feed` are the highest that this agent has ever seen from the yard `yard` ("" and 0 at its first start).
    """

    agent: str
    host: Host
    user: str
    uid: int
    pid: int
    boot_id: str
    version: str
    protocol: int = PROTOCOL
    yard: str = ""
    epoch: int = 0
    feed: int = 0


@dataclass(frozen=True)
class Welcome:
    """The incarnation that this start of the agent now is; older ones are refused.

    `feed` numbers the last event that the yard has committed: one that is lower than the agent has seen is that of an
    older copy of the store. `accepted`: an operator has decided that this copy counts.
    """

    yard: str
    epoch: int
    incarnation: int
    protocol: int = PROTOCOL
    feed: int = 0
    accepted: bool = False


@dataclass(frozen=True)
class Observed:
    """An attempt as the agent sees it.

    `stage` is one of: `claimed`, `started`, `ended`, `revoked` (the agent took the claim itself: it never started and
    never will) and `unkillable`. Times are wall time of the host. `pid` belongs to the command. `why` says of one
    that is revoked why, and of one that runs why it cannot be paused. `notes` is what its user should know of it. With
    `hold` a revoked one is to wait until a person has released it.
    """

    key: AttemptKey
    stage: str
    rank: int = 0
    pid: Optional[int] = None
    native_id: str = ""
    started_at: Optional[float] = None
    ended_at: Optional[float] = None
    result: Optional[Result] = None
    why: str = ""
    ports: tuple[int, ...] = ()
    notes: tuple[Note, ...] = ()
    hold: bool = False


@dataclass(frozen=True)
class Report:
    """What an agent has seen since the last beat.

    `observed` lists what is news; `all` lists every attempt that the agent has, at least in the first beat of an
    incarnation and whenever the server asks for it. `host` is present when a look at the machine brought news.
    `wait_s` is how long the server may hold the call when there is nothing to order. `number` rises with each report of
    an incarnation: what a late one says of the present (`all`, `host`) is not taken. `problem` says why the agent does
    nothing that it is told. `readings` are what running jobs, and those that have just ended, report of themselves.
    """

    agent: str
    incarnation: int
    applied: int = 0
    number: int = 0
    observed: tuple[Observed, ...] = ()
    all: Optional[tuple[AttemptKey, ...]] = None
    host: Optional[Host] = None
    wait_s: float = 0.0
    problem: str = ""
    readings: tuple[Reading, ...] = ()


@dataclass(frozen=True)
class Order:
    """Start this placement.

    `environment`, `script` are hashes of blobs to fetch. `variables` are ours (RUNYARD_*, CUDA_VISIBLE_DEVICES ...).
    `devices` are UUIDs. `follows` names the attempt after whose end it starts. `ports` is how many it gets of its
    host's, `granted` (by the agent) which. `code` is a snapshot whose tree takes the place of its root in `workdir`;
    `python` is compared with what is there now, `drift` says what then.
    """

    key: AttemptKey
    command: tuple[str, ...]
    workdir: str
    rank: int = 0
    shell: str = ""
    script: str = ""
    environment: str = ""
    setup: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    output: str = ""
    input: str = ""
    cpus: int = 1
    memory_mb: int = 0
    devices: tuple[str, ...] = ()
    device_memory_mb: int = 0
    time_limit_s: Optional[float] = None
    grace_s: float = 10.0
    detach: bool = False
    follows: str = ""
    assigned_boot_id: str = ""
    tty: bool = False
    checkpoint: Checkpoint = Checkpoint()
    ports: int = 0
    granted: tuple[int, ...] = ()
    code: Optional[Code] = None
    python: Optional[Installed] = None
    drift: str = ""


@dataclass(frozen=True)
class StopOrder:
    """End this attempt: `why` becomes the cause in its result. `at` tells one request from the next."""

    key: AttemptKey
    why: str
    signal: int = 15
    grace_s: Optional[float] = None
    at: float = 0.0


@dataclass(frozen=True)
class Terms:
    """How this attempt is to go on: its time limit, counted from its start without its pauses (None: none), and whether
    it stands still. Always all of it, so that the last one counts and a repeated one changes nothing."""

    key: AttemptKey
    time_limit_s: Optional[float] = None
    paused: bool = False


@dataclass(frozen=True)
class AttachOrder:
    """Somebody wants to see this attempt's terminal, or to type: `ticket` names the stream that joins the two, and is
    good for one only. `quiet`: he does not look. `lines`: so many of what was written before he sees (0: all that is
    kept)."""

    key: AttemptKey
    ticket: str
    read_only: bool = False
    quiet: bool = False
    lines: int = 0


@dataclass(frozen=True)
class Answer:
    """What the yard wants. `revoke` lists attempts that are not to start if they still wait to follow another; `whole`
    asks for `all` in the next report; `feed` is as in `Welcome`."""

    yard: str
    epoch: int
    number: int
    start: tuple[Order, ...] = ()
    stop: tuple[StopOrder, ...] = ()
    forget: tuple[AttemptKey, ...] = ()
    revoke: tuple[AttemptKey, ...] = ()
    whole: bool = False
    feed: int = 0
    terms: tuple[Terms, ...] = ()
    attach: tuple[AttachOrder, ...] = ()

    @property
    def empty(self) -> bool:
        return not (self.start or self.stop or self.forget or self.revoke or self.terms or self.whole or self.attach)

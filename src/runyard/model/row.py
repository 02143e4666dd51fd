"""A job as lists show it. The service makes it of a job; `model.fields` says by what it is filtered and sorted."""

from __future__ import annotations

from dataclasses import field
from typing import Optional

from runyard.model.params import Params
from runyard.model.record import dataclass


@dataclass(frozen=True)
class JobRow:
    """A job as lists show it and as `--json` prints it.

    `word` is the one word for its state; `reason` says why it waits or how it ended; `gpus` are indices of its
    present or last attempt's devices, `gpus_wanted` how many it asks for. `params` are pairs of a name and a value as
    text, `metrics` the last value of each that it has reported. Jobs of one priority wait in the order of their
    `place` (the id, unless they were moved). `version` rises with each change. `public` are variables of its
    environment whose values may be shown (name, value). While it runs: the `stage` that it says it is in, how much is
    `done` of `total`, and how long the rest will take at this pace. While it stands still `paused_at` says since
    when; `paused_s` is how long it has stood still before.
    """

    id: int
    name: str
    state: str
    word: str
    outcome: Optional[str]
    exit_code: Optional[int]
    reason: str
    attempt: int
    host: str
    gpus: tuple[int, ...]
    queue: str
    user: str
    command: str
    workdir: str
    submitted_at: float
    started_at: Optional[float]
    ended_at: Optional[float]
    priority: int = 0
    group: Optional[int] = None
    array_index: Optional[int] = None
    pid: Optional[int] = None
    gpus_wanted: int = 0
    flags: tuple[str, ...] = ()
    params: Params = ()
    template: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    stage: str = ""
    done: Optional[float] = None
    total: Optional[float] = None
    left_s: Optional[float] = None
    place: float = 0.0
    note: str = ""
    version: int = 0
    public: Params = ()
    paused_at: Optional[float] = None
    paused_s: float = 0.0

    def ran_s(self, now: float) -> Optional[float]:
        """How long its last attempt has run, without its pauses; None if it has not."""
        if self.started_at is None:
            return None
        until = next(at for at in (self.ended_at, self.paused_at, now) if at is not None)
        return max(0.0, until - self.started_at - self.paused_s)

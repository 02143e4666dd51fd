"""Jobs that belong together."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Optional

from runyard.errors import InvalidSpec
from runyard.model.record import dataclass
from runyard.model.rule import RULES_MAX, Rule
from runyard.model.spec import NAME_BYTES
from runyard.model.template import Template

ARRAY, SWEEP, PIPELINE = "array", "sweep", "pipeline"
GATHERED = (SWEEP, PIPELINE)
"""The kinds that have a name to call them by, an end, and one line in lists."""

SWEEP_NAME = re.compile(r"\w[\w.+-]{0,63}")
PARALLEL_MAX = 1_000_000
CELLS_SHOWN = 200
"""A strip has at most so many marks; each stands for as many cells as needed."""


@dataclass(frozen=True)
class Sweep:
    """What a sweep is beside its jobs: the template that its cells are made from, with the options of all, and the
    parameters in which they differ.

    `canary` is the job that goes first (0: none). `stopped` says which rule ended it ("": none did).
    """

    template: Template
    varied: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    canary: int = 0
    stopped: str = ""

    def __post_init__(self) -> None:
        if len(self.rules) > RULES_MAX:
            raise InvalidSpec(f"at most {RULES_MAX} rules", "stop-when")


@dataclass(frozen=True)
class Group:
    """An array, a sweep, a pipeline (later a jobset). `parallel` 0 means no limit of its own.

    `size` counts the jobs that were ever put in. `ended_at` is when the last open one ended (it may grow again). `key`
    is that of the submission that made it.
    """

    id: int
    kind: str
    name: str
    user: str
    size: int
    parallel: int = 0
    made_at: float = 0.0
    ended_at: Optional[float] = None
    sweep: Optional[Sweep] = None
    key: str = ""

    @property
    def apart(self) -> bool:
        """Whether the planner sees its jobs apart from others, since it has a limit or may get one."""
        return self.parallel > 0 or self.kind == SWEEP


@dataclass(frozen=True)
class GroupRequest:
    """The jobs of a submission belong together: as a pipeline, or as cells of a sweep, which is a new one, or (`into`,
    a group's id) one that there is.

    `canary`: the first cell goes alone, and the others are submitted as waiting for it.
    """

    name: str
    sweep: Optional[Sweep] = None
    parallel: int = 0
    canary: bool = False
    into: int = 0
    kind: str = SWEEP

    def __post_init__(self) -> None:
        if not 0 <= self.parallel <= PARALLEL_MAX:
            raise InvalidSpec(f"from 0 (no limit) to {PARALLEL_MAX}", "parallel")
        if self.kind == PIPELINE:
            self._check_pipeline()
        elif self.kind == SWEEP:
            self._check_sweep()
        else:
            raise InvalidSpec(f"{self.kind[:80]!r} is none of {', '.join(GATHERED)}", "kind")

    def _check_pipeline(self) -> None:
        if self.sweep is not None or self.canary or self.into:
            raise InvalidSpec("a pipeline has no cells: neither sweep nor canary, and it does not grow", "kind")
        if not self.name.strip() or not self.name.isprintable():
            raise InvalidSpec(f"{self.name[:80]!r} is no name of a pipeline", "name")
        if len(self.name.encode("utf-8", "surrogatepass")) > NAME_BYTES:
            raise InvalidSpec(f"longer than {NAME_BYTES} bytes", "name")

    def _check_sweep(self) -> None:
        if bool(self.into) == (self.sweep is not None):
            raise InvalidSpec("either a new sweep or one that there is", "sweep")
        if not self.into and (not SWEEP_NAME.fullmatch(self.name) or self.name.isdecimal()):
            raise InvalidSpec(
                f"{self.name[:80]!r} is no name of a sweep (letters, digits, '.', '_', '-', not only digits)", "name"
            )


@dataclass(frozen=True)
class SweepChange:
    """Change a sweep while it runs: its limit, its rules. None leaves it as it is."""

    id: int
    parallel: Optional[int] = None
    rules: Optional[tuple[Rule, ...]] = None

    def __post_init__(self) -> None:
        if self.parallel is not None and not 0 <= self.parallel <= PARALLEL_MAX:
            raise InvalidSpec(f"from 0 (no limit) to {PARALLEL_MAX}", "parallel")

    def made_of(self, group: Group) -> Group:
        """The group as this makes it."""
        parallel = group.parallel if self.parallel is None else self.parallel
        sweep = group.sweep
        if self.rules is not None and sweep is not None:
            sweep = replace(sweep, rules=self.rules)
        return replace(group, parallel=parallel, sweep=sweep)


@dataclass(frozen=True)
class GroupQuery:
    """Which groups: of this kind ("": all that are GATHERED), of the caller with `mine`, with this name, id or key
    (the newest first); with `members` each of their jobs is told of too."""

    kind: str = ""
    name: str = ""
    id: int = 0
    mine: bool = False
    recent: bool = False
    key: str = ""
    members: bool = False


@dataclass(frozen=True)
class Members:
    """The jobs of a group, field by field so that thousands are no matter: each tuple is in the order of the ids.

    `words` are those of lists; of a job that has ended there are the exit code and the reason (as `JobRow` has them),
    of one that has begun the time when its present attempt did.
    """

    ids: tuple[int, ...]
    words: tuple[str, ...]
    exit_codes: tuple[Optional[int], ...]
    reasons: tuple[str, ...]
    started_at: tuple[Optional[float], ...]
    ended_at: tuple[Optional[float], ...]


@dataclass(frozen=True)
class GroupRow:
    """A group and where its jobs stand. `counts` are by the word of lists.

    `done` of `total` have ended: those that were cancelled count in neither, those that were skipped may still come.
    `strip` has a letter for each cell in the order of ids, or for some neighbours (see `LETTERS`). `first` and `last`
    are ids of jobs.
    """

    group: Group
    counts: dict[str, int]
    done: int
    total: int
    strip: str
    first: int
    last: int
    started_at: Optional[float] = None
    ended_at: Optional[float] = None
    members: Optional[Members] = None


LETTERS = {
    "failed": "x", "oom": "x", "timeout": "x", "killed": "x", "lost": "x", "not-started": "x", "stopping": "r",
    "running": "r", "paused": "r", "starting": "r", "queued": ".", "waiting": ".", "held": ".", "cancelled": "-",
    "skipped": "-", "succeeded": "o",
}  # fmt: skip
"""What a strip shows for each word: ended badly (x), running (r), to come (.), never run (-), succeeded (o). Where a
mark stands for several cells, it is the first of these that any of them has."""


def strip_of(words: list[str]) -> str:
    """The letters of these cells, at most CELLS_SHOWN."""
    if len(words) <= CELLS_SHOWN:
        return "".join(LETTERS[word] for word in words)
    order = "xr.-o"
    marks = []
    for place in range(CELLS_SHOWN):
        some = words[place * len(words) // CELLS_SHOWN : (place + 1) * len(words) // CELLS_SHOWN]
        marks.append(min((LETTERS[word] for word in some), key=order.index))
    return "".join(marks)

"""Selectors: how a user names jobs, on the command line and over REST.

12            one job                 train[0-5]    those of the array train, and names from train0 to train5
12-20         a range of ids                        (job[01-04] keeps its zeros)
@, @~2        my last, my third last  train[3]      one of the array train
all           everything that is mine name*         names by pattern
state:failed  a word of `ls`, or several: state:failed,lost     queue:x   group:7   user:me   name:x
              sweep:y, pipeline:y (the latest of that name, or a number)
              (or an older system's: state:to_run, state:PD; see `old_words`)
note:word     the word, or a pattern, is somewhere in its note
after:12      waits for job 12, or has waited for it
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Optional

from runyard.errors import InvalidSpec
from runyard.model.group import GATHERED
from runyard.model.job import WORDS, JobState
from runyard.model.old_words import OLD_STATES
from runyard.model.record import dataclass
from runyard.model.spec import ARRAY_INDEX_MAX

ME = "me"
RANGE_MAX = 1_000_000
NAMES_MAX = 10_000
SORT_MAX = 16

_ID = re.compile(r"\d{1,18}")
_ID_RANGE = re.compile(r"(\d{1,18})-(\d{1,18})")
_LAST = re.compile(r"@(?:~(\d{1,9}))?")
_ELEMENTS = re.compile(r"(.+)\[(?:\*|(\d{1,9})(?:-(\d{1,9}))?)\]", re.DOTALL)
_NAME_RANGE = re.compile(r"(.*)\[(\d{1,9})-(\d{1,9})\](.*)", re.DOTALL)
PREFIXES = ("state", "queue", "group", "sweep", "pipeline", "user", "name", "note", "after")
"""What stands before the colon of a selector by a field."""

_FIELD = re.compile(rf"({'|'.join(PREFIXES)}):(.*)", re.DOTALL)


@dataclass(frozen=True)
class Selector:
    """One parsed selector; exactly one of the fields is set, but for names: `train[0-5]` also means these elements of
    an array (its name, the first and the last index), and `train[*]` all of them. `gathered` is the kind of a group
    and its name or number."""

    ids: Optional[tuple[int, int]] = None
    last: Optional[int] = None
    names: tuple[str, ...] = ()
    elements: Optional[tuple[str, int, int]] = None
    words: tuple[str, ...] = ()
    states: tuple[JobState, ...] = ()
    queue: str = ""
    group: Optional[int] = None
    gathered: Optional[tuple[str, str]] = None
    user: str = ""
    everything: bool = False
    note: str = ""
    after: Optional[int] = None

    @property
    def spreads(self) -> bool:
        """One selector that may stand for several jobs."""
        single_id = self.ids is not None and self.ids[0] == self.ids[1]
        return not (single_id or self.last is not None or (len(self.names) == 1 and not is_pattern(self.names[0])))


@dataclass(frozen=True)
class JobQuery:
    """Which jobs: the union of the selectors (none: all), narrowed and cut to `limit`.

    `mine` narrows to the caller's jobs; `recent` to those that wait or run, and the last few that ended; `where` to
    those for which it holds (see `where`). `order` is `id` or `-id` or another name in ORDERS, with a minus for
    descending; `sort` are names of fields, parameters or metrics, with a minus for descending, that come before it.
    What a job lacks comes last. Without `cells` jobs of sweeps and pipelines are left out.
    """

    selectors: tuple[str, ...] = ()
    mine: bool = False
    recent: bool = False
    order: str = "id"
    limit: int = 0
    after_id: int = 0
    where: str = ""
    sort: tuple[str, ...] = ()
    cells: bool = True

    def __post_init__(self) -> None:
        if self.order.removeprefix("-") not in ORDERS:
            raise InvalidSpec(f"{self.order!r} is none of {', '.join(ORDERS)} (with a minus: the other way)", "order")
        if self.limit < 0 or self.after_id < 0:
            raise InvalidSpec("a number from 0, please", "limit" if self.limit < 0 else "after-id")
        if len(self.sort) > SORT_MAX or not all(name.removeprefix("-") for name in self.sort):
            raise InvalidSpec(f"at most {SORT_MAX} names of what to sort by", "sort")


ORDERS = ("id", "name", "priority", "queue", "user", "submitted", "started", "ended")


def parse_selector(text: str) -> Selector:
    """The selector in this text; a wrong one raises InvalidSpec that names it."""
    if text == "all":
        return Selector(everything=True)
    if _ID.fullmatch(text):
        return Selector(ids=(int(text), int(text)))
    if match := _ID_RANGE.fullmatch(text):
        first, last = int(match[1]), int(match[2])
        if first > last or last - first > RANGE_MAX:
            raise InvalidSpec(f"{text!r}: a range goes from the lower id to the higher, at most {RANGE_MAX} of them")
        return Selector(ids=(first, last))
    if match := _LAST.fullmatch(text):
        return Selector(last=int(match[1] or 0))
    if match := _FIELD.fullmatch(text):
        return _field(match[1], match[2])
    if not text or text.startswith(("@", "-")):
        raise InvalidSpec(
            f"{text!r} names no job: use an id, a range 3-7, @, a name, name*, state:failed, queue:x or all"
        )
    return _names(text)


def _names(text: str) -> Selector:
    match = _ELEMENTS.fullmatch(text)
    if match is None or is_pattern(match[1]):
        return Selector(names=expand_names(text))
    first, last = match[2] or 0, match[3] or match[2] or ARRAY_INDEX_MAX
    return Selector(names=expand_names(text), elements=(match[1], int(first), int(last)))


def _field(field: str, value: str) -> Selector:
    if not value:
        raise InvalidSpec(f"{field}: of which {field}? Say {field}:x")
    if field == "state":
        return _state(value)
    if field in ("group", "after"):
        if not _ID.fullmatch(value):
            raise InvalidSpec(f"{field}:{value}: a {'group' if field == 'group' else 'job'} has a number")
        return Selector(group=int(value)) if field == "group" else Selector(after=int(value))
    if field in GATHERED:
        return Selector(gathered=(field, value))
    if field == "name":
        return _names(value)
    if field == "queue":
        return Selector(queue=value)
    if field == "note":
        return Selector(note=value)
    return Selector(everything=True) if value == ME else Selector(user=value)


def _state(value: str) -> Selector:
    words, states = [], []
    for word in value.split(","):
        if word in WORDS:
            words.append(word)
        elif word in STATE_NAMES:
            states.append(STATE_NAMES[word])
        elif word.lower() in OLD_STATES:
            words += OLD_STATES[word.lower()]
        else:
            raise InvalidSpec(f"state:{word}: a job is one of {', '.join(WORDS)}; or pending, assigned, done")
    return Selector(words=tuple(words), states=tuple(states))


STATE_NAMES = {state.value: state for state in JobState if state is not JobState.RUNNING}
"""States that can be selected beside the words (`running` is a word already)."""


def expand_names(text: str) -> tuple[str, ...]:
    """`train[0-5]` gives six names; leading zeros of the first bound are kept. Other texts stand for themselves."""
    match = _NAME_RANGE.fullmatch(text)
    if not match:
        return (text,)
    before, first, last, after = match.groups()
    low, high = int(first), int(last)
    if low > high or high - low >= NAMES_MAX:
        raise InvalidSpec(f"{text!r}: a range goes from the lower number to the higher, at most {NAMES_MAX} of them")
    width = len(first) if first.startswith("0") else 0
    return tuple(f"{before}{number:0{width}d}{after}" for number in range(low, high + 1))


def is_pattern(name: str) -> bool:
    """Whether a name holds wildcards."""
    return any(mark in name for mark in "*?")


def spreads(selectors: Iterable[str]) -> bool:
    """Whether one of these selectors may stand for several jobs, so that a change asks first."""
    return any(parse_selector(text).spreads for text in selectors)

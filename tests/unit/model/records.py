"""Every record that travels, and how to make any of them: hypothesis strategies from the type hints.

Records that check themselves have their own strategies; all others follow from the types of their fields.
"""

from __future__ import annotations

import dataclasses
from enum import Enum
from types import ModuleType
from typing import Any, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from runyard import api
from runyard.agent import board, lines, state
from runyard.model import (
    attempt,
    beat,
    checkpoint,
    code,
    comparing,
    drift,
    events,
    filter,
    group,
    host,
    job,
    link,
    metrics,
    queue,
    row,
    rule,
    spec,
    template,
    usage,
    view,
)
from runyard.model.codec import INT_MAX

MODULES: tuple[ModuleType, ...] = (
    api,
    attempt,
    beat,
    board,
    checkpoint,
    code,
    comparing,
    drift,
    events,
    filter,
    group,
    host,
    job,
    lines,
    link,
    metrics,
    queue,
    row,
    rule,
    spec,
    state,
    template,
    usage,
    view,
)

TEXT = st.text(max_size=8)
"""Also with half surrogate pairs: what stands for bytes that are no text."""

LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\n"), max_size=12)
BYTES_LINE = (
    st.binary(max_size=12)
    .map(lambda raw: raw.decode("utf-8", "surrogateescape"))
    .filter(lambda text: not set("\0\n") & set(text))
)
INTEGER = st.one_of(st.integers(0, 9), st.integers(-INT_MAX, INT_MAX))
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
QUEUE = st.from_regex(spec.QUEUE_NAME, fullmatch=True).filter(str.isascii)
HASH = st.from_regex(spec.HASH, fullmatch=True)
PATH = BYTES_LINE.map(lambda text: "/" + text)


def of(hint: Any) -> st.SearchStrategy[Any]:
    """Values of this type."""
    if hint in OWN:
        return OWN[hint]
    origin, args = get_origin(hint), get_args(hint)
    if dataclasses.is_dataclass(hint):
        return record(hint)
    if origin is Union:
        return st.one_of([st.none() if arg is type(None) else of(arg) for arg in args])
    if origin is tuple and args[-1] is Ellipsis:
        return st.lists(of(args[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*[of(arg) for arg in args])
    if origin is dict:
        return st.dictionaries(of(args[0]), of(args[1]), max_size=2)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(hint)
    return SCALARS[hint]


SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: INTEGER,
    float: NUMBER,
    bool: st.booleans(),
    bytes: st.binary(max_size=20),
}


def record(cls: Any, **own: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Records of this class; `own` are fields with strategies of their own."""
    hints = get_type_hints(cls)
    return st.deferred(
        lambda: st.builds(
            cls, **{**{f.name: of(hints[f.name]) for f in dataclasses.fields(cls) if f.name not in own}, **own}
        )
    )


OWN: dict[Any, st.SearchStrategy[Any]] = {}

OWN[spec.GpuRequest] = st.one_of(
    st.builds(spec.GpuRequest, st.integers(0, 1024), st.integers(0, INT_MAX), TEXT),
    st.sets(st.integers(0, 99), min_size=1, max_size=4).map(
        lambda indices: spec.GpuRequest(len(indices), indices=tuple(sorted(indices)))
    ),
)
OWN[spec.Resources] = record(spec.Resources, cpus=st.integers(0, 65536), memory_mb=st.integers(0, (1 << 40) - 1))
OWN[checkpoint.Checkpoint] = record(
    checkpoint.Checkpoint,
    signal=st.just(0),
    signal_before_s=st.floats(0, 1e6),
    tries=st.integers(1, checkpoint.TRIES_MAX),
)
OWN[spec.RetryVariable] = record(
    spec.RetryVariable,
    cause=st.sampled_from(["", *spec.RETRY_CAUSES]),
    name=st.from_regex(spec.VARIABLE, fullmatch=True).filter(lambda name: not name.startswith(spec.OUR_VARIABLES)),
    value=BYTES_LINE,
)
OWN[spec.Retry] = record(
    spec.Retry,
    limit=st.integers(0, 10_000),
    on=st.lists(st.sampled_from([*spec.RETRY_CAUSES, "1", "255"]), max_size=3).map(tuple),
    backoff_s=st.floats(0, 86_400),
)
OWN[spec.Dependency] = record(spec.Dependency, kind=st.sampled_from(spec.DEPENDENCY_KINDS))
OWN[code.Part] = record(code.Part, source=PATH)
OWN[code.Code] = st.one_of(
    record(code.Code, root=PATH, key=st.just(""), frozen=st.just(())),
    record(
        code.Code, root=PATH, key=st.from_regex("[0-9a-f]{20}", fullmatch=True),
        frozen=st.lists(OWN[code.Part], min_size=1, max_size=2).map(tuple),
    ),
)  # fmt: skip
OWN[drift.Installed] = record(drift.Installed, python=PATH)
_SPEC: dict[str, st.SearchStrategy[Any]] = {
    "command": st.lists(BYTES_LINE, max_size=3).map(lambda words: ("run", *words)),
    "name": LINE,
    "workdir": PATH,
    "shell": st.just(""),
    "script": st.one_of(st.just(""), HASH),
    "environment": st.one_of(st.just(""), HASH),
    "setup": st.lists(LINE, max_size=2).map(tuple),
    "output": BYTES_LINE,
    "queue": QUEUE,
    "priority": st.integers(-1_000_000, 1_000_000),
    "begin_at": st.one_of(st.none(), st.floats(0, 1e10)),
    "time_limit_s": st.one_of(st.none(), st.floats(0.1, 1e6)),
    "grace_s": st.floats(0, 86_400),
    "on_lost": st.sampled_from(spec.ON_LOST),
    "unique": LINE,
    "note": LINE,
    "array_index": st.one_of(st.none(), st.integers(0, spec.ARRAY_INDEX_MAX)),
    "params": st.dictionaries(st.sampled_from(["lr", "opt", "größe"]), BYTES_LINE, max_size=3).map(
        lambda params: tuple(params.items())
    ),
    "template": LINE,
    "notify": st.lists(st.sampled_from(["slack", "desk:ended,each", "mail:ada@example.org:failed"]), max_size=2).map(
        tuple
    ),
    "ports": st.one_of(st.none(), st.integers(0, spec.PORTS_MAX)),
    "snapshot": LINE,
    "drift": st.sampled_from(["", *drift.POLICIES]),
}
OWN[spec.JobSpec] = st.one_of(
    record(spec.JobSpec, **_SPEC, input=BYTES_LINE, tty=st.just(False)),
    record(spec.JobSpec, **_SPEC, input=st.just("")),
)
OWN[spec.ArraySpec] = record(
    spec.ArraySpec,
    indices=st.lists(st.integers(0, spec.ARRAY_INDEX_MAX), max_size=3, unique=True).map(tuple),
    parallel=st.integers(0, spec.ARRAY_MAX),
)
OWN[queue.Queue] = record(
    queue.Queue, name=QUEUE, parallel=st.integers(0, 1_000_000), on_lost=st.sampled_from(spec.ON_LOST[1:])
)

OWN[metrics.Metric] = record(metrics.Metric, name=st.from_regex(metrics.NAME, fullmatch=True))
OWN[metrics.Progress] = record(metrics.Progress, stage=st.sampled_from(["", "train"]))
OWN[usage.UsageQuery] = record(usage.UsageQuery, since=st.sampled_from(["", "7d", "today", "2026-12-01"]))
OWN[filter.JobQuery] = record(
    filter.JobQuery,
    order=st.sampled_from([*filter.ORDERS, "-id"]),
    limit=st.integers(0, 9),
    after_id=st.integers(0, 9),
    sort=st.lists(LINE.filter(lambda name: name.removeprefix("-") != ""), max_size=2).map(tuple),
)
OWN[api.StopCall] = record(
    api.StopCall,
    signal=st.integers(1, api.SIGNAL_MAX),
    grace_s=st.one_of(st.none(), st.floats(0, api.GRACE_MAX_S)),
)
OWN[api.GrepQuery] = record(api.GrepQuery, after=st.integers(0, 9), before=st.integers(0, 9))
OWN[template.Parameter] = record(
    template.Parameter,
    name=st.sampled_from(["lr", "opt", "model.size"]),
    type=st.sampled_from(template.TYPES),
    default=st.one_of(st.none(), LINE),
    choices=st.lists(LINE, max_size=2).map(tuple),
    style=st.sampled_from(template.STYLES),
    flag=LINE,
    off=LINE,
    many=st.sampled_from(template.MANY),
)
OWN[template.Template] = record(
    template.Template,
    name=st.one_of(st.just(""), st.sampled_from(["train", "a.b-c_1"])),
    command=st.lists(BYTES_LINE, max_size=3).map(lambda words: ("run", *words)),
    shell=st.just(False),
    parameters=st.lists(OWN[template.Parameter], max_size=2, unique_by=lambda one: one.name).map(tuple),
    source=st.sampled_from(template.SOURCES),
)
OWN[template.NumbersCall] = record(
    template.NumbersCall,
    template=st.sampled_from(["train", "a"]),
    count=st.integers(1, 1_000_000),
    least=st.integers(1, 1_000_000_000),
)
OWN[rule.Rule] = record(rule.Rule, comparison=st.sampled_from(list(rule.COMPARISONS)))
OWN[group.GroupRequest] = st.one_of(
    st.builds(
        group.GroupRequest, st.sampled_from(["lr", "größe.2"]), record(group.Sweep), st.integers(0, 9), st.booleans()
    ),
    st.builds(group.GroupRequest, LINE, into=st.integers(1, 9)),
    st.builds(
        group.GroupRequest, st.sampled_from(["a b", "größe"]), kind=st.just("pipeline"), parallel=st.integers(0, 9)
    ),
)
OWN[group.SweepChange] = record(group.SweepChange, parallel=st.one_of(st.none(), st.integers(0, 9)))

RECORDS: list[Any] = sorted(
    {
        found
        for module in MODULES
        for found in vars(module).values()
        if dataclasses.is_dataclass(found) and isinstance(found, type) and found.__module__ == module.__name__
    }
    - {api.Chunk, code.Look, comparing.Side},
    key=lambda cls: cls.__name__,
)
"""Every class that the codec carries. (A chunk of output travels as bytes, a look at code does not travel.)"""

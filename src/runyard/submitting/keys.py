"""What of a job can be changed after it was accepted: each option once, with how it is written.

The names are those of `fields`, with `command` besides. What is shown of a job can be given back and means the same.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from runyard.model.spec import GpuRequest, JobSpec

Shown = Callable[[JobSpec], Any]


class Key(NamedTuple):
    """An option: its name, what a job has of it (a text, a number, a bool or a list), and what to know about it."""

    name: str
    shown: Shown
    about: str


def span_text(seconds: float | None) -> str:
    """A span as `fields` reads it."""
    if seconds is None:
        return "none"
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s" if seconds % 1 == 0 else f"{seconds:.3f}s"


def memory_text(megabytes: int) -> str:
    """An amount of memory as `fields` reads it."""
    return f"{megabytes // 1024}G" if megabytes and megabytes % 1024 == 0 else f"{megabytes}M" if megabytes else "0"


def gpus_text(asked: GpuRequest) -> str:
    """A request for GPUs as `fields` reads it."""
    if asked.indices:
        head = "index=" + ",".join(map(str, asked.indices))
    else:
        head = f"{asked.count}:{asked.model}" if asked.model else str(asked.count)
    return f"{head},mem={memory_text(asked.memory_mb)}" if asked.memory_mb else head


def moment_text(at: float | None) -> str:
    """A time as `fields` reads it."""
    return "" if at is None else time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(at))


def after_texts(spec: JobSpec) -> list[str]:
    """What it waits for, as `fields` reads it."""
    return [f"{wanted.kind}:{wanted.job_id}" for wanted in spec.after]


def command_of(spec: JobSpec) -> str | list[str]:
    """A text for the shell, or the words of an argv."""
    return spec.command[0] if spec.shell else list(spec.command)


def signal_text(spec: JobSpec) -> str:
    """The signal before the time limit, as `fields` reads it."""
    asked = spec.checkpoint
    if not asked.signal:
        return ""
    known = {int(one): one.name.removeprefix("SIG") for one in signal.Signals}
    to = "all:" if asked.signal_all else ""
    return f"{to}{known.get(asked.signal, asked.signal)}@{span_text(asked.signal_before_s)}"


def retry_env(spec: JobSpec) -> list[str]:
    """The variables of its retries, as `fields` reads them."""
    return [f"{f'{one.cause}:' if one.cause else ''}{one.name}={one.value}" for one in spec.retry.env]


KEYS = (
    Key("command", command_of, "a list runs as it is, a text is run by a shell"),
    Key("name", lambda s: s.name, "empty: its program or script"),
    Key("note", lambda s: s.note, "what it is for"),
    Key("workdir", lambda s: s.workdir, ""),
    Key("queue", lambda s: s.queue, ""),
    Key("priority", lambda s: s.priority, "higher goes first"),
    Key("gpus", lambda s: gpus_text(s.resources.gpus), "2, 2:a100, 1,mem=10G (a share), index=0,2"),
    Key("cpus", lambda s: s.resources.cpus, ""),
    Key("mem", lambda s: memory_text(s.resources.memory_mb), "10G, 500M; 0: no limit"),
    Key("time", lambda s: span_text(s.time_limit_s), "its limit: 30s, 2h, 1-12:00:00, none"),
    Key("grace", lambda s: span_text(s.grace_s), "between the signal and the kill"),
    Key("after", after_texts, 'as in ["afterok:12", "afterany:13"]'),
    Key("hold", lambda s: s.hold, "true keeps it back"),
    Key("begin", lambda s: moment_text(s.begin_at), "22:00, +2h, 2026-12-31T08:00; empty: any time"),
    Key("retries", lambda s: s.retry.limit, "by itself, so often"),
    Key("retry-on", lambda s: list(s.retry.on), "fail, oom, lost, timeout, exit codes; empty: fail, oom, timeout"),
    Key("backoff", lambda s: span_text(s.retry.backoff_s), "the pause before a retry, doubled each time"),
    Key("on-lost", lambda s: s.on_lost, "end or requeue, if its end is unknown; empty: as its queue says"),
    Key("unique", lambda s: s.unique, "no two jobs of one key wait or run"),
    Key("setup", lambda s: list(s.setup), "shell lines that run first"),
    Key("output", lambda s: s.output, "a file, with %j id, %a index, %x name; empty: the yard keeps it"),
    Key("input", lambda s: s.input, "a file; empty: /dev/null"),
    Key("detach", lambda s: s.detach, "true: processes that it leaves behind are not ended"),
    Key("tty", lambda s: s.tty, "true: it gets a terminal (attach)"),
    Key("ports", lambda s: "" if s.ports is None else s.ports, "how many ports of its host; empty: as its GPUs say"),
    Key("signal", signal_text, "before the time limit: USR1@120, all:USR1@2m; empty: none"),
    Key("checkpoint-dir", lambda s: s.checkpoint.directory, "true: a directory that all its attempts find"),
    Key("requeue-on-checkpoint", lambda s: s.checkpoint.requeue, "true: exit code 85 runs it again"),
    Key("checkpoint-tries", lambda s: s.checkpoint.tries, "so often without a new checkpoint"),
    Key("retry-env", retry_env, 'variables of its retries, as in ["oom:BATCH_SIZE=16"]'),
    Key("notify", lambda s: list(s.notify), "hooks that are told of it"),
    Key("slurm-env", lambda s: s.slurm_env, "true: SLURM_* twins of our variables"),
    Key("env", lambda s: [], 'variables to set, as in ["SEED=7"]; the others stay'),
)
"""In the order in which an editor shows them."""

STILL = ("name", "note", "priority", "time", "retries", "retry-on", "backoff", "retry-env", "on-lost", "notify")
"""What can still be changed while the job is on a host (see `model.wishes.STILL_CHANGES`)."""

REMARKS = ("name", "note")
"""What can be changed when it has ended."""

BY_NAME = {key.name: key for key in KEYS}


def keys_for(state: str) -> tuple[Key, ...]:
    """Those that can be changed of a job in this state."""
    names: Iterable[str] = {"pending": BY_NAME, "done": REMARKS}.get(state, STILL)
    return tuple(BY_NAME[name] for name in names)


def differences(before: JobSpec, after: JobSpec) -> list[str]:
    """What differs, as in `time: none -> 2h`."""
    told = [
        f"{key.name}: {_plain(key.shown(before))} -> {_plain(key.shown(after))}"
        for key in KEYS
        if key.shown(before) != key.shown(after)
    ]
    return told + (["env: other variables"] if before.environment != after.environment else [])


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) or "none"

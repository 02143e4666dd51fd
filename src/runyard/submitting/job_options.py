"""Every option of a job, once: its name (the long flag), how its value is read, where a spec has it, and how that is
written.

Flags, entries of a file, the defaults of a queue, `edit` and `show` all go through this table, so an option means the
same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import Any, NamedTuple

from runyard.errors import InvalidSpec
from runyard.model.nearest import meant
from runyard.model.spec import JobSpec
from runyard.submitting import spelling
from runyard.submitting.ground import Here

BLANK = JobSpec(("true",))
"""A job with every option at its default."""


class Option(NamedTuple):
    """One option of a job.

    `read` makes its value of what was given. `at` is where a spec has it ("retry.limit"): several places have a part of
    the value each, none means that it becomes part of something else. `text` writes the value so that `read` takes it.
    `about` helps who edits it; `fixed` says why it cannot be changed once the job was accepted.
    """

    read: Callable[[Any, str, Here], Any]
    at: str = ""
    text: Callable[[Any], Any] = lambda value: value
    about: str = ""
    fixed: str = ""

    def of(self, spec: JobSpec) -> Any:
        """What a job has of it."""
        return attrgetter(*self.at.split())(spec) if self.at else ()

    def shown(self, spec: JobSpec) -> Any:
        """What a job has of it, as it is written: a text, a number, a bool or a list."""
        return self.text(self.of(spec))


OPTIONS = {
    "name": Option(spelling.title, "name", about="empty: its program or script"),
    "note": Option(spelling.remark, "note", about="what it is for"),
    "workdir": Option(spelling.text, "workdir"),
    "queue": Option(spelling.text, "queue"),
    "priority": Option(spelling.integer, "priority", about="higher goes first"),
    "gpus": Option(
        spelling.devices, "resources.gpus", spelling.gpus_text, "2, 2:a100, 1,mem=10G (a share), index=0,2"
    ),
    "cpus": Option(spelling.integer, "resources.cpus"),
    "mem": Option(spelling.memory, "resources.memory_mb", spelling.memory_text, "10G, 500M; 0: no limit"),
    "mem-per-cpu": Option(spelling.memory),
    "time": Option(
        spelling.time_limit, "time_limit_s", spelling.span_text, "its limit: 30s, 2h, 1-12:00:00, none"
    ),
    "grace": Option(spelling.span, "grace_s", spelling.span_text, "between the signal and the kill"),
    "after": Option(spelling.after, "after", spelling.after_texts, 'as in ["afterok:12", "afterany:13"]'),
    "array": Option(spelling.array, fixed="its jobs are there already"),
    "hold": Option(spelling.flag, "hold", about="true keeps it back"),
    "begin": Option(
        spelling.begin, "begin_at", spelling.moment_text, "22:00, +2h, 2026-12-31T08:00; empty: any time"
    ),
    "retries": Option(spelling.integer, "retry.limit", about="by itself, so often"),
    "retry-on": Option(
        spelling.listed, "retry.on", list, "fail, oom, lost, timeout, exit codes; empty: fail, oom, timeout"
    ),
    "backoff": Option(
        spelling.span, "retry.backoff_s", spelling.span_text, "the pause before a retry, doubled each time"
    ),
    "retry-env": Option(
        spelling.retry_variables,
        "retry.env",
        spelling.retry_texts,
        'variables of its retries, as in ["oom:BATCH_SIZE=16"]',
    ),
    "on-lost": Option(
        spelling.text, "on_lost", about="end or requeue, if its end is unknown; empty: as its queue says"
    ),
    "unique": Option(spelling.text, "unique", about="no two jobs of one key wait or run"),
    "param": Option(
        spelling.parameters, "params", spelling.parameter_texts, 'to find and compare it by, as in ["lr=0.1"]'
    ),
    "setup": Option(spelling.texts, "setup", list, "shell lines that run first"),
    "venv": Option(spelling.text, fixed="it has become lines of `setup`: change those"),
    "conda": Option(spelling.text, fixed="it has become lines of `setup`: change those"),
    "shell": Option(spelling.text, "shell", about="of a command that is a text: bash, sh, zsh, login"),
    "output": Option(
        spelling.output, "output", about="a file, with %j id, %a index, %x name; empty: the yard keeps it"
    ),
    "input": Option(spelling.text, "input", about="a file; empty: /dev/null"),
    "detach": Option(spelling.flag, "detach", about="true: processes that it leaves behind are not ended"),
    "tty": Option(spelling.flag, "tty", about="true: it gets a terminal (attach)"),
    "ports": Option(
        spelling.integer,
        "ports",
        lambda ports: "" if ports is None else ports,
        "how many ports of its host; empty: as its GPUs say",
    ),
    "signal": Option(
        spelling.warning,
        "checkpoint.signal checkpoint.signal_before_s checkpoint.signal_all",
        spelling.signal_text,
        "before the time limit: USR1@120, all:USR1@2m; empty: none",
    ),
    "checkpoint-dir": Option(
        spelling.flag, "checkpoint.directory", about="true: a directory that all its attempts find"
    ),
    "requeue-on-checkpoint": Option(
        spelling.flag, "checkpoint.requeue", about="true: exit code 85 runs it again"
    ),
    "checkpoint-tries": Option(
        spelling.integer, "checkpoint.tries", about="so often without a new checkpoint"
    ),
    "notify": Option(spelling.wishes, "notify", list, "hooks that are told of it"),
    "slurm-env": Option(spelling.flag, "slurm_env", about="true: SLURM_* twins of our variables"),
    "snapshot": Option(
        spelling.snapshot, "snapshot", spelling.snapshot_text, fixed="its code was recorded when it was submitted"
    ),
    "drift": Option(
        spelling.policy, "drift", about="warn, hold or ignore, if other Python packages are there; empty: warn"
    ),
    "env": Option(spelling.variables, text=list, about='variables to set, as in ["SEED=7"]; the others stay'),
    "env-file": Option(spelling.texts, text=list),
    "clean-env": Option(spelling.flag, fixed="`env` changes single variables"),
}  # fmt: skip
"""Every option of a job by its long flag, in the order in which an editor and `show` have them."""

MANY = frozenset(name for name, option in OPTIONS.items() if isinstance(option.shown(BLANK), list))
"""Those that may be given several times."""

RIVALS = {"mem": "mem-per-cpu", "mem-per-cpu": "mem", "venv": "conda", "conda": "venv", "input": "tty", "tty": "input"}
"""Pairs of options that exclude each other: one that is given replaces a default for the other."""

ITS_OWN = frozenset(
    ("name", "note", "workdir", "queue", "after", "array", "hold", "begin", "on-lost", "unique", "param", "input")
) | {"env", "env-file"}
"""What a queue does not give to jobs whose submitter says nothing. (Its on-lost is a limit of the queue itself.)"""

DEFAULTABLE = tuple(name for name in OPTIONS if name not in ITS_OWN)


def layered(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """The options of both; those above win, also over their rivals."""
    return {**{name: value for name, value in below.items() if RIVALS.get(name) not in above}, **above}


def read(options: Mapping[str, Any], here: Here) -> dict[str, Any]:
    """The options with their values read; an unknown name or a bad value raises InvalidSpec that names it."""
    for name in options:
        if name not in OPTIONS:
            raise InvalidSpec(f"there is no such option{meant(name, OPTIONS)}", name)
    return {name: OPTIONS[name].read(value, name, here) for name, value in options.items()}


def placed(values: Mapping[str, Any], base: JobSpec = BLANK) -> dict[str, Any]:
    """The fields of a spec that these values make, beside what `base` has in the same records."""
    if "mem-per-cpu" in values:
        values = {"mem": values["mem-per-cpu"] * values.get("cpus", base.resources.cpus), **values}
    found: dict[str, Any] = {}
    records: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        places = OPTIONS[name].at.split() if name in OPTIONS else []
        for place, held in zip(places, value if len(places) > 1 else (value,), strict=False):
            field, _, inner = place.partition(".")
            if inner:
                records.setdefault(field, {})[inner] = held
            else:
                found[field] = held
    for field, given in records.items():
        before = getattr(base, field)
        found[field] = type(before)(**{**before.__dict__, **given})
    return found


def chosen(spec: JobSpec) -> Iterator[tuple[str, str]]:
    """What a job has otherwise than a blank one, as it is written."""
    for name, one in OPTIONS.items():
        if one.at and one.of(spec) != one.of(BLANK):
            yield name, written(one.shown(spec))


def written(shown: Any) -> str:
    """What is shown of an option, as one text."""
    if isinstance(shown, list):
        return " ".join(map(str, shown)) or "none"
    if isinstance(shown, bool):
        return "true" if shown else "false"
    return str(shown) or "none"


def check_defaults(defaults: Mapping[str, str], here: Here) -> None:
    """Whether a queue may have these defaults."""
    for name in defaults:
        if name not in DEFAULTABLE:
            listed = f"it may have: {', '.join(DEFAULTABLE)}"
            raise InvalidSpec(f"a queue has no default for it{meant(name, DEFAULTABLE, listed)}", name)
    read(defaults, here)

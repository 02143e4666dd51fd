"""What a pipeline is: jobs that are shell commands, and who needs whom. Checked when built, trusted afterwards.

`pipeline.pipeline` builds it job by job, `document` reads it from a file, renderers and backends take it as it is.
Memory is in MB (2**20 bytes). Pure.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container

from runyard.errors import InvalidSpec
from runyard.model.record import changed, dataclass
from runyard.model.spec import ARGUMENT_BYTES, NAME_BYTES, VARIABLE
from runyard.pipeline.graph import Graph

Variables = tuple[tuple[str, str], ...]
"""Names and values."""

Option = str | int | bool
Options = tuple[tuple[str, Option], ...]
"""Options of sbatch, by the names that it gives them, with `_` for `-`."""

SIZE_MAX = 1_000
"""So many jobs at a time at most."""

SLUG = re.compile(r"[^\w.-]+", re.ASCII)
SLUG_LENGTH = 40


@dataclass(frozen=True)
class PipelineJob:
    """One command of a pipeline. What it `needs` are the names of jobs that have to pass first.

    `preamble` comes before the command in the same shell; `setup` has to succeed, else the command is not run;
    `teardown` is run after it however it ended, if `setup` succeeded. `cwd` "" is where the pipeline is started. `log`:
    what it prints is kept. None of a resource: it was not said.
    """

    name: str
    command: str
    needs: tuple[str, ...] = ()
    cwd: str = ""
    log: bool = True
    tags: tuple[str, ...] = ()
    preamble: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    teardown: tuple[str, ...] = ()
    env: Variables = ()
    cpus: int | None = None
    memory_mb: int | None = None
    gpus: int | None = None
    options: Options = ()

    def __post_init__(self) -> None:
        check_name(self.name)
        if not self.command.strip():
            raise InvalidSpec(f"job {self.name!r} has no command", "command")
        for text in (self.command, self.cwd, *self.preamble, *self.setup, *self.teardown):
            _check_text(text, self.name)
        check_variables(self.env)
        for what, amount in (("cpus", self.cpus), ("mem", self.memory_mb), ("gpus", self.gpus)):
            if amount is not None and amount < 0:
                raise InvalidSpec(f"job {self.name!r}: a number from 0, please", what)


@dataclass(frozen=True)
class PipelineSpec:
    """A whole pipeline. `jobs` are in the order of their submission, and each one's needs are among them.

    At most `size` jobs run at a time (0: nobody said; serial: one). `home` and `host` say which yard queues it (see
    `runyard.connect`; "": the default one). `gpus` are the devices that the jobs of a tmux pipeline share.
    `public` names variables whose values may stand in scripts; the others are kept in a file of their own.
    """

    name: str
    jobs: tuple[PipelineJob, ...] = ()
    cwd: str = ""
    preamble: tuple[str, ...] = ()
    env: Variables = ()
    public: tuple[str, ...] = ()
    size: int = 0
    gpus: tuple[str, ...] = ()
    options: Options = ()
    home: str = ""
    host: str = ""

    def __post_init__(self) -> None:
        check_name(self.name)
        check_variables(self.env)
        if not 0 <= self.size <= SIZE_MAX:
            raise InvalidSpec(f"a number up to {SIZE_MAX}, please", "size")
        names = {job.name for job in self.jobs}
        if len(names) != len(self.jobs):
            counted = Counter(job.name for job in self.jobs).most_common(1)
            raise InvalidSpec(f"{counted[0][1]} jobs are called {counted[0][0]!r}", "name")
        for job in self.jobs:
            for need in job.needs:
                if need not in names:
                    raise InvalidSpec(f"job {job.name!r} needs {need!r}, and there is no such job", "needs")

    @property
    def workers(self) -> int:
        """How many jobs run at a time where somebody has to say so: one if nobody did."""
        return self.size or 1

    @property
    def needs(self) -> dict[str, tuple[str, ...]]:
        """Who needs whom, by name, in the order of submission."""
        return {job.name: job.needs for job in self.jobs}

    @property
    def in_order(self) -> tuple[PipelineJob, ...]:
        """The jobs, each after what it needs. InvalidSpec if they need each other in a circle."""
        jobs = {job.name: job for job in self.jobs}
        return tuple(jobs[name] for name in Graph(self.needs).order)

    def without(self, tags: tuple[str, ...]) -> PipelineSpec:
        """The pipeline without the jobs of these tags; what needed them needs them no more."""
        gone = {job.name for job in self.jobs if not set(tags).isdisjoint(job.tags)}
        left = (job for job in self.jobs if job.name not in gone)
        kept = tuple(changed(job, needs=tuple(need for need in job.needs if need not in gone)) for job in left)
        return changed(self, jobs=kept)


@dataclass(frozen=True)
class Draft:
    """A pipeline that nobody runs yet, and the backend that is to run it ("": nobody said)."""

    spec: PipelineSpec
    backend: str = ""


def free_name(pipeline: str, number: int, taken: Container[str]) -> str:
    """What a job is called that nobody named: by this number, or the first after it that is free."""
    while (name := f"{pipeline}-job-{number}") in taken:
        number += 1
    return name


def check_name(name: str) -> None:
    """InvalidSpec if this can be no name of a pipeline or a job."""
    if not name.strip() or not name.isprintable():
        raise InvalidSpec(f"{name!r} is no name: letters, digits, signs and blanks, on one line", "name")
    if len(name.encode("utf-8", "surrogatepass")) > NAME_BYTES:
        raise InvalidSpec(f"longer than {NAME_BYTES} bytes", "name")


def check_variables(variables: Variables) -> None:
    """InvalidSpec if a program could not be given one of these."""
    for name, value in variables:
        if not VARIABLE.fullmatch(name):
            raise InvalidSpec(f"{name!r} is no name of a variable", "env")
        _check_text(value, name)


def slug(name: str) -> str:
    """The name as a part of a file's name: cut, and `-` for all but plain letters, digits and `_.-`."""
    return SLUG.sub("-", name)[:SLUG_LENGTH].strip("-.") or "job"


def _check_text(text: str, name: str) -> None:
    if "\0" in text:
        raise InvalidSpec("holds a NUL character, which no program can be given", name)
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        raise InvalidSpec("holds a character that is none (half a surrogate pair)", name) from None
    if size > ARGUMENT_BYTES:
        raise InvalidSpec(f"longer than the {ARGUMENT_BYTES} bytes that a program can be given; use a file", name)

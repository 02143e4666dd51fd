"""A job of a queue, as cmd_queue's users know it: what it has may be read, and changed until the queue is written."""

from __future__ import annotations

import os
import shlex
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from runyard.client import handle
from runyard.model.record import changed
from runyard.pipeline.layout import Layout
from runyard.pipeline.pipeline import place
from runyard.pipeline.reading import options as reading
from runyard.pipeline.reading.sbatch import SBATCH
from runyard.pipeline.render import alone, bash
from runyard.pipeline.showing.printing import COLORS, show
from runyard.pipeline.spec import PipelineJob, PipelineSpec

OTHERS = ("allow_indent", "bookkeeper", "info_dpath", "output_fpath", "shell")
"""Options of cmd_queue's jobs that ours have not: `output_fpath` is sbatch's `output`, and of the others nothing is
needed here."""

OURS = "runyard."


class Holder(Protocol):
    """The queue that a job is in."""

    @property
    def layout(self) -> Layout:
        """Where its files lie."""


class JobFile:
    """The path of a file of a job: where its queue keeps it, unless another one was chosen."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def __get__(self, job: Job, owner: type[Job]) -> Path:
        return job.chosen.get(self._kind) or Path(getattr(job.layout, self._kind)(job.name))

    def __set__(self, job: Job, path: Any) -> None:
        job.chosen[self._kind] = Path(path)


class Job:
    """A command. `depends` are the jobs that have to pass before it is run."""

    pass_fpath = JobFile("passed")
    fail_fpath = JobFile("failed")
    skip_fpath = JobFile("skipped")
    stat_fpath = JobFile("status")
    log_fpath = JobFile("log")

    def __init__(
        self, command: str, name: str | None = None, depends: Job | Iterable[Job] | None = None, **options: Any
    ) -> None:
        if not isinstance(command, str):
            raise TypeError(f"a text for the shell was expected, not {command!r}")
        self.command = command
        self.name = name or "job"
        self.depends = [depends] if isinstance(depends, Job) else [job for job in depends or () if job is not None]
        self.log: bool = bool(options.pop("log", False))
        self.tags: list[str] = list(reading.words(options.pop("tags", None) or (), "tags"))
        self.cwd = options.pop("cwd", None)
        self.preamble: Any = options.pop("preamble", None)
        self.setup: Any = options.pop("setup", None)
        self.teardown: Any = options.pop("teardown", None)
        self.env: Any = options.pop("env", None)
        self.cpus: Any = options.pop("cpus", None)
        self.mem: Any = options.pop("mem", None)
        self.gpus: Any = options.pop("gpus", None)
        self.bookkeeper: int = options.pop("bookkeeper", 0)
        self.kwargs = {option: value for option, value in options.items() if option in SBATCH or option in OTHERS}
        self.queue: Holder | None = None
        self.chosen: dict[str, Path] = {}
        self._alone: Layout | None = None
        check_shell(options.get("shell"))
        for option in options:
            if option not in self.kwargs:
                warned(reading.no_such_option(option, (*reading.JOB_OPTIONS, "name", "depends", *OTHERS, *SBATCH)))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}({self.name})>"

    @property
    def record(self) -> PipelineJob:
        """The job as pipelines have it. InvalidSpec names what is wrong."""
        return PipelineJob(
            self.name,
            self.command,
            tuple(dict.fromkeys(job.name for job in self.depends)),
            **reading.job_options(self._options(), warned),
        )

    def _options(self) -> dict[str, Any]:
        own = {option: getattr(self, option) for option in reading.JOB_OPTIONS}
        gpus = len(self.gpus) if isinstance(self.gpus, (list, tuple)) else self.gpus
        native = {option: value for option, value in self.kwargs.items() if option in SBATCH}
        native.setdefault("output", self.kwargs.get("output_fpath"))
        return {**own, **native, "gpus": gpus}

    def again(self, kind: type[Job], depends: Iterable[Job]) -> Job:
        """The same job for another queue, where these are the jobs that it depends on."""
        own = {option: getattr(self, option) for option in (*reading.JOB_OPTIONS, "bookkeeper")}
        return kind(self.command, self.name, depends, **own, **self.kwargs)

    @property
    def layout(self) -> Layout:
        """Where its files lie: with those of its queue, or in a place of its own."""
        if self.queue is not None:
            return self.queue.layout
        if self._alone is None:
            self._alone = Layout(
                str(self.kwargs.get("info_dpath") or place(self.name)),
                PipelineSpec(self.name, (changed(self.record, needs=()),)),
            )
        return self._alone

    def finalize_text(
        self,
        with_status: bool = True,
        with_gaurds: bool = True,
        conditionals: Mapping[str, str | Sequence[str]] | None = None,
        **others: Any,
    ) -> str:
        """The job as bash: the bare commands, or (`with_status`) with what tells of it in its files.

        `conditionals` are more lines for `on_pass`, `on_fail` and `on_skip`.
        """
        if not with_status:
            text = bash.job_text(PipelineSpec(self.name), self.record)
            log = shlex.quote(str(self.log_fpath))
            return f"(\n{text}) 2>&1 | tee -- {log}\n" if self.log else text
        files = alone.Files(
            str(self.pass_fpath),
            str(self.fail_fpath),
            str(self.skip_fpath),
            str(self.stat_fpath),
            str(self.log_fpath) if self.log else "",
            tuple(str(job.pass_fpath) for job in self.depends),
        )
        hooks = {when: [lines] if isinstance(lines, str) else lines for when, lines in (conditionals or {}).items()}
        return alone.render(self.record, files, hooks)

    def print_commands(
        self, with_status: bool = False, with_gaurds: bool = False, style: str = COLORS, **others: Any
    ) -> None:
        """Print it."""
        show([("", self.finalize_text(with_status, with_gaurds, others.get("conditionals")))], style)


class BashJob(Job):
    """A job of a serial queue, or of one in tmux."""


class SlurmJob(Job):
    """A job of a Slurm queue. Any option of sbatch is an option of it."""


class AirflowJob(Job):
    """A task of an Airflow DAG."""


def warned(message: str) -> None:
    """Say to the user's line that something in it was not understood; it is done without."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_globals["__name__"].startswith(OURS):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, UserWarning, stacklevel=level)


def check_shell(shell: Any) -> None:
    """Say that jobs are run by bash if another shell is asked for."""
    if shell and os.path.basename(str(shell)) not in ("bash", "sh"):
        warned(f"jobs are run by bash, not by {str(shell)!r}; have the command start it")


handle.Job.register(Job)
"""`isinstance(job, runyard.Job)` is true of the jobs of a queue too: their users ask so."""

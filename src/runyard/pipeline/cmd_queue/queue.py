"""A queue, as cmd_queue's users know it: they submit commands to it, look at it, run it and ask how it stands.

It holds its jobs, which may still be changed; each verb makes a `Pipeline` of them and asks that. An option that there
is not is warned about, with the nearest one; in `Pipeline` it is an error.
"""

from __future__ import annotations

import math
import os
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from runyard.errors import InvalidSpec, TimedOut
from runyard.model.nearest import meant
from runyard.model.record import changed
from runyard.pipeline.backends import registry
from runyard.pipeline.cmd_queue.errors import BlockTimeoutError, DuplicateJobError, UnknownBackendError, UnknownJobError
from runyard.pipeline.cmd_queue.job import Job, check_shell, warned
from runyard.pipeline.graph import Graph
from runyard.pipeline.layout import Layout
from runyard.pipeline.pipeline import INLINE, NO_MONITOR, Pipeline, place
from runyard.pipeline.reading import options as reading
from runyard.pipeline.reading.sbatch import SBATCH
from runyard.pipeline.showing.monitor import REFRESH_S
from runyard.pipeline.showing.printing import COLORS, PLAIN, RICH
from runyard.pipeline.spec import PipelineSpec, free_name, slug
from runyard.pipeline.state import DONE, INIT, RUNNING

Depends = str | Job | Iterable[str | Job | None] | None
UNNAMED = "unnamed"
STATUSES = {INIT: "unknown", RUNNING: "run", DONE: "done"}
"""Their words for how a queue stands; `interrupted` is ours."""

RUN_WORDS = ("monitor", "onfail", "onexit")
RUN_OPTIONS = (
    *("system", "shell", "capture", "mode", "verbose", "refresh_rate"),
    *("with_textual", "check_other_sessions", "other_session_handler", "non_interactive"),
)
"""Options of cmd_queue's `run` that need no answer here: there are no sessions of others to ask about, no second
viewer to choose, and a script is always run by bash."""

NAMES = ("name", "backend", "dpath", "rootid", "environ", "gres")
OTHERS = ("size", "shell", "airflow_home")
"""Options of cmd_queue's queues that mean nothing to some backends, or to all of ours."""

MONITOR_WORDS = {"hybrid": INLINE, "tmux": NO_MONITOR}
TIMEOUT = "CMD_QUEUE_BLOCK_TIMEOUT"
FOREVER = ("none", "inf", "infinite", "forever", "")


class Queue:
    """A queue of commands. `Queue.create` makes one for a backend; the classes of the backends can be called too."""

    backend: ClassVar[str] = ""
    job_class: ClassVar[type[Job]] = Job
    classes: ClassVar[dict[str, type[Queue]]] = {}
    sized: ClassVar[bool] = False
    """Whether `size` counts: how many jobs are run at a time."""
    in_front: ClassVar[bool] = False
    """Whether a run that is waited for shows what its jobs print, and no monitor."""

    def __init__(self, name: str | None = None, **options: Any) -> None:
        self.name = name or UNNAMED
        self.rootid: str = options.pop("rootid", None) or f"{time.strftime('%Y-%m-%d')}_{os.urandom(4).hex()}"
        dpath = options.pop("dpath", None)
        self.dpath = Path(dpath, slug(self.name) + "_" + slug(self.rootid)) if dpath else Path(place(self.name))
        self.preamble: list[str] = list(reading.lines(options.pop("preamble", None) or (), "preamble"))
        self.environ: dict[str, Any] = dict(options.pop("environ", None) or {})
        self.cwd = options.pop("cwd", None)
        gpus, gres = options.pop("gpus", None), options.get("gres")
        self.gpus = gpus if gpus is not None or not self.sized else options.pop("gres", gres)
        self.size = options.pop("size", None) if self.sized else None
        self.jobs: list[Job] = []
        self.named_jobs: dict[str, Job] = {}
        self.num_real_jobs = 0
        self._sync: list[Job] = []
        self._layout: Layout | None = None
        check_shell(options.get("shell"))
        known = (*reading.PIPELINE_OPTIONS, *SBATCH)
        self._options = {option: value for option, value in options.items() if option in known}
        for option in options:
            if option not in known and option not in OTHERS:
                warned(reading.no_such_option(option, (*known, *NAMES, *OTHERS)))
        self._spec()

    @classmethod
    def create(cls, backend: str = "serial", **options: Any) -> Queue:
        """A new queue. `backend`: serial, tmux, slurm, airflow or yard; UnknownBackendError if it is none of them.

        Options: `name`, `size` (jobs at a time: tmux and yard), `gpus` or `gres` (devices to share: tmux), `environ`,
        `cwd`, `preamble`, `dpath` (its files go into a directory there) and `rootid` (part of that one's name), and for
        slurm any option of sbatch. One that there is not is warned about.
        """
        if backend not in Queue.classes:
            raise UnknownBackendError(f"there is no backend {backend!r}; use {', '.join(Queue.classes)}", "backend")
        return Queue.classes[backend](**options)

    @classmethod
    def available_backends(cls) -> list[str]:
        """The backends that can run something on this machine."""
        return registry.available()

    @classmethod
    def is_available(cls) -> bool:
        """Whether this one can."""
        return not registry.backend(cls.backend).lacks()

    @classmethod
    def _backend_classes(cls) -> dict[str, type[Queue]]:
        """The classes that cmd_queue has as well, by name."""
        return {name: kind for name, kind in Queue.classes.items() if name != "yard"}

    def __len__(self) -> int:
        return self.num_real_jobs

    def __repr__(self) -> str:
        return f"<{type(self).__name__}({self.pathid} - {len(self)})>"

    @property
    def pathid(self) -> str:
        return f"{self.name}_{self.rootid}"

    def submit(self, command: str | Job, **options: Any) -> Job:
        """Add a command, or a job that was made already. `depends` are jobs or their names.

        Options: `name`, `depends`, `log` (False: its output is not kept), `tags`, `cwd`, `preamble`, `setup`,
        `teardown`, `env`, `cpus`, `mem`, `gpus`, and for slurm any option of sbatch. DuplicateJobError or
        UnknownJobError (both are KeyErrors), InvalidSpec: nothing was added then.
        """
        if isinstance(command, Job):
            job = command
        else:
            name = options.pop("name", None) or free_name(self.name, len(self), self.named_jobs)
            depends = [*self._sync, *self._resolved(options.pop("depends", None))]
            job = self.job_class(command, name, list(dict.fromkeys(depends)), **options)
        if job.name in self.named_jobs:
            raise DuplicateJobError(f"there is a job {job.name!r} already", "name")
        list(self._resolved(job.depends))
        job.record  # noqa: B018  # it raises
        job.queue = self
        self.jobs.append(job)
        self.named_jobs[job.name] = job
        self.num_real_jobs += not job.bookkeeper
        return job

    def _resolved(self, depends: Depends) -> Iterator[Job]:
        """The jobs that are meant; UnknownJobError if one is not in this queue."""
        for one in [depends] if isinstance(depends, (str, Job)) else depends or ():
            if one is None:
                continue
            name = one.name if isinstance(one, Job) else one
            found = self.named_jobs.get(name)
            if found is None or (isinstance(one, Job) and one is not found):
                raise UnknownJobError(f"there is no job {name!r} in {self.name!r}{meant(name, self.named_jobs)}")
            yield found

    def sync(self) -> Queue:
        """What is submitted from now on depends on all that nothing depends on so far."""
        graph = Graph({job.name: [need.name for need in job.depends] for job in self.jobs})
        self._sync = [self.named_jobs[name] for name in graph.sinks]
        return self

    @property
    def header_commands(self) -> list[str]:
        return self.preamble

    def add_header_command(self, command: str | list[str]) -> None:
        _deprecated("add_header_command", "add_preamble_command")
        self.add_preamble_command(command)

    def add_preamble_command(self, command: str | list[str]) -> None:
        """Commands that come before the command of each job, in the same shell."""
        self.preamble.extend(reading.lines(command, "preamble"))

    def change_backend(self, backend: str, **options: Any) -> Queue:
        """The same queue, with all that its jobs have, for another backend."""
        own = {"name": self.name, "environ": self.environ, "cwd": self.cwd, "preamble": list(self.preamble)}
        new = Queue.create(backend, **{**own, "gpus": self.gpus, "size": self.size, **self._options, **options})
        for job in self.jobs:
            new.submit(job.again(new.job_class, [new.named_jobs[need.name] for need in job.depends]))
        return new

    def _spec(self) -> PipelineSpec:
        own = {"env": self.environ, "preamble": self.preamble, "cwd": self.cwd, "gpus": self.gpus, "size": self.size}
        return reading.spec_of(self.name, {**self._options, **own}, warned)

    @property
    def pipeline(self) -> Pipeline:
        """The same as a pipeline. InvalidSpec names what is wrong with it."""
        made = Pipeline(self._spec(), registry.backend(self.backend), str(self.dpath))
        for job in self.jobs:
            made.add(job.record)
        return made

    @property
    def layout(self) -> Layout:
        """Where its files lie."""
        if self._layout is None or len(self._layout.spec.jobs) != len(self.jobs):
            jobs = tuple(changed(job.record, needs=()) for job in self.jobs)
            self._layout = Layout(os.path.abspath(self.dpath), PipelineSpec(self.name, jobs))
        return self._layout

    @property
    def fpath(self) -> Path:
        """The script that it is run by."""
        return Path(self.pipeline.render().script.path)

    def finalize_text(
        self,
        with_status: bool | int = True,
        with_gaurds: bool | int = True,
        with_locks: bool | int = True,
        **others: Any,
    ) -> str:
        """The script that it is run by, or (without status and guards) its commands for people.

        Also `exclude_tags`: without the jobs of these tags; and `with_guards`, as the word is spelled.
        """
        full = bool(with_status or others.get("with_guards", with_gaurds))
        return self.pipeline.commands(full, _tags(others.get("exclude_tags")))

    def print_commands(
        self,
        with_status: bool | int = False,
        with_gaurds: bool | int = False,
        with_locks: bool | int = True,
        **others: Any,
    ) -> None:
        """Print its commands, or (with status or guards) all its scripts. Also `exclude_tags`, `with_guards`.

        `style`: "colors", "rich" (a frame), "plain", or "auto" (colours on a terminal).
        """
        style = str(others.get("style") or COLORS)
        for old, instead in (("colors", COLORS if others.get("colors") else PLAIN), ("with_rich", RICH)):
            if others.get(old) is not None:
                _deprecated(f"{old}=", f"style={instead!r}")
                style = instead if old == "colors" or others[old] else style
        full = bool(with_status or others.get("with_guards", with_gaurds))
        self.pipeline.print_commands(full, _tags(others.get("exclude_tags")), style)

    rprint = print_commands

    def print_graph(self, reduced: bool = True, vertical_chains: bool = False) -> None:
        """Print who depends on whom; `reduced`: without what others imply."""
        self.pipeline.print_graph(reduced=reduced, vertical_chains=vertical_chains)

    def write_network_text(self, reduced: bool = True, rich: Any = "auto", vertical_chains: bool = False) -> None:
        """The same as `print_graph`."""
        self.print_graph(reduced, vertical_chains)

    def _dependency_graph(self) -> Any:
        """A `networkx.DiGraph` of names; its nodes have their `job` and its `index`."""
        graph = import_module("networkx").DiGraph()
        for index, job in enumerate(self.jobs):
            graph.add_node(job.name, job=job, index=index)
        graph.add_edges_from((need.name, job.name) for job in self.jobs for need in job.depends)
        return graph

    def write(self) -> Path:
        """Write its scripts; the one to run. Nothing is started."""
        return Path(self.pipeline.write())

    def run(self, block: bool = True, **options: Any) -> dict[str, Any]:
        """Run it; how it stands afterwards, as `read_state` says it. A job that fails raises nothing.

        `monitor`: "inline" shows it live, "none" does not (as `ry pipeline monitor` does from any terminal). `onfail`,
        `onexit`: what becomes of the sessions of a queue in tmux, of the others in Slurm when a job fails. The variable
        CMD_QUEUE_BLOCK_TIMEOUT (seconds, or "none") bounds it: BlockTimeoutError, and nothing is ended.
        """
        ours = self._run_options(options)
        timeout_s = block_timeout_s(os.environ.get(TIMEOUT, ""))
        pipeline = self.pipeline
        if block and timeout_s is not None:
            pipeline.run(block=False, **{**ours, "monitor": NO_MONITOR})
            try:
                pipeline.wait(timeout_s)
            except TimedOut as error:
                raise BlockTimeoutError(error.message) from None
        else:
            pipeline.run(block=block, **ours)
        return self.read_state()

    def _run_options(self, options: dict[str, Any]) -> dict[str, Any]:
        for option in options:
            if option not in (*RUN_WORDS, *RUN_OPTIONS):
                warned(reading.no_such_option(option, ("block", *RUN_WORDS, *RUN_OPTIONS)))
        monitor = options.get("monitor") or (INLINE if sys.stdout.isatty() else NO_MONITOR)
        if self.in_front:
            monitor = NO_MONITOR
        ends = self._ends(options.get("onfail"), options.get("onexit"))
        return {"monitor": MONITOR_WORDS.get(monitor, monitor), **ends}

    def _ends(self, onfail: str | None, onexit: str | None) -> dict[str, str]:
        """What cmd_queue's words for the end of a run are here. None: it was not said."""
        return {option: word for option, word in (("onfail", onfail), ("onexit", onexit)) if word}

    def monitor(self, refresh_rate: float = REFRESH_S, **others: Any) -> dict[str, Any]:
        """Show it live until it is over or whoever looks has left; how it stands then."""
        self.pipeline.monitor(refresh_rate)
        return self.read_state()

    def read_state(self) -> dict[str, Any]:
        """How it stands: `status` (unknown before it is written, run, done or interrupted), `passed`, `failed`,
        `skipped`, `running`, `pending`, `total`, `name` and `rootid`."""
        told = self.pipeline.state()
        status = STATUSES.get(told.status, told.status)
        return {"name": self.name, "rootid": self.rootid, "status": status, **told.counts, "total": len(told.jobs)}

    def job_details(self) -> None:
        """Print how each of its jobs stands, with its output."""
        for job in self.pipeline.state().jobs:
            sys.stdout.write(f"+--------\njob={job.name}\n")
            sys.stdout.write(f"status={job.status}, code={job.code}{', ' + job.reason if job.reason else ''}\n")
            sys.stdout.write(_text(job.log) + "L________\n")

    def current_output(self) -> None:
        """Print what its jobs have written so far."""
        for job in self.pipeline.state().jobs:
            if job.log:
                sys.stdout.write(f"\n\n# --- {job.name}\n{_text(job.log)}")

    def capture(self) -> None:
        """The same."""
        self.current_output()

    def serial_run(self) -> dict[str, Any]:
        """Run it here, one job after the other."""
        return self.change_backend("serial").run()

    def kill(self) -> None:
        """End what runs of it, and start nothing more. Nothing happens if it does not run."""
        self.pipeline.kill()


def block_timeout_s(text: str) -> float | None:
    """How long a blocking run may take, as the variable says it; None: for ever."""
    if text.strip().lower() in FOREVER:
        return None
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not found >= 0:
        raise InvalidSpec(f"seconds or 'none' were expected, not {text!r}", TIMEOUT)
    return found if 0 < found < math.inf else None


def _tags(tags: Any) -> tuple[str, ...]:
    return reading.words(tags or (), "exclude_tags")


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace") if path else ""
    except OSError:
        return ""


def _deprecated(what: str, instead: str) -> None:
    warnings.warn(f"{what} is an old name; use {instead}", DeprecationWarning, stacklevel=3)

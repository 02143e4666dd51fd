"""The public Python API: a yard, and a handle for each job. The same verbs as the command line.

yard = runyard.connect()
job = yard.submit(["python", "train.py"], gpus=1)
job.wait()
print(job.logs().decode())
"""

from __future__ import annotations

import os
import time
import warnings
from abc import ABCMeta
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Optional, Protocol, Union

from runyard.api import (
    ChangeResult,
    Explanation,
    GrepQuery,
    JobDetail,
    JobRow,
    QueueRow,
    ServerStatus,
    Service,
    StopCall,
    Submission,
)
from runyard.client.options import JobOptions, PathText, SweepOptions
from runyard.errors import Conflict, InvalidSpec, NotFound, TimedOut
from runyard.model.editing import Draft, MoveCall, RetryCall
from runyard.model.filter import JobQuery
from runyard.model.group import PIPELINE, GroupRequest
from runyard.model.host import Host
from runyard.model.metrics import Metric
from runyard.model.queue import Queue
from runyard.model.spec import JobSpec
from runyard.model.usage import UsageQuery, UsageRow

if TYPE_CHECKING:  # what is shipped to hosts runs under Python 3.9, which has no Unpack
    from typing import Unpack  # novm

Command = Union[str, Sequence[Union[PathText, int, float]]]
Options = Mapping[str, Any]
"""By the names that Python gives them, with jobs as their ids."""

Made = tuple[Submission, Sequence[str]]
"""What is to be submitted, and what its user should know of it."""


class Maker(Protocol):
    """Makes what is submitted, as the command line does (`submitting.maker`)."""

    def job(self, command: Command, options: Options) -> Made:
        """One job, or one array."""

    def create(self, template: str, values: Mapping[str, Any], options: Options) -> Made:
        """One job of a template."""

    def sweep(self, name: str, params: Mapping[str, Any], command: Optional[Command], options: Options) -> Made:
        """The cells of a sweep."""

    def pipeline(self, request: GroupRequest, jobs: Sequence[Options], key: str) -> Made:
        """The jobs of a pipeline."""

    def changed(self, spec: JobSpec, options: Options) -> JobSpec:
        """A job with these options changed."""


WAIT_S = 60.0
"""One call to the server waits at most this long; `wait` repeats it."""

WINDOW = 200
"""How many jobs are watched at a time; those after them are looked at when these have ended."""

FOLLOW_S = 0.2
"""How long following output waits for more of it before it looks again."""

PIECE_BYTES = 1024 * 1024
KEY_BYTES = 16
CALLER = 3
"""Who is warned: _submitted <- submit <- the user's line."""
SIGKILL = 9


class Yard:
    """One yard, as its caller sees it. Made by `runyard.connect`."""

    def __init__(self, service: Service, maker: Maker, home: str = "") -> None:
        self.service = service
        self.home = home
        self._maker = maker

    def __repr__(self) -> str:
        return f"<Yard {self.home!r}>"

    def submit(self, command: Command, **options: Unpack[JobOptions]) -> Job:
        """Queue a command: a list is a program and its arguments, a text is run by the shell.

        Options are the flags of `ry submit` (`JobOptions` lists them), such as `gpus=1`, `mem="10G"`, `time="2h"`,
        `name="train"`, `after=job`, `env={"SEED": "1"}`; with `script=True` a copy of the script that the list begins
        with is kept and run. Returns when the job is on disk. InvalidSpec names what is wrong. An array is several
        jobs: `submit_all`.
        """
        if "array" in options:
            raise InvalidSpec("an array is several jobs, and `submit` gives one: use `submit_all`", "array")
        return self._submitted(self._maker.job(command, _by_id(options)))[0]

    def submit_all(self, command: Command, **options: Unpack[JobOptions]) -> list[Job]:
        """As `submit`, for arrays (`array=range(10)`, `array="0-9%2"`): all the jobs, in the order of the indices."""
        return self._submitted(self._maker.job(command, _by_id(options)))

    def create(self, template: str, options: Optional[JobOptions] = None, **params: Any) -> Job:
        """Queue a job that is made of a template: `yard.create("train", lr=0.1, opt="sgd", options={"gpus": 2})`.

        What is not given has its default. InvalidSpec names a parameter that is unknown, wrong or missing; NotFound a
        template that there is not.
        """
        return self._submitted(self._maker.create(template, params, _by_id(options or {})))[0]

    def sweep(
        self,
        name: str,
        params: Mapping[str, Any],
        command: Optional[Command] = None,
        /,
        **options: Unpack[SweepOptions],
    ) -> list[Job]:
        """Queue a job for each combination of values: `yard.sweep("lr", {"lr": [0.1, 0.01]}, ["python", "train.py"])`.

        Values are lists, or texts as `-p` takes them ("loguniform(1e-4,1e-1)" with `random=20`). Without a command the
        template of that name is taken, or `template=`. `{lr}` in the command stands for the value of lr; what stands
        nowhere comes at its end. Further options are in `SweepOptions`; those of jobs may have places too.
        """
        return self._submitted(self._maker.sweep(name, params, command, _by_id(options)))

    def pipeline(self, name: str, jobs: Sequence[Options], parallel: int = 0, key: str = "") -> list[Job]:
        """Queue jobs that need each other, all or none: `yard.pipeline("demo", [{"name": "a", "command": "make"},
        {"name": "b", "command": "make test", "needs": ["a"], "gpus": 1}])`.

        Each has a `command`, a `name`, in `needs` the names of those of them that have to succeed before it, other
        options of `submit`, and in `sbatch` options that sbatch would take. At most `parallel` run at a time (0: as
        many as fit). The same `key` (8 to 128 letters, digits, ._:-) again gives the jobs of the first time.
        """
        request = GroupRequest(name, parallel=parallel, kind=PIPELINE)
        return self._submitted(self._maker.pipeline(request, [_by_id(job) for job in jobs], key))

    def _submitted(self, made: Made) -> list[Job]:
        submission, remarks = made
        receipt = self.service.submit(submission)
        for remark in (*remarks, *receipt.remarks):
            warnings.warn(remark, stacklevel=CALLER)
        return [Job(self, job_id) for job_id in receipt.ids]

    def draft(self, job_id: int, changes: Mapping[str, Any]) -> Draft:
        """A job as it would be with these options; InvalidSpec names the one that is wrong."""
        for draft in self.service.drafts((job_id,)):
            return Draft(job_id, self._maker.changed(draft.spec, _by_id(changes)), draft.version)
        raise NotFound(f"there is no job {job_id}")

    def job(self, job_id: int) -> Job:
        """The handle of a job; NotFound if there is none."""
        self.service.job(job_id)
        return Job(self, job_id)

    def jobs(self, *selectors: str, mine: bool = False, limit: int = 0) -> list[JobRow]:
        """Jobs by selectors (`12`, `3-7`, `train*`, `state:failed`; none: all), oldest first."""
        return list(self.service.jobs(JobQuery(selectors, mine=mine, limit=limit)))

    def queues(self) -> list[QueueRow]:
        """All queues, with how many of their jobs wait and run."""
        return list(self.service.queues())

    def save_queue(self, queue: Queue) -> Queue:
        """Make a queue (`version` 0) or change one that was read from `queues`; Conflict if it has changed since."""
        return self.service.save_queue(queue)

    def remove_queue(self, name: str) -> None:
        """Remove a queue that has no open job."""
        self.service.remove_queue(name)

    def hosts(self) -> list[Host]:
        """The hosts and their devices, as last looked at."""
        return list(self.service.hosts())

    def status(self) -> ServerStatus:
        """The server, its agents and what runs."""
        return self.service.status()

    def usage(self, since: str = "") -> list[UsageRow]:
        """Jobs and GPU hours by user and queue (`since`: 7d, 2026-12-01, today)."""
        return list(self.service.usage(UsageQuery(since)))

    def clean(self, dry: bool = False) -> list[int]:
        """Collect the output of old jobs now; the ids whose output went (`dry`: would go)."""
        return list(self.service.clean(dry))

    def wait(self, jobs: Sequence[Job], timeout_s: Optional[float] = None) -> list[JobRow]:
        """Wait until all have ended. TimedOut (nothing is changed) if that takes longer."""
        end = None if timeout_s is None else time.monotonic() + timeout_s
        return [row for first in range(0, len(jobs), WINDOW) for row in self._wait(jobs[first : first + WINDOW], end)]

    def _wait(self, jobs: Sequence[Job], end: Optional[float]) -> list[JobRow]:
        topics = tuple(f"job:{job.id}" for job in jobs)
        position = self.service.changed(topics, 0, 0)
        while True:
            rows = list(self.service.jobs(JobQuery(tuple(str(job.id) for job in jobs))))
            if all(row.state == "done" for row in rows):
                return rows
            left = WAIT_S if end is None else min(WAIT_S, end - time.monotonic())
            if left <= 0:
                raise TimedOut(f"{sum(row.state != 'done' for row in rows)} of {len(rows)} jobs have not ended yet")
            position = self.service.changed(topics, position, left)


def _by_id(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options with jobs as their ids, so that `after=job` and `after=[first, second]` work."""
    return {name: _id(value) for name, value in options.items()}


def _id(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_id(item) for item in value]
    return str(value.id) if isinstance(value, Job) else value


def _with(command: Optional[Command], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {**changes, **({} if command is None else {"command": command})}


class Job(metaclass=ABCMeta):  # noqa: B024  # the jobs of a `runyard.Queue` are registered as such
    """A job of a yard. It holds no state of its own: every property is asked for anew."""

    def __init__(self, yard: Yard, job_id: int) -> None:
        self._yard = yard
        self.id = job_id

    def __repr__(self) -> str:
        return f"<Job {self.id}>"

    @property
    def row(self) -> JobRow:
        """The job as `ry ls` shows it."""
        return self._yard.service.jobs(JobQuery((str(self.id),)))[0]

    @property
    def detail(self) -> JobDetail:
        """Everything about it."""
        return self._yard.service.job(self.id)

    def wait(self, timeout_s: Optional[float] = None) -> JobRow:
        """Wait until it has ended; the row tells how (`outcome`, `exit_code`). TimedOut if that takes longer."""
        return self._yard.wait([self], timeout_s)[0]

    def why(self) -> Explanation:
        """Why it waits and when it may start."""
        return self._yard.service.explain(self.id)

    def stop(self, signal: int = 15, grace_s: Optional[float] = None) -> ChangeResult:
        """End it: signal, grace, kill. Returns at once; `wait` tells when it is dead."""
        return self._yard.service.stop(StopCall((self.id,), signal, grace_s))

    def kill(self) -> ChangeResult:
        """End it at once."""
        return self.stop(SIGKILL, 0.0)

    def hold(self) -> ChangeResult:
        """Keep it back while it waits."""
        return self._yard.service.hold((self.id,))

    def release(self) -> ChangeResult:
        """Let it go again."""
        return self._yard.service.release((self.id,))

    def edit(self, command: Optional[Command] = None, **changes: Unpack[JobOptions]) -> ChangeResult:
        """Change it: everything while it waits, what still can (time, priority, note ...) while it runs."""
        return self._yard.service.edit((self._yard.draft(self.id, _with(command, changes)),))

    def move(self, where: str = "first", beside: Optional[Job] = None) -> ChangeResult:
        """Give it another place in line: "first" or "last" of its queue, "before" or "after" another job."""
        return self._yard.service.move(MoveCall((self.id,), where, beside.id if beside is not None else 0))

    def retry(
        self, resume: bool = False, command: Optional[Command] = None, **changes: Unpack[JobOptions]
    ) -> ChangeResult:
        """Another attempt of it when it has ended, changed if there are changes; `resume` as `ry retry` has it."""
        given = _with(command, changes)
        drafts = (self._yard.draft(self.id, given),) if given else ()
        return self._yard.service.retry(RetryCall((self.id,), resume, drafts))

    def copy(self, command: Optional[Command] = None, **changes: Unpack[JobOptions]) -> Job:
        """The same job once more, under a new id, changed if there are changes."""
        spec = self._yard.draft(self.id, _with(command, changes)).spec
        return self._yard._submitted((Submission((spec,), os.urandom(KEY_BYTES).hex()), ()))[0]

    def remove(self) -> ChangeResult:
        """Remove it with its events and output, unless it runs or another job waits for it."""
        return self._yard.service.remove((self.id,))

    def pause(self) -> ChangeResult:
        """Have it stand still while it runs; it keeps all that it holds."""
        return self._yard.service.pause((self.id,))

    def resume(self) -> ChangeResult:
        """Let it go on."""
        return self._yard.service.resume((self.id,))

    def metrics(self) -> dict[str, Metric]:
        """What it has reported, by name: `last`, `least`, `most`, `step`, and `points` (number, step, time, value).

        Of the latest attempt that has reported anything; empty if none has.
        """
        measured = self._yard.service.metrics(self.id)
        return {metric.name: metric for metric in measured[-1].metrics} if measured else {}

    def logs(self, attempt: int = 0) -> bytes:
        """All of its output so far (`attempt` 0: of the latest, also if another begins meanwhile)."""
        return b"".join(self._pieces(attempt or self.row.attempt))

    def tail(self, lines: int = 10, attempt: int = 0) -> bytes:
        """Its last lines."""
        return self._yard.service.tail(self.id, attempt, lines).data

    def head(self, lines: int = 10, attempt: int = 0) -> bytes:
        """Its first lines."""
        return self._yard.service.head(self.id, attempt, lines).data

    def grep(self, pattern: str, attempt: int = 0) -> bytes:
        """The lines of its output that match."""
        return b"".join(self._yard.service.grep(self.id, attempt, GrepQuery(pattern)))

    def follow(self, attempt: int = 0) -> Iterator[bytes]:
        """The output of an attempt as it comes, from its start until it can get no more.

        With `attempt` 0 that of the present one, then of each that follows, until the job has ended.
        """
        number = attempt or max(1, self.row.attempt)
        while self._reaches(number):
            yield from self._follow(number)
            if attempt:
                return
            number += 1

    def _reaches(self, number: int) -> bool:
        """Wait until it has this attempt: False if it ends without."""
        service, topics = self._yard.service, (f"job:{self.id}",)
        position = service.changed(topics, 0, 0)
        while (row := self.row).attempt < number and row.state != "done":
            position = service.changed(topics, position, WAIT_S)
        return row.attempt >= number

    def _follow(self, number: int) -> Iterator[bytes]:
        """The output of one attempt that there is."""
        service, offset, position = self._yard.service, 0, 1
        while True:
            try:
                chunk = service.output(self.id, number, offset, PIECE_BYTES)
            except (Conflict, NotFound):  # it has not begun to print, never did, or its output was collected
                row = self.row
                if row.state == "done" or row.attempt > number:
                    return
                position = service.changed((f"job:{self.id}",), position, WAIT_S)
                continue
            offset = chunk.offset + len(chunk.data)
            if chunk.data:
                yield chunk.data
            elif chunk.final:
                return
            else:
                position = service.changed((f"job:{self.id}",), position, FOLLOW_S)

    def _pieces(self, attempt: int) -> Iterator[bytes]:
        offset = 0
        while True:
            chunk = self._yard.service.output(self.id, attempt, offset, PIECE_BYTES)
            if not chunk.data:
                return
            offset = chunk.offset + len(chunk.data)
            yield chunk.data

"""From a submission to new jobs: the checks that need the yard, arrays, circles."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate

from runyard.api import Submission
from runyard.errors import InvalidSpec, UsageError
from runyard.model.code import Code
from runyard.model.group import ARRAY
from runyard.model.host import Host
from runyard.model.record import changed
from runyard.model.spec import ArraySpec, Dependency, GpuRequest, JobSpec, Resources
from runyard.planner.fit import matches
from runyard.planner.words import gpus, megabytes
from runyard.store.base import NewGroup, NewJobs

JOBS_MAX = 1_000_000
LINKS_MAX = 1_000_000
KEY = re.compile(r"[A-Za-z0-9._:-]{8,128}")


def new_jobs(submission: Submission, user: str, at: float, code_of: Callable[[JobSpec], Code | None]) -> NewJobs:
    """The jobs that a submission asks for, as this user's, with the code that they have."""
    if not KEY.fullmatch(submission.key):
        raise InvalidSpec("8 to 128 letters, digits and ._:-", "key")
    specs, arrays = submission.specs, submission.arrays
    if not specs:
        raise UsageError("there is no job in this submission")
    for place, array in arrays.items():
        if not 1 <= place <= len(specs) or not array.indices:
            raise InvalidSpec("an array is one job of the submission with at least one index", "arrays")
    count = len(specs) - len(arrays) + sum(len(array.indices) for array in arrays.values())
    if count > JOBS_MAX:
        raise UsageError(f"{count} jobs in one submission; at most {JOBS_MAX}")
    _check_circles(specs)
    request = submission.group
    if request is not None and arrays:
        raise UsageError(f"a {request.kind} has no arrays among its jobs")
    mine = [changed(spec, user=user, code=code_of(spec)) for spec in specs]
    if request is not None:
        group = NewGroup(request.kind, request.name, 0, len(mine), request.parallel, request.sweep, request.into)
        return NewJobs(mine, submission.key, user, at, (group,))
    if not arrays:
        return NewJobs(mine, submission.key, user, at)
    jobs, groups = _spread(mine, arrays)
    return NewJobs(jobs, submission.key, user, at, groups)


def _spread(specs: Sequence[JobSpec], arrays: Mapping[int, ArraySpec]) -> tuple[list[JobSpec], tuple[NewGroup, ...]]:
    """Arrays as their jobs and groups. Who waits for an array waits for each of its jobs."""
    sizes = [len(arrays[place].indices) if place in arrays else 1 for place in range(1, len(specs) + 1)]
    places = [0, *accumulate(sizes)]
    _check_links(specs, sizes)
    jobs: list[JobSpec] = []
    groups = []
    for place, spec in enumerate(specs, 1):
        after = tuple(
            Dependency(job_id, wanted.kind)
            for wanted in spec.after
            for job_id in ((wanted.job_id,) if wanted.job_id > 0 else _ids(-wanted.job_id, places))
        )
        one = changed(spec, after=after) if after != spec.after else spec
        array = arrays.get(place)
        if array is None:
            jobs.append(one)
            continue
        groups.append(NewGroup(ARRAY, spec.label, len(jobs), len(array.indices), array.parallel))
        jobs += [changed(one, array_index=index) for index in array.indices]
    return jobs, tuple(groups)


def _ids(place: int, places: Sequence[int]) -> range:
    """The negative ids of the jobs of a spec: it begins after `places[place - 1]` jobs."""
    return range(-places[place - 1] - 1, -places[place] - 1, -1)


def _check_links(specs: Sequence[JobSpec], sizes: Sequence[int]) -> None:
    """Each job of an array that waits for each of another is a product that grows quickly."""
    links = sum(
        size * sum(sizes[-wanted.job_id - 1] if wanted.job_id < 0 else 1 for wanted in spec.after)
        for spec, size in zip(specs, sizes, strict=True)
    )
    if links > LINKS_MAX:
        raise InvalidSpec(
            f"{links} dependencies once arrays are written out, at most {LINKS_MAX}: between two large arrays put a "
            "job that waits for the first and that the second waits for",
            "after",
        )


def check_queues(specs: Iterable[JobSpec], known: Iterable[str]) -> None:
    """Every job's queue exists."""
    names = set(known)
    for name in {spec.queue for spec in specs}:
        if name not in names:
            raise InvalidSpec(
                f"there is no queue {name!r}; there are: {', '.join(sorted(names))} (`ry queue add` makes one)", "queue"
            )


def check_resources(specs: Sequence[JobSpec], hosts: Sequence[Host]) -> None:
    """No job asks for more than any host has; where jobs ask for different things it is said which one does. (Before
    the first agent has come nobody knows.)"""
    if not hosts:
        return
    records = {id(spec.resources): spec for spec in reversed(specs)}  # most share one
    different = {spec.resources: spec for spec in records.values()}
    for spec in different.values():
        try:
            _check_asked(spec.resources, hosts)
        except InvalidSpec as error:
            if len(different) == 1:
                raise
            raise InvalidSpec(f"job {spec.label!r}: {error.message}") from None


def _check_asked(asked: Resources, hosts: Sequence[Host]) -> None:
    if asked.gpus.count:
        _check_devices(asked.gpus, hosts)
    if asked.cpus > max(host.cpus for host in hosts):
        raise InvalidSpec(
            f"{asked.cpus} CPUs are asked for, but the largest host has {max(h.cpus for h in hosts)}", "cpus"
        )
    if asked.memory_mb > max(host.memory_mb for host in hosts):
        most = max(host.memory_mb for host in hosts)
        raise InvalidSpec(f"{_both(asked.memory_mb)} are asked for, but the largest host has {_both(most)}", "mem")


def _check_devices(request: GpuRequest, hosts: Sequence[Host]) -> None:
    best = max(hosts, key=lambda host: len(host.devices))
    if request.count > len(best.devices):
        raise InvalidSpec(
            f"{gpus(request)} asked for, but the largest host ({best.name}) has {len(best.devices)}",
            "gpus",
        )
    devices = [device for host in hosts for device in host.devices]
    models = {device.model for device in devices}
    if request.model and not any(request.model.casefold() in model.casefold() for model in models):
        raise InvalidSpec(f"no GPU is a {request.model!r}; there are: {', '.join(sorted(models)) or 'none'}", "gpus")
    memory = max(device.memory_mb for device in devices)
    if request.memory_mb > memory:
        raise InvalidSpec(
            f"{_both(request.memory_mb)} of a GPU are asked for, but the largest has {_both(memory)}", "gpus"
        )
    most = max(sum(matches(device, request) for device in host.devices) for host in hosts)
    if most < request.count:
        raise InvalidSpec(f"{gpus(request)} asked for, but no host has more than {most} of these", "gpus")


def _both(memory_mb: int) -> str:
    """To compare, and to read."""
    return f"{memory_mb} MB" if memory_mb < 1024 else f"{memory_mb} MB ({megabytes(memory_mb)})"


def _check_circles(specs: Sequence[JobSpec]) -> None:
    """Dependencies within the submission never lead back."""
    before = {
        place: [-wanted.job_id for wanted in spec.after if wanted.job_id < 0]
        for place, spec in enumerate(specs, 1)
        if spec.after
    }
    done: set[int] = set()
    for start in before:
        path: dict[int, None] = {}
        stack = [(start, False)]
        while stack:
            place, leaving = stack.pop()
            if leaving:
                done.add(path.popitem()[0])
            elif place in path:
                names = " -> ".join(specs[p - 1].label for p in [*list(path)[list(path).index(place) :], place])
                raise InvalidSpec(f"these jobs wait for each other in a circle: {names}", "after")
            elif place not in done:
                if not 1 <= place <= len(specs):
                    raise InvalidSpec(f"job {place} of this submission does not exist", "after")
                path[place] = None
                stack.append((place, True))
                stack.extend((wanted, False) for wanted in before.get(place, ()))

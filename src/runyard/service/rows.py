"""Jobs as lists and pages show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from runyard.api import JobRow, RunningRow
from runyard.model.attempt import attempt_name
from runyard.model.host import Host
from runyard.model.job import Job, JobState
from runyard.model.lifecycle import HELD_BACK
from runyard.model.view import Reason


def row_of(job: Job, hosts: Mapping[str, Host], reason: Reason | None, flags: tuple[str, ...] = ()) -> JobRow:
    """One line of `ls`. `reason` is the one of its shape, where it waits for no cause of its own."""
    attempt = job.attempt
    placement = attempt.placements[0] if attempt else None
    host = hosts.get(placement.host) if placement else None
    shown = placement is not None and job.state is not JobState.PENDING and not job.ahead
    return JobRow(
        id=job.id,
        name=job.spec.label,
        state=job.state.value,
        word=job.word,
        outcome=job.outcome.value if job.outcome else None,
        exit_code=job.exit_code if job.state is JobState.DONE else None,
        reason=short_reason(job, reason),
        attempt=attempt.number if attempt else 0,
        host=(host.name if host else placement.host) if shown and placement else "",
        gpus=_indices(placement.devices, host) if shown and placement else (),
        queue=job.spec.queue,
        user=job.spec.user,
        command=job.spec.line,
        workdir=job.spec.workdir,
        submitted_at=job.submitted_at,
        started_at=attempt.started_at if shown and attempt else None,
        ended_at=job.ended_at,
        priority=job.spec.priority,
        group=job.group,
        array_index=job.spec.array_index,
        pid=placement.pid if job.state is JobState.RUNNING and placement else None,
        gpus_wanted=job.spec.resources.gpus.count,
        flags=flags,
        paused_at=attempt.pause.at if attempt and attempt.pause else None,
        paused_s=attempt.paused_s if shown and attempt else 0.0,
        params=job.spec.params,
        template=job.spec.template,
        place=job.place,
        note=job.spec.note,
        version=job.version,
        public=job.spec.public,
    )


def short_reason(job: Job, reason: Reason | None) -> str:
    """Why it waits, or how it ended, in a few words."""
    if job.state is not JobState.PENDING and not job.ahead:
        return _paused(job) if job.word == "paused" else job.reason
    if job.held:
        return job.reason if job.reason.startswith(HELD_BACK) else "held by a user"
    if job.ahead and job.attempt:
        return f"starts when {job.attempt.placements[0].follows} has ended"
    if job.waiting_on:
        return f"waits for {job.waiting_on} job{'s' if job.waiting_on > 1 else ''}"
    if job.wake_at is not None:
        return job.reason or "waits for its time"
    if reason:
        return reason.text or reason.code
    return "starts when a GPU is free" if job.spec.resources.gpus.count else "starts when there is room"


def _paused(job: Job) -> str:
    pause = job.attempt.pause if job.attempt else None
    return f"by {pause.by}" if pause and pause.by else ""


def running_row(job: Job, hosts: Mapping[str, Host], unkillable: frozenset[str]) -> RunningRow:
    """A job on a host, for `server status`."""
    attempt = job.attempt
    placement = attempt.placements[0] if attempt else None
    stage = "unkillable" if attempt and attempt_name(job.id, attempt.number) in unkillable else job.word
    host = hosts.get(placement.host) if placement else None
    return RunningRow(
        id=job.id,
        attempt=attempt.number if attempt else 0,
        name=job.spec.label,
        stage=stage,
        pid=placement.pid if placement else None,
        host=host.name if host else "",
        agent=placement.agent if placement else "",
        started_at=attempt.started_at if attempt else None,
    )


def _indices(devices: Iterable[str], host: Host | None) -> tuple[int, ...]:
    known = {device.uuid: device.index for device in host.devices} if host else {}
    return tuple(known.get(uuid, -1) for uuid in devices)

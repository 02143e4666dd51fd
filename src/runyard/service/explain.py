"""Why a job waits, in a sentence, and when it may start: the last plan's reason joined with names and run times."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from runyard.api import Explanation
from runyard.model.group import PIPELINE
from runyard.model.job import Job, JobState
from runyard.model.lifecycle import HELD_BACK
from runyard.model.outcome import Outcome
from runyard.model.record import changed
from runyard.model.view import REASONS, Reason
from runyard.planner.estimate import Estimate, Usual, estimate
from runyard.service.controller import Controller
from runyard.store.base import Store, fingerprint_of

NAMED_MAX = 4
"""How many jobs a sentence names before "and N more"."""


def explain(controller: Controller, job: Job, now: float) -> Explanation:
    """The explanation of one job; that of a pipeline's says which one it is of."""
    told = _told(controller, job, now)
    groups = controller.store.groups([job.group]) if job.group is not None else []
    names = [group.name for group in groups if group.kind == PIPELINE]
    return changed(told, sentence=f"{told.sentence} It is of pipeline {names[0]!r}.") if names else told


def _told(controller: Controller, job: Job, now: float) -> Explanation:
    store = controller.store
    if job.ahead and job.attempt:
        before = int(job.attempt.placements[0].follows.partition(".")[0])
        return Explanation(
            job.id, "next", f"It starts as soon as {_named(store, (before,))} has ended.", blockers=(before,)
        )
    if job.state is not JobState.PENDING:
        return Explanation(job.id, job.word, _not_waiting(job))
    if job.held and job.reason.startswith(HELD_BACK):
        why = job.reason[len(HELD_BACK) :]
        return Explanation(job.id, "held", f"It was not started: {why}. `ry release {job.id}` starts it all the same.")
    if job.held:
        return Explanation(job.id, "held", f"A user holds it back; `ry release {job.id}` lets it go.")
    if job.waiting_on:
        return _dependencies(store, job)
    if job.wake_at is not None:
        sentence = (
            f"It was tried before ({job.reason}) and waits for its next try." if job.reason else "It begins later."
        )
        return Explanation(
            job.id, "begin", sentence, starts_from=job.wake_at, starts_to=job.wake_at, basis="its begin time"
        )
    if controller.halted or controller.trouble:
        return Explanation(job.id, "halted", controller.halted or controller.trouble)
    reason = controller.reasons.get(controller.shape(job))
    if reason is None and controller.draining:
        reason = Reason("draining")
    if reason is None:
        return Explanation(job.id, "queued", "It is about to be planned.")
    return _planned(controller, job, reason, now)


def _planned(controller: Controller, job: Job, reason: Reason, now: float) -> Explanation:
    store = controller.store
    before = store.position(job.id)
    parts = [reason.text or REASONS.get(reason.code, reason.code)]
    if reason.blockers:
        parts.append(f"held by {_named(store, reason.blockers)}")
    sentence = "; ".join(parts)
    if before:
        sentence += f"; {before} job{'s' if before > 1 else ''} of its queue come{'' if before > 1 else 's'} first"
    told = _estimate(controller, job, now)
    return Explanation(
        job.id,
        reason.code,
        sentence[:1].upper() + sentence[1:] + ".",
        before=before,
        blockers=reason.blockers,
        starts_from=told.earliest if told else None,
        starts_to=told.latest if told else None,
        basis=told.basis if told else "",
    )


def _estimate(controller: Controller, job: Job, now: float) -> Estimate | None:
    """From time limits, and from what earlier runs of the same commands took."""
    view = controller.view(now)
    shapes = {seen.shape: seen.id for seen in view.shapes}
    mine = shapes.get(controller.shape(job))
    if mine is None:
        return None
    times: dict[int, list[float]] = {}
    active = {running.id: running for running in controller.store.active()}
    of_interest = [(mine, job.spec)] + [(o.shape, active[o.job_id].spec) for o in view.occupied if o.job_id in active]
    for shape_id, fingerprint in dict.fromkeys((shape_id, fingerprint_of(spec)) for shape_id, spec in of_interest):
        times.setdefault(shape_id, []).extend(controller.store.usual_runtimes(fingerprint))
    usual = {shape_id: Usual(median(runs), len(runs)) for shape_id, runs in times.items() if runs}
    return estimate(view, mine, usual)


def _dependencies(store: Store, job: Job) -> Explanation:
    others = store.load(wanted.job_id for wanted in job.spec.after).values()
    open_ones = [other for other in others if other.state is not JobState.DONE or other.outcome is Outcome.LOST]
    ids = tuple(other.id for other in open_ones)
    lost = [other.id for other in open_ones if other.outcome is Outcome.LOST]
    sentence = f"It waits for {_named(store, ids)}."
    if lost:
        sentence += f" Nobody knows how job {lost[0]} ended (lost): it waits until somebody decides."
    return Explanation(job.id, "dependency", sentence, blockers=ids)


def _named(store: Store, ids: Sequence[int]) -> str:
    jobs = store.load(ids[:NAMED_MAX])
    names = [
        f"{job_id} ({jobs[job_id].spec.title}, {jobs[job_id].word})" for job_id in ids[:NAMED_MAX] if job_id in jobs
    ]
    rest = len(ids) - NAMED_MAX
    return "job " + ", ".join(names) + (f" and {rest} more" if rest > 0 else "")


def _not_waiting(job: Job) -> str:
    if job.state is JobState.DONE:
        ending = f"It has ended: {job.word}"
        return ending + (f" ({job.reason})." if job.reason else ".")
    if job.word == "paused":
        by = f" by {job.attempt.pause.by}" if job.attempt and job.attempt.pause and job.attempt.pause.by else ""
        return f"It is paused{by}; `ry resume {job.id}` lets it go on."
    return "It is running." if job.word == "running" else f"It is {job.word}."

"""What has happened to jobs becomes notices in the outbox, in the transaction in which it happens.

So none is lost and none is made up, whatever is killed. `postman` delivers them. A job that wishes for nothing costs
one look at its spec; the jobs of a group are told of once, when the last of them has ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runyard.model import codec
from runyard.model.events import Change, DependencyFailed, Ended, Revoked, Started, StopRequested
from runyard.model.group import Group
from runyard.model.hook import Hook, check_wish
from runyard.model.job import Job, JobState
from runyard.model.notice import OUTBOX, Notice
from runyard.model.outcome import Outcome
from runyard.model.record import changed
from runyard.model.wish import RETRIED, STARTED, Wish, matches, parse_wish

if TYPE_CHECKING:
    from runyard.service.turn import Turn

ENDING = (Ended, StopRequested, Revoked, DependencyFailed)
SUCCEEDED, FAILED = Outcome.SUCCEEDED.value, Outcome.FAILED.value
TEST = "test"
COMMAND_MAX = 2_000
"""How many characters of a command are told."""


def note(turn: Turn, hooks: Mapping[str, Hook], changes: Sequence[Change], jobs: Iterable[Job]) -> None:
    """Put what these changes have made of these jobs into the outbox, where a job wishes to tell it."""
    wishing = [job for job in jobs if job.spec.notify]
    if not wishing:
        return
    kinds: dict[int, set[type]] = {}
    for change in changes:
        kinds.setdefault(change.job_id, set()).add(type(change.event))
    groups: dict[int, Job] = {}
    for job in wishing:
        happened = list(_happened(job, kinds.get(job.id, set())))
        for event in happened:
            for wish in _wishes(job, hooks):
                if job.group is None or wish.each:
                    _offer(turn, hooks, wish, event, _of_job(turn, job, event))
        if job.group is not None and job.outcome is not None and happened:
            groups[job.group] = job
    for group, last in groups.items():
        if not turn.store.group_open(group):
            _end_of_group(turn, hooks, group, last)


def test_notice(turn: Turn, hook: str, by: str) -> None:
    """One for trying a hook out."""
    notice = Notice(
        f"{turn.yard.id}/{TEST}/{turn.now:.6f}", hook, TEST, turn.now, f"a test of the hook {hook}, by {by}",
        body={"by": by},
    )  # fmt: skip
    _put(turn, notice)


def _happened(job: Job, kinds: set[type]) -> Iterable[str]:
    if Started in kinds:
        yield STARTED
    if job.outcome is not None:
        if not kinds or kinds.intersection(ENDING):  # without an event of its own it is a consequence of another's
            yield job.outcome.value
    elif Ended in kinds and job.state is JobState.PENDING:
        yield RETRIED


def _end_of_group(turn: Turn, hooks: Mapping[str, Hook], number: int, last: Job) -> None:
    found = turn.store.groups([number])
    if not found:
        return
    words = dict(Counter(cell.word for cell in turn.store.cells([number])[number]).most_common())
    well = set(words) == {SUCCEEDED}
    notice = _of_group(turn, found[0], last, words, well)
    for wish in _wishes(last, hooks):
        if not wish.each:
            _offer(turn, hooks, wish, SUCCEEDED if well else FAILED, notice)


def _wishes(job: Job, hooks: Mapping[str, Hook]) -> list[Wish]:
    """Those that the hooks of now allow, however the job came to have them."""
    return [parse_wish(text) for text in job.spec.notify if check_wish(text, hooks) is None]


def _offer(turn: Turn, hooks: Mapping[str, Hook], wish: Wish, event: str, notice: Notice) -> None:
    """Put it into the outbox of the wished hook, if that is told of such events."""
    hook = hooks[wish.hook]
    if matches(wish.events or hook.on, event):
        _put(turn, changed(notice, id=f"{notice.id}/{hook.name}", hook=hook.name, to=wish.to))


def _put(turn: Turn, notice: Notice) -> None:
    turn.store.save_document(f"{OUTBOX}{notice.hook}", notice.id, codec.encode(notice))
    turn.topics.add(f"{OUTBOX}{notice.hook}")


def _of_job(turn: Turn, job: Job, event: str) -> Notice:
    title = f"job {job.id} ({job.spec.title})"
    code = f" with exit code {job.exit_code}" if job.exit_code else ""
    why = f": {job.reason}" if job.reason and event != STARTED else ""
    text = f"{title} {_past(event)}{code if event != STARTED else ''}{why}"
    return Notice(
        id=f"{turn.yard.id}/{job.id}/{job.version}/{event}",
        hook="",
        event=event,
        at=turn.now,
        text=plain(text),
        job_id=job.id,
        group=job.group,
        body={"job": _job(job)},
    )


def _of_group(turn: Turn, group: Group, last: Job, words: Mapping[str, int], well: bool) -> Notice:
    counts = ", ".join(f"{count} {word}" for word, count in words.items())
    event = SUCCEEDED if well else FAILED
    return Notice(
        id=f"{turn.yard.id}/group-{group.id}/{last.id}.{last.version}",
        hook="",
        event=event,
        at=turn.now,
        text=plain(f"{group.kind} {group.id} ({group.name}) has ended: {counts}"),
        group=group.id,
        body={
            "group": {
                "id": group.id, "kind": group.kind, "name": group.name, "user": group.user, "size": group.size,
                "outcomes": dict(words),
            }
        },
    )  # fmt: skip


def _job(job: Job) -> dict[str, Any]:
    attempt, spec = job.attempt, job.spec
    return {
        "id": job.id, "name": spec.label, "array_index": spec.array_index, "group": job.group, "word": job.word,
        "outcome": job.outcome.value if job.outcome else None, "exit_code": job.exit_code, "reason": job.reason,
        "attempt": attempt.number if attempt else 0, "queue": spec.queue, "user": spec.user,
        "host": attempt.placements[0].host if attempt else "", "command": spec.line[:COMMAND_MAX],
        "workdir": spec.workdir, "note": spec.note, "params": dict(spec.params), "submitted_at": job.submitted_at,
        "started_at": attempt.started_at if attempt else None, "ended_at": job.ended_at,
    }  # fmt: skip


PAST = {
    STARTED: "has started", RETRIED: "is tried again", "killed": "was killed", "timeout": "ran out of time",
    "cancelled": "was cancelled", "oom": "ran out of memory", "lost": "is lost", "skipped": "was skipped",
    "not-started": "could not be started",
}  # fmt: skip


def _past(event: str) -> str:
    return PAST.get(event, event)


def plain(text: str) -> str:
    """One line, without what a terminal or a mail's header could take for more than text."""
    return "".join(one if one.isprintable() else "?" for one in text)

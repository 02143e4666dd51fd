"""The history checker: what jobs wrote down themselves, held against what the yard says in the end.

`History.recording` wraps a command of a job: it appends a line when it begins and one when it comes to its own end,
with O_APPEND, so no kill of ours tears or loses one. `check` then demands of every job that was ever accepted:

* it exists, is done, and its story (its events), replayed, gives what lists show;
* each attempt began at most once, and not at all where the yard says that it never started;
* succeeded means that it wrote its end with code 0, failed with that very code, lost that nobody knows and why;
* every attempt has one final record; on no GPU two attempts overlap; no process of a job is left.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise

from runyard.api import JobDetail
from runyard.model.lifecycle import replay
from tests.harness.yard import Yard, commands_left

CLOCK_S = 0.05
"""Begin and end are told by /proc/uptime, in hundredths; the yard's times by the wall clock."""

NEVER = ("not-started", "revoked")
KNOWN_SOURCES = {"runner", "inferred", "operator"}
EXACT = {"succeeded", "failed"}


@dataclass(frozen=True)
class Mark:
    """One line: `begin` or `end` of an attempt, at an uptime; an end has a code."""

    word: str
    job: int
    attempt: int
    pid: int
    at: float
    devices: tuple[str, ...]
    code: int = 0


class History:
    """The file that the jobs of one yard write to."""

    def __init__(self, yard: Yard) -> None:
        self._yard = yard
        self.path = yard.out / "history"
        self.path.touch()
        self.accepted: set[int] = set()

    def recording(self, text: str) -> str:
        """The shell text that does this and writes down begin and end. A signal ends it without its end."""
        who = "$RUNYARD_JOB_ID $RUNYARD_ATTEMPT $$ $up ${CUDA_VISIBLE_DEVICES:--}"
        up = "read up rest < /proc/uptime"
        begin, end = (f'{up}; echo "{words}" >> {self.path}' for words in (f"begin {who}", f"end {who} $code"))
        return f"{begin}; ({text}); code=$?; {end}; exit $code"

    def marks(self) -> list[Mark]:
        """All lines so far."""
        return [_mark(line.split()) for line in self.path.read_text().splitlines()]

    def check(self) -> Counter[str]:
        """Nothing was promised in vain. Returns how often each outcome came. (Every job of the yard is recording.)"""
        jobs = {row.id for row in self._yard.rows()}
        lost = self.accepted - jobs
        assert not lost, f"accepted, but not there any more: {sorted(lost)}"
        begins, ends = self._by_attempt("begin"), self._by_attempt("end")
        twice = {attempt: marks for attempt, marks in begins.items() if len(marks) > 1}
        assert not twice, f"begun more than once: {twice}"
        words: Counter[str] = Counter()
        details = [self._yard.service.job(job_id) for job_id in sorted(jobs)]
        for detail in details:
            words[_check_job(detail, begins, ends)] += 1
        strange = set(begins) - {(d.row.id, attempt.number) for d in details for attempt in d.attempts}
        assert not strange, f"begun, but the yard knows of no such attempt: {strange}"
        self._check_devices(details, begins, ends)
        assert commands_left(self._yard.home.root) == [], "processes of jobs are left"
        assert self._yard.status().running == ()
        return words

    def _by_attempt(self, word: str) -> dict[tuple[int, int], list[Mark]]:
        found: dict[tuple[int, int], list[Mark]] = defaultdict(list)
        for mark in self.marks():
            if mark.word == word:
                found[mark.job, mark.attempt].append(mark)
        return found

    def _check_devices(
        self,
        details: list[JobDetail],
        begins: dict[tuple[int, int], list[Mark]],
        ends: dict[tuple[int, int], list[Mark]],
    ) -> None:
        """The times that two attempts held a device never overlap. One that was killed held it till the yard knew."""
        boot_at = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        held: dict[str, list[tuple[float, float, tuple[int, int]]]] = defaultdict(list)
        for detail in details:
            for attempt in detail.attempts:
                key = (detail.row.id, attempt.number)
                for begin in begins.get(key, ()):
                    over = attempt.placements[0].ended_at or time.time()
                    end = ends[key][0].at if key in ends else over - boot_at
                    for device in begin.devices:
                        held[device].append((begin.at, end, key))
        for device, spans in held.items():
            spans.sort()
            for (_, end, first), (begin_at, _, second) in pairwise(spans):
                assert end <= begin_at + CLOCK_S, f"{first} and {second} overlap on {device} by {end - begin_at:.3f} s"


def _mark(words: list[str]) -> Mark:
    word, job, attempt, pid, at, devices, *code = words
    held = () if devices == "-" else tuple(devices.split(","))
    return Mark(word, int(job), int(attempt), int(pid), float(at), held, *map(int, code))


def _check_job(
    detail: JobDetail, begins: dict[tuple[int, int], list[Mark]], ends: dict[tuple[int, int], list[Mark]]
) -> str:
    """One job against its marks; its outcome."""
    row = detail.row
    assert row.state == "done", f"job {row.id} is {row.word}: {row.reason}"
    story = replay(row.id, (recorded.event for recorded in detail.events))
    told = (story.state.value, story.word, story.exit_code, story.version)
    assert told == ("done", row.word, row.exit_code, len(detail.events)), f"{row} is not what its story gives: {told}"
    assert [attempt.number for attempt in detail.attempts] == list(range(1, len(detail.attempts) + 1)), row
    for attempt in detail.attempts:
        key = (row.id, attempt.number)
        for placement in attempt.placements:
            result = placement.result
            assert result is not None, f"{key} has no final record"
            assert result.source in KNOWN_SOURCES, f"{key}: {result}"
            if result.why in NEVER:
                assert key not in begins, f"{key} began, and is said never to have started: {result}"
            elif result.why == "lost":
                assert result.detail and result.wait_status is None, f"{key}: {result}"
            elif result.why == "":
                _check_own_end(key, result.wait_status, begins, ends)
    last = (row.id, row.attempt)
    if row.word in EXACT:
        assert [mark.code for mark in ends.get(last, ())] == [row.exit_code], f"{row}: {ends.get(last)}"
    elif row.word == "lost":
        assert row.reason and row.exit_code is None, row
    return row.word


def _check_own_end(
    key: tuple[int, int],
    wait_status: int | None,
    begins: dict[tuple[int, int], list[Mark]],
    ends: dict[tuple[int, int], list[Mark]],
) -> None:
    """What ended by itself did begin, and if it exited it wrote with which code."""
    assert key in begins, f"{key} has an end (status {wait_status}), but it never began"
    assert wait_status is not None
    if not wait_status & 0x7F:
        assert [mark.code for mark in ends.get(key, ())] == [wait_status >> 8], f"{key}: {wait_status}, {ends.get(key)}"

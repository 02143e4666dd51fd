"""The code of jobs: read when they are submitted, looked into afterwards, and looked at again when they start.

What costs next to nothing (where the code lies, which commit is checked out) is part of the job. To look through a work
tree takes longer: one thread does it after the job was accepted, once for all jobs of a submission and for everything
that waits meanwhile, and keeps what it saw as a document (`RECORDS`). When a job starts in place it looks again, and
notes it if the code is another. A snapshot is made before the job is accepted: nothing that is edited later is in it.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from runyard.errors import RunyardError
from runyard.model import codec
from runyard.model.attempt import AttemptKey
from runyard.model.code import CODE_CHANGED, IN_PLACE, Code, CodeRecord, Look, Note, Snapshot, moved, same_code, short
from runyard.model.comparing import Comparison, Side
from runyard.model.events import Change, Noted
from runyard.model.job import Job
from runyard.model.listing import shown
from runyard.model.record import changed
from runyard.model.spec import JobSpec
from runyard.service.blobs import Blobs
from runyard.service.controller import Controller
from runyard.service.orders import key_of
from runyard.service.turn import Turn
from runyard.store.base import Store

RECORDS = "code"
"""The kind of the documents that hold a CodeRecord, by `Code.record`."""

AT_ONCE_S = 0.5
"""A job that starts so soon after it was accepted starts with the code that it was submitted with."""

REST = 9.0
REST_LEAST_S = 0.5
"""After a look at a place, the next one waits REST times as long as the look took, and at least REST_LEAST_S."""

GLANCE_S = 0.1
"""A caller waits for a look only where the last one took less than this."""

NAMED = 3
RECORD_BYTES = 8


Place = tuple[str, str, Code | None]


class Repositories(Protocol):
    """Code on this machine."""

    def find(self, workdir: str) -> Code | None:
        """The code that this directory lies in, if it is under version control. Quick."""

    def freeze(self, workdir: str, wanted: str) -> Snapshot:
        """Make a snapshot. InvalidSpec if it cannot be one."""

    def holds(self, code: Code, workdir: str) -> bool:
        """Whether this very snapshot was made here, of a place that has this directory, and can still be had."""

    def look(self, code: Code) -> Look:
        """Look through the code: takes its time. What goes wrong is a problem in the record."""

    def compare(self, sides: tuple[Side, Side]) -> Comparison:
        """How the code of the second differs from that of the first. What goes wrong is its problem."""


class NoRepositories:
    """Where nothing is under version control: for tests, and simulations."""

    def find(self, workdir: str) -> Code | None:
        return None

    def freeze(self, workdir: str, wanted: str) -> Snapshot:
        return Snapshot(None, f"{workdir} is in no git work tree: nothing is frozen, it runs in place")

    def holds(self, code: Code, workdir: str) -> bool:
        return False

    def look(self, code: Code) -> Look:
        return Look(CodeRecord(0.0))

    def compare(self, sides: tuple[Side, Side]) -> Comparison:
        return Comparison()


@dataclass(frozen=True)
class Coded:
    """The code of the jobs of one submission: by workdir, `snapshot` and the code that they came with."""

    found: dict[Place, Code | None]
    remarks: tuple[str, ...] = ()

    def of(self, spec: JobSpec) -> Code | None:
        return self.found.get((spec.workdir, spec.snapshot, spec.code))


@dataclass
class _Site:
    """A place to look at, and for whom: records to write, jobs that have started."""

    code: Code
    records: list[str] = field(default_factory=list)
    started: list[tuple[int, AttemptKey, str]] = field(default_factory=list)
    not_before: float = 0.0

    @property
    def wanted(self) -> bool:
        return bool(self.records or self.started)


log = logging.getLogger("runyard.code")


class CodeDesk:
    """Looks after the code of all jobs of a yard."""

    def __init__(
        self,
        repositories: Repositories,
        blobs: Blobs,
        controller: Controller,
        now: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.repositories = repositories
        self._blobs = blobs
        self._controller = controller
        self._now = now
        self._monotonic = monotonic
        self._sites: dict[tuple[str, str, str], _Site] = {}
        self._took_s: dict[str, float] = {}
        self._wake = threading.Condition()
        self._ending = False

    def coded(self, specs: Iterable[JobSpec]) -> Coded:
        """The code of these jobs; snapshots are made. Each place once."""
        found: dict[Place, Code | None] = {}
        remarks: list[str] = []
        before: Place | None = None
        for spec in specs:
            place = (spec.workdir, spec.snapshot, spec.code)
            if place == before or place in found:
                continue
            before = place
            made = self._code(*place)
            code = made.code
            found[place] = replace(code, record=os.urandom(RECORD_BYTES).hex()) if code is not None else None
            remarks += [made.remark] if made.remark and made.remark not in remarks else []
        return Coded(found, tuple(remarks))

    def _code(self, workdir: str, snapshot: str, given: Code | None) -> Snapshot:
        """`given` is what a copied job had: its snapshot is the copy's too, if it was made here."""
        if snapshot == IN_PLACE:
            return Snapshot(self.repositories.find(workdir))
        if given is not None and given.frozen and self.repositories.holds(given, workdir):
            return Snapshot(given)
        return self.repositories.freeze(workdir, snapshot)

    def glance(self, code: Code) -> CodeRecord:
        """What lies there now; nothing is known where to look would take too long, by what the last look took."""
        if self._took_s.get(code.root, 0.0) > GLANCE_S:
            return CodeRecord(self._now())
        return self._seen(code).record

    def _seen(self, code: Code) -> Look:
        begun = self._monotonic()
        seen = self.repositories.look(code)
        self._took_s[code.root] = self._monotonic() - begun
        return seen

    def submitted(self, coded: Coded) -> None:
        """Jobs with this code were accepted: have it looked into."""
        codes = [code for code in coded.found.values() if code is not None]
        if codes:
            with self._wake:
                for code in codes:
                    self._site(code).records.append(code.record)
                self._wake.notify()

    def started(self, job: Job) -> None:
        """A job has started. In place that is with whatever code lies there now."""
        code, attempt = job.spec.code, job.attempt
        if code is None or code.frozen or not code.record or attempt is None:
            return
        if attempt.started_at is None or attempt.started_at - job.submitted_at < AT_ONCE_S:
            return
        with self._wake:
            self._site(code).started.append((job.id, key_of(job), code.record))
            self._wake.notify()

    def _site(self, code: Code) -> _Site:
        return self._sites.setdefault((code.root, code.commit, code.key), _Site(code))

    def run(self) -> None:
        """Look wherever that is wanted, until `end`. In a thread of its own."""
        while not self._ending:
            self.step()

    def step(self, rested: bool = True) -> None:
        """Wait until a place is to be looked at (and has been left alone long enough), and look; at the end neither."""
        site = self._next(rested)
        if site is not None:
            records, site.records = site.records, []
            started, site.started = site.started, []
            self._look(site, records, started)

    def end(self) -> None:
        with self._wake:
            self._ending = True
            self._wake.notify()

    def _next(self, rested: bool) -> _Site | None:
        with self._wake:
            while not self._ending:
                now = self._monotonic()
                self._sites = {name: site for name, site in self._sites.items() if site.wanted or site.not_before > now}
                waiting = [site for site in self._sites.values() if site.wanted]
                due = min(waiting, key=lambda site: site.not_before, default=None)
                if due is not None and (due.not_before <= now or not rested):
                    return due
                self._wake.wait(due.not_before - now if due is not None else None)
        return None

    def _look(self, site: _Site, records: Sequence[str], started: Sequence[tuple[int, AttemptKey, str]]) -> None:
        seen = self._seen(site.code)
        site.not_before = self._monotonic() + max(REST_LEAST_S, REST * self._took_s[site.code.root])
        try:
            record = seen.record
            if seen.patch and records:
                record = changed(record, patch=self._blobs.put(seen.patch))
            self._controller.call(lambda turn: self._keep(turn, site.code, record, (records, started)))
        except (RunyardError, OSError, ValueError) as error:
            log.warning("what was seen of %s cannot be kept: %s", site.code.root, error)

    def _keep(self, turn: Turn, code: Code, record: CodeRecord, wanted: tuple[Sequence[str], Sequence[Any]]) -> None:
        records, started = wanted
        for name in records:
            turn.store.save_document(RECORDS, name, codec.encode(record))
        texts = {name: self._changed(turn, code, name, record) for name in {name for _, _, name in started}}
        changes = [
            Change(job_id, Noted(turn.now, key, Note(CODE_CHANGED, texts[name])))
            for job_id, key, name in started
            if texts[name]
        ]
        if changes:
            turn.commit(changes)

    def _changed(self, turn: Turn, code: Code, name: str, now: CodeRecord) -> str:
        """How the code differs from what this record says, in words."""
        before = record_of(turn.store, name)
        return difference(code, before, now) if before is not None else ""


def record_of(store: Store, name: str) -> CodeRecord | None:
    """What was seen of the code of a job."""
    kept = store.document(RECORDS, name) if name else None
    return codec.decode(CodeRecord, kept) if kept is not None else None


def difference(code: Code, before: CodeRecord, after: CodeRecord) -> str:
    """What is another about code since it was submitted, in words ("" if nothing is known to be)."""
    if not before.tree or not after.tree or same_code(before, after):
        return ""
    files = moved(before, after)
    return f"{shown(files, NAMED) or 'files'} changed after it was submitted (at {short(code.commit) or 'no commit'})"

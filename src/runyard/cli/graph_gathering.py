"""Which jobs a drawing shows, and who of them waits for whom: asked of the service a slice at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from runyard.api import JobRow
from runyard.cli.render.text import counted, ranges
from runyard.model.filter import JobQuery
from runyard.model.job import ON_HOSTS, WAITING
from runyard.model.spec import Dependency

if TYPE_CHECKING:
    from runyard.api import Service

OPEN = (*WAITING, *ON_HOSTS)
PER_CALL = 500
"""So many jobs are asked for at a time."""
LONE_MOST = 20
"""Of more open jobs than this that have no connection, none is drawn where no jobs were named."""


class Gathering:
    """Jobs and their connections while they are gathered, at most `most` of them. `remarks` say what is missing."""

    def __init__(self, service: Service, most: int) -> None:
        self.service = service
        self.most = most
        self.rows: dict[int, JobRow] = {}
        self.needs: dict[int, tuple[Dependency, ...]] = {}
        self.remarks: list[str] = []

    def named(self, selectors: tuple[str, ...], around: bool) -> None:
        """The jobs that these mean; with `around` also those that they are connected to, over any number of others."""
        self._take(self._found(selectors, mine=False))
        if around:
            self._look_around()

    def open(self, around: bool) -> None:
        """My jobs that wait or run, and what they wait for; of those that ended only the nearest (unless `around`)."""
        self._take(self._found(("state:" + ",".join(OPEN),), mine=True))
        fresh: Sequence[int] = list(self.rows)
        while fresh:
            fresh = self._go_on(self._before(job_id for job_id in fresh if self.rows[job_id].word in OPEN))
        if around:
            self._look_around()
        joined = {one for source, target, _ in self.edges for one in (source, target)}
        lone = [job_id for job_id in self.rows if job_id not in joined]
        if len(lone) > LONE_MOST:
            self.remarks.append(
                f"not drawn: {counted(len(lone), 'job')} without any connection; those that are named are drawn"
            )
            for job_id in lone:
                del self.rows[job_id]

    @property
    def edges(self) -> list[tuple[int, int, str]]:
        """Who goes first, who waits for it, and in which way."""
        return [
            (need.job_id, job_id, need.kind)
            for job_id in sorted(self.rows)
            for need in dict.fromkeys(self.needs[job_id])
            if need.job_id in self.rows
        ]

    def _found(self, selectors: tuple[str, ...], mine: bool) -> Sequence[JobRow]:
        rows = self.service.jobs(JobQuery(selectors, mine=mine, order="-id", limit=self.most + 1))
        if len(rows) > self.most:
            self.remarks.append(f"drawn are the latest {self.most} jobs alone; --limit says how many")
            return rows[: self.most]
        # with a limit nobody is told that a name is nobody's
        return rows if mine else self.service.jobs(JobQuery(selectors, order="-id"))

    def _before(self, ids: Iterable[int]) -> Iterable[int]:
        """Whom these wait for."""
        return [need.job_id for job_id in ids for need in self.needs[job_id]]

    def _behind(self, ids: Sequence[int]) -> Iterator[int]:
        """Who waits for any of these."""
        for some in _slices(ids):
            yield from (row.id for row in self.service.jobs(JobQuery(tuple(f"after:{job_id}" for job_id in some))))

    def _look_around(self) -> None:
        fresh: Sequence[int] = list(self.rows)
        while fresh:
            fresh = self._go_on((*self._before(fresh), *self._behind(fresh)))

    def _go_on(self, ids: Iterable[int]) -> list[int]:
        """Take those of these jobs that are not there yet, as many as there is room for; those that came."""
        new = [job_id for job_id in dict.fromkeys(ids) if job_id not in self.needs]
        room = self.most - len(self.rows)
        if len(new) > room:
            self.remarks.append(
                f"drawn are {self.most} jobs alone, not all that are connected to them; --limit says how many"
            )
        return self._take([row for some in _slices(new[:room]) for row in self._rows(some)])

    def _rows(self, ids: Sequence[int]) -> tuple[JobRow, ...]:
        """These jobs; one that was removed is left out."""
        known = self._learn(ids)
        selectors = tuple(f"{low}-{high}" for low, high in ranges(known))
        return self.service.jobs(JobQuery(selectors)) if known else ()

    def _take(self, rows: Sequence[JobRow]) -> list[int]:
        for some in _slices([row.id for row in rows if row.id not in self.needs]):
            self._learn(some)
        self.rows.update((row.id, row) for row in rows)
        return [row.id for row in rows]

    def _learn(self, ids: Sequence[int]) -> list[int]:
        """What these jobs wait for; those that exist."""
        found = {draft.id: draft.spec.after for draft in self.service.drafts(tuple(ids))}
        self.needs.update({job_id: found.get(job_id, ()) for job_id in ids})
        return list(found)


def _slices(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), PER_CALL):
        yield ids[start : start + PER_CALL]

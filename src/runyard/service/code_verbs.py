"""The verbs on code: two jobs compared, and who is like a job."""

from __future__ import annotations

from runyard.model.code import Code, CodeRecord, same_code
from runyard.model.comparing import HIDDEN, Comparison, Side, Variable
from runyard.model.drift import differences
from runyard.model.job import Job
from runyard.model.outcome import Outcome
from runyard.model.record import changed
from runyard.model.spec import JobSpec
from runyard.service.coding import record_of
from runyard.service.verbs import Verbs

ALIKE_MOST = 5

SAME = (None, Outcome.SUCCEEDED)
"""The outcomes that are told of: to submit again what has failed is no mistake."""


class CodeVerbs(Verbs):
    """Comparing."""

    def compare(self, first: int, second: int) -> Comparison:
        jobs = self._store.job(first), self._store.job(second)
        sides = self._side(jobs[0]), self._side(jobs[1])
        code = Comparison(problem="at most one of them has code under version control")
        if sides[0] is not None and sides[1] is not None:
            code = self._yard.code.repositories.compare((sides[0], sides[1]))
        return changed(
            code,
            environment=_variables(self._environment(jobs[0]), self._environment(jobs[1]), _public(jobs)),
            packages=differences(self._listing(jobs[0]), self._listing(jobs[1])),
        )

    def alike(self, spec: JobSpec) -> tuple[int, ...]:
        mine = changed(spec, user=self._caller.user)
        found = [job for job in self._store.alike(mine) if job.outcome in SAME]
        if not found:
            return ()
        code = self._yard.code.coded((mine,)).of(mine)
        if code is None:
            return ()
        now = CodeRecord(0.0, code.frozen[0].tree) if code.frozen else self._yard.code.glance(code)
        same = [job.id for job in found if self._runs(job, code, now)]
        return tuple(same[:ALIKE_MOST])

    def _runs(self, job: Job, code: Code, now: CodeRecord) -> bool:
        """Whether this job has, or had, this code."""
        held = job.spec.code
        record = record_of(self._store, held.record) if held is not None else None
        if held is None or record is None:
            return False
        if held.commit != code.commit or held.frozen or code.frozen:
            return bool(now.tree) and now.tree == _tree(held, record)
        return same_code(record, now)

    def _side(self, job: Job) -> Side | None:
        code = job.spec.code
        if code is None:
            return None
        record = record_of(self._store, code.record) or CodeRecord(0.0)
        return Side(code, _tree(code, record), self._blob(record.patch))

    def _listing(self, job: Job) -> str:
        listing = self._blob(job.spec.python.listing) if job.spec.python is not None else b""
        return listing.decode("utf-8", "surrogateescape")


def _tree(code: Code, record: CodeRecord) -> str:
    return code.frozen[0].tree if code.frozen else record.tree


def _public(jobs: tuple[Job, Job]) -> frozenset[str]:
    return frozenset(name for job in jobs for name, _ in job.spec.public)


def _variables(before: dict[str, str], after: dict[str, str], public: frozenset[str]) -> tuple[Variable, ...]:
    def shown(held: dict[str, str], name: str) -> str:
        if name not in held:
            return ""
        return held[name] if name in public else HIDDEN

    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return tuple(Variable(name, shown(before, name), shown(after, name)) for name in names)

"""The verb on what jobs show and take while they run: `attach`."""

from __future__ import annotations

from runyard.errors import Conflict, Unavailable
from runyard.model.attaching import AttachCall, Ticket
from runyard.model.beat import AttachOrder
from runyard.model.job import Job, JobState
from runyard.service.controller import CONNECTED_S
from runyard.service.orders import key_of
from runyard.service.verbs import Verbs


class TerminalVerbs(Verbs):
    """Ways to the terminal of a job."""

    def attach(self, call: AttachCall) -> Ticket:
        job = self._store.job(call.job_id)
        agent = self._agent_of(job)
        dispatch = self._controller.dispatch
        uid = next((known.uid for known in self._store.agents() if known.id == agent), None)
        if uid is None or agent not in dispatch.connected(self._yard.now() - CONNECTED_S):
            raise Unavailable(f"the agent on the host of job {job.id} is away; the job runs on")
        ticket, agents_ticket = self._yard.tickets.issue(self._caller.uid, uid)
        key = key_of(job)
        dispatch.attach(agent, AttachOrder(key, agents_ticket, call.read_only, call.quiet, call.lines))
        self._controller.changes.publish((f"agent:{agent}",))
        return Ticket(ticket, key.number)

    def _agent_of(self, job: Job) -> str:
        if job.state is JobState.DONE:
            raise Conflict(f"job {job.id} has ended: it is {job.word}; `ry logs {job.id}` shows its output")
        if job.state is not JobState.RUNNING or job.attempt is None:
            raise Conflict(f"job {job.id} has not started yet: it is {job.word}")
        if not job.spec.tty:
            raise Conflict(f"job {job.id} has no terminal: it was submitted without --tty")
        return job.attempt.placements[0].agent

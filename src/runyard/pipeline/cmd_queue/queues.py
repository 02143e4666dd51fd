"""The queues of the backends, each with the arguments that cmd_queue's has."""

from __future__ import annotations

import sys
from typing import Any

from runyard.errors import NotFound
from runyard.pipeline import runs
from runyard.pipeline.backends.base import CAPTURE, KEEP
from runyard.pipeline.backends.tmux import Tmux
from runyard.pipeline.cmd_queue.errors import SizeError
from runyard.pipeline.cmd_queue.job import AirflowJob, BashJob, SlurmJob
from runyard.pipeline.cmd_queue.queue import Queue
from runyard.pipeline.state import DONE, INTERRUPTED


class SerialQueue(Queue):
    """One job after the other, by a bash script that needs nothing but bash."""

    backend = "serial"
    job_class = BashJob
    in_front = True


class TMUXMultiQueue(Queue):
    """In tmux, `size` jobs at a time, each as soon as what it depends on has passed."""

    backend = "tmux"
    job_class = BashJob
    sized = True

    def __init__(self, size: int = 1, name: str | None = None, **options: Any) -> None:
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise SizeError(f"a number from 1 on, please, not {size!r}", "size")
        super().__init__(name, size=size, **options)

    @property
    def workers(self) -> list[Queue]:
        """What the workers run: no worker has jobs of its own here, so it is all of them, once."""
        return [self.change_backend("serial")]

    def finalize_text(self, *args: Any, **others: Any) -> str:
        """The script that starts the sessions; the commands are those of `workers`."""
        return self.pipeline.commands(full=True)

    def current_output(self) -> None:
        """Print what stands on the screens of its sessions."""
        try:
            run = runs.load(str(self.dpath))
        except NotFound:
            return
        for session, text in Tmux().screens(run).items():
            sys.stdout.write(f"\n\n# --- {session}\n{text}\n")

    def _ends(self, onfail: str | None, onexit: str | None) -> dict[str, str]:
        """There `onfail="kill"` ends the sessions of a queue in which nothing failed, and `""` none."""
        words = {"onfail": onfail if onfail in (KEEP, CAPTURE) else None, "onexit": KEEP if onfail == "" else None}
        if onexit:
            words["onexit"] = onexit
            words["onfail"] = words["onfail"] or (CAPTURE if onexit == CAPTURE else None)
        return {option: word for option, word in words.items() if word}

    def read_state(self) -> dict[str, Any]:
        """As of every queue; `status` is not-done before its end, and `worker_states` has the one of all jobs."""
        state = super().read_state()
        over = state["status"] in (DONE, INTERRUPTED)
        return {**state, "status": state["status"] if over else "not-done", "worker_states": [state]}


class SlurmQueue(Queue):
    """In Slurm, by a script of sbatch. Any option of sbatch may be given for all jobs, or for one."""

    backend = "slurm"
    job_class = SlurmJob


class AirflowQueue(Queue):
    """As the DAG of an Airflow."""

    backend = "airflow"
    job_class = AirflowJob
    in_front = True


class YardQueue(Queue):
    """In the queue of this machine, or of any yard: cmd_queue has nothing like it."""

    backend = "yard"
    job_class = BashJob
    sized = True


Queue.classes = {kind.backend: kind for kind in (SerialQueue, TMUXMultiQueue, SlurmQueue, AirflowQueue, YardQueue)}

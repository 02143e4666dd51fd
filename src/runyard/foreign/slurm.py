"""Slurm's commands: whether its controller answers, how jobs stand, their end. The backend of pipelines asks here.

Jobs are known by their numbers alone, as sbatch gave them: `12`, or `12;cluster`. What Slurm does not know any more is
missing from an answer; no answer is an error, never an empty one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from runyard.foreign.command import CommandError, Completed, ProgramFailed, complaint, run

ANSWER_S = 30.0
"""How long Slurm may take to answer. (It tries for a while itself before it gives up.)"""

AT_ONCE = 5_000
"""So many numbers fit into one argument."""

PROGRAMS = ("sbatch", "squeue", "scancel", "scontrol")
UNKNOWN = "Invalid job id"
"""What Slurm says of a job that is gone. (Of several squeue passes over in silence those that are.)"""

LIVING = frozenset(
    {"PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "RESIZING", "REQUEUED", "REQUEUE_FED"}
    | {"REQUEUE_HOLD", "RESV_DEL_HOLD", "SIGNALING", "SPECIAL_EXIT", "STAGE_OUT", "STOPPED"}
)
"""The states of a job that may still run."""

WAITING = frozenset({"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"})


@dataclass(frozen=True)
class Standing:
    """How a job stands: Slurm's word for it (`COMPLETED`), and why, in Slurm's words too ("": it does not say)."""

    state: str
    reason: str = ""

    @property
    def living(self) -> bool:
        return self.state in LIVING

    @property
    def waiting(self) -> bool:
        return self.state in WAITING


def missing() -> str:
    """What keeps jobs from being submitted here, as a sentence ("": nothing does)."""
    for program in PROGRAMS:
        if shutil.which(program) is None:
            return f"{program} is not installed here; Slurm's commands are needed, as on a login node"
    try:
        answer = run(["scontrol", "ping"], ANSWER_S)
    except CommandError as error:
        return str(error)
    if b" is UP" in answer.stdout:
        return ""
    said = answer.stdout.decode("utf-8", "replace").strip().splitlines()
    return f"its controller does not answer: {said[0] if said else complaint(answer.stderr)}"


def standings(numbers: Sequence[str]) -> dict[str, list[Standing]]:
    """How these jobs stand, each with all its tasks if it is an array. What is gone from Slurm is missing.

    CommandError if Slurm does not answer.
    """
    found: dict[str, list[Standing]] = {}
    for cluster, part in _parts(numbers):
        for number, standing in _queued(cluster, part):
            found.setdefault(_named(number, cluster), []).append(standing)
    gone = [number for number in numbers if number not in found]
    for cluster, part in _parts(gone):
        for number, standing in _accounted(cluster, part):
            found.setdefault(_named(number, cluster), []).append(standing)
    return found


def cancel(numbers: Sequence[str]) -> None:
    """End these jobs; those that have ended are passed over. CommandError if Slurm does not answer."""
    for cluster, part in _parts(numbers):
        _answered(run(["scancel", *_at(cluster), f"--user={os.getuid()}", "--", *part], ANSWER_S))


def _queued(cluster: str, numbers: Sequence[str]) -> Iterator[tuple[str, Standing]]:
    """What the controller knows: all that has not ended, and what has for some minutes more."""
    argv = ["squeue", *_at(cluster), "--noheader", "--states=all", f"--user={os.getuid()}"]
    answer = _answered(run([*argv, f"--jobs={','.join(numbers)}", "--format=%F %T %r"], ANSWER_S))
    for line in _lines(answer):
        number, _, rest = line.partition(" ")
        state, _, reason = rest.partition(" ")
        if number.isdecimal() and state:
            yield number, Standing(state.strip(), "" if reason.strip() == "None" else reason.strip())


def _accounted(cluster: str, numbers: Sequence[str]) -> Iterator[tuple[str, Standing]]:
    """What the accounting has kept, where there is one."""
    argv = ["sacct", *_at(cluster), "--noheader", "--parsable2", "--allocations", "--format=JobID,State"]
    try:
        answer = run([*argv, f"--jobs={','.join(numbers)}"], ANSWER_S)
    except CommandError:
        return
    for line in _lines(answer):
        number, _, state = line.partition("|")
        number = number.partition("_")[0]
        if number.isdecimal() and state:
            yield number, Standing(state.split()[0], "cancelled by somebody" if " by " in state else "")


def _answered(answer: Completed) -> Completed:
    if answer.returncode == 0 or UNKNOWN.encode() in answer.stderr:
        return answer
    raise ProgramFailed(f"{answer.argv[0]}: {complaint(answer.stderr)}")


def _lines(answer: Completed) -> list[str]:
    return [line.strip() for line in answer.stdout.decode("utf-8", "replace").splitlines()]


def _parts(numbers: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """The bare numbers by their clusters ("": ours), so many at a time as an argument takes."""
    clusters: dict[str, list[str]] = {}
    for number in numbers:
        bare, _, cluster = number.partition(";")
        clusters.setdefault(cluster, []).append(bare)
    for cluster, bare_numbers in clusters.items():
        for start in range(0, len(bare_numbers), AT_ONCE):
            yield cluster, bare_numbers[start : start + AT_ONCE]


def _named(number: str, cluster: str) -> str:
    return f"{number};{cluster}" if cluster else number


def _at(cluster: str) -> list[str]:
    return [f"--clusters={cluster}"] if cluster else []

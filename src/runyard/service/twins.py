"""The twins of our variables under the names that Slurm has, for scripts that read those (`--slurm-env`).

A job is told what a batch script on one node is told: one task, which has all CPUs.
"""

from __future__ import annotations

from collections.abc import Mapping

from runyard.model.attempt import Placement
from runyard.model.host import Host
from runyard.model.job import Job

ONE = (
    "SLURM_JOB_NUM_NODES", "SLURM_NNODES", "SLURM_NTASKS", "SLURM_NPROCS", "SLURM_TASKS_PER_NODE",
    "SLURM_NTASKS_PER_NODE",
)  # fmt: skip
FIRST = ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID")
CPUS = ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE", "SLURM_JOB_CPUS_PER_NODE")


def slurm_twins(
    job: Job, placement: Placement, host: Host | None, ours: Mapping[str, str], group_size: int
) -> dict[str, str]:
    """Slurm's names beside `ours` (RUNYARD_*). `group_size` counts the jobs of its array (0: it is in none)."""
    node = host.name if host else placement.host
    twins = {
        "SLURM_JOB_ID": str(job.id),
        "SLURM_JOBID": str(job.id),
        "SLURM_JOB_NAME": job.spec.label,
        "SLURM_JOB_PARTITION": job.spec.queue,
        "SLURM_JOB_USER": job.spec.user,
        "SLURM_SUBMIT_DIR": job.spec.workdir,
        "SLURM_JOB_NODELIST": node,
        "SLURM_NODELIST": node,
        "SLURMD_NODENAME": node,
        "SLURM_RESTART_COUNT": str((job.attempt.number if job.attempt else 1) - 1),
        **dict.fromkeys(ONE, "1"),
        **dict.fromkeys(FIRST, "0"),
        **dict.fromkeys(CPUS, str(max(1, placement.cpus))),
    }
    if placement.memory_mb:
        twins["SLURM_MEM_PER_NODE"] = str(placement.memory_mb)
    if placement.devices:
        twins["SLURM_GPUS"] = twins["SLURM_GPUS_ON_NODE"] = str(len(placement.devices))
        twins["SLURM_JOB_GPUS"] = ours.get("RUNYARD_GPUS", "")
    if job.spec.array_index is not None and job.group is not None:
        twins["SLURM_ARRAY_JOB_ID"] = str(job.group)
        twins["SLURM_ARRAY_TASK_ID"] = str(job.spec.array_index)
        twins["SLURM_ARRAY_TASK_COUNT"] = str(group_size)
    return twins

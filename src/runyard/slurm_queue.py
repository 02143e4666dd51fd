"""The names of `cmd_queue.slurm_queue`, for those who come from it. They live in `pipeline.cmd_queue`."""

from runyard.pipeline.cmd_queue import SlurmQueue
from runyard.pipeline.cmd_queue.job import SlurmJob

__all__ = ["SlurmJob", "SlurmQueue"]

"""The names of `cmd_queue.base_queue`, for those who come from it. They live in `pipeline.cmd_queue`."""

from runyard.pipeline.cmd_queue import Queue
from runyard.pipeline.cmd_queue.errors import DuplicateJobError, UnknownBackendError
from runyard.pipeline.cmd_queue.job import Job

__all__ = ["DuplicateJobError", "Job", "Queue", "UnknownBackendError"]

"""The names of `cmd_queue.serial_queue`, for those who come from it. They live in `pipeline.cmd_queue`."""

from runyard.pipeline.cmd_queue import SerialQueue
from runyard.pipeline.cmd_queue.job import BashJob

__all__ = ["BashJob", "SerialQueue"]

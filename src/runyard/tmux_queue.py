"""The names of `cmd_queue.tmux_queue`, for those who come from it. They live in `pipeline.cmd_queue`."""

from runyard.pipeline.cmd_queue import TMUXMultiQueue

__all__ = ["TMUXMultiQueue"]

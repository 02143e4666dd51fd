"""Pipelines with cmd_queue's words and ways, for those who come from it: a face over `Pipeline`, nothing of its own.

The modules `runyard.base_queue`, `serial_queue`, `tmux_queue`, `slurm_queue` and `airflow_queue` name what is here.
Where it differs from cmd_queue on purpose is in docs/coming-from/cmd_queue.md.
"""

from runyard.pipeline.cmd_queue.queue import Queue
from runyard.pipeline.cmd_queue.queues import AirflowQueue, SerialQueue, SlurmQueue, TMUXMultiQueue

__all__ = ["AirflowQueue", "Queue", "SerialQueue", "SlurmQueue", "TMUXMultiQueue"]

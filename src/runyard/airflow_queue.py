"""The names of `cmd_queue.airflow_queue`, for those who come from it. They live in `pipeline.cmd_queue`."""

from runyard.pipeline.cmd_queue import AirflowQueue
from runyard.pipeline.cmd_queue.job import AirflowJob

__all__ = ["AirflowJob", "AirflowQueue"]

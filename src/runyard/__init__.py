"""Runyard: a job queue for training runs and shell commands.

    import runyard

    yard = runyard.connect()
    job = yard.submit(["python", "train.py"], gpus=1)
    job.wait()
"""

from __future__ import annotations

__version__ = "0.1.0.dev0"

"""What `Yard.submit` takes beside the command: the flags of `ry submit` with `_` for `-`, for type checkers, editors.

Values are read as those of the flags are (`submitting.job_options`): a number may be a text and a text a number.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict, Union

if TYPE_CHECKING:
    from runyard.client.handle import Job

PathText = Union[str, "os.PathLike[str]"]
Amount = Union[str, int, float]
One = Union[str, int, "Job"]


class JobOptions(TypedDict, total=False):
    """Every option of a job. What is left out has the default of its queue, else that of `ry submit`."""

    name: str
    """How it is called in lists (default: its program or script)."""

    workdir: PathText
    """Where it runs (default: the present directory)."""

    queue: str
    """Its queue (default: "default")."""

    priority: Union[int, str]
    """Higher goes first (default: 0)."""

    gpus: Union[int, str]
    """2, "2:a100", "1,mem=10G" (a share), "index=0,2" (default: none)."""

    cpus: Union[int, str]
    """How many CPUs (default: 1)."""

    mem: Amount
    """Memory: "10G", "500M"; a number is MB (default: no limit)."""

    mem_per_cpu: Amount
    """Memory for each of its CPUs, as `mem`."""

    time: Amount
    """Time limit: "30s", "2h"; a number is minutes (default: none)."""

    grace: Amount
    """Between the signal and the kill: "1m"; a number is seconds (default: 10)."""

    after: Union[One, Sequence[One]]
    """What it waits for: jobs, ids, or as `-d` takes it ("afterany:12"). A job means: that it succeeded."""

    array: Union[str, range, Sequence[int]]
    """One job per index, for `submit_all`: range(10), [1, 2, 5], "0-9%2" (two at a time)."""

    hold: bool
    """Keep it back until it is released."""

    begin: Amount
    """Not before "22:00", "+2h", "2026-12-31T08:00"."""

    retries: Union[int, str]
    """Try again by itself so often (default: 0)."""

    backoff: Amount
    """Pause before a retry, doubled each time: "1m"; a number is seconds (default: none)."""

    retry_on: Union[str, int, Sequence[Union[str, int]]]
    """Causes fail, oom, lost, timeout, and exit codes (default: fail, oom, timeout)."""

    on_lost: str
    """If its end is unknown: "end" or "requeue" (default: as its queue says)."""

    retry_env: Union[str, Sequence[str], Mapping[str, str]]
    """Variables of retries: {"oom:BATCH_SIZE": "16"}; several values of one name count one after another."""

    signal: str
    """A signal before the time limit: "USR1@120" (seconds), "all:USR1@2m" for all processes."""

    checkpoint_dir: bool
    """Have a directory, $RUNYARD_CHECKPOINT_DIR, that all attempts of the job find."""

    requeue_on_checkpoint: bool
    """Exit code 85 means: checkpointed, run me again."""

    checkpoint_tries: Union[int, str]
    """How many attempts in a row without a new checkpoint end it (default: 3)."""

    ports: Union[int, str]
    """How many free ports of its host it gets, and MASTER_ADDR and MASTER_PORT (default: 1 with several GPUs)."""

    note: str
    """What it is for (default: $DQ_DESC)."""

    unique: str
    """If a job with this key waits or runs, that one is meant."""

    output: PathText
    """Write the output there: %j is the id, %a the index, %x the name."""

    input: PathText
    """Its standard input (default: /dev/null)."""

    shell: str
    """"bash", "sh", "zsh" or "login", for a command that is a text (default: bash)."""

    script: bool
    """The command is a list that begins with a script file (`#!`, *.sh, *.py): a copy of it is kept and run."""

    env: Union[str, Sequence[str], Mapping[str, Amount]]
    """Variables to set: {"SEED": 7}, or "SEED=7"; "SEED" alone keeps one in a clean environment."""

    env_file: Union[PathText, Sequence[PathText]]
    """Files of variables, with lines K=V."""

    clean_env: bool
    """Do not send this whole environment along."""

    venv: PathText
    """Activate this virtual environment first."""

    conda: str
    """Activate this conda environment first."""

    setup: Union[str, Sequence[str]]
    """Shell lines to run first."""

    notify: Union[str, Sequence[str]]
    """Hooks of the yard to tell what happens: "slack", ["slack:failed,lost", "mail:you@example.org"]."""

    slurm_env: bool
    """Set Slurm's variables (SLURM_JOB_ID ...) beside ours."""

    snapshot: Union[bool, str]
    """True runs the code as it is now, whatever is edited until it starts; a text names a branch or a commit."""

    drift: str
    """If other Python packages are installed when it starts: "warn", "hold" or "ignore" (default: warn)."""

    tty: bool
    """It gets a terminal of its own, for `ry attach` (default: as its queue or the settings say)."""

    detach: bool
    """Processes that it leaves behind are not ended."""

    param: Union[str, Sequence[str], Mapping[str, Amount]]
    """Parameters, to find and compare it by: {"lr": 0.1}. The command finds all of them in RUNYARD_PARAMS (JSON)."""


class SweepOptions(JobOptions, total=False):
    """What `Yard.sweep` takes beside values and command: how they are put together, and the options of every job."""

    template: str
    """The template that its jobs are made of (default: that of the sweep's name)."""

    side_by_side: bool
    """The first values of all, the second ones ... instead of every combination."""

    random: int
    """How many cells are drawn at random (default: every combination)."""

    seed: int
    """The same cells for the same seed (default: 0)."""

    parallel: int
    """How many cells run at a time (default: as many as fit)."""

    canary: bool
    """One cell first; the others wait until it has succeeded."""

    stop_when: Union[str, Sequence[str]]
    """Rules: "acc >= 0.99" ends the rest, "loss > 2 after 100" a cell that is so bad at step 100."""

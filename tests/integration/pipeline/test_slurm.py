"""The Slurm of the tests is one: three idle nodes, jobs that run on their GPUs, and nothing left at the end."""

from __future__ import annotations

import os
from pathlib import Path

from tests.harness import processes
from tests.harness.slurm import NODES, Slurm


def submit(slurm: Slurm, command: str, *options: str) -> int:
    """Its number."""
    return int(slurm.ask("sbatch", "--parsable", "--output=/dev/null", *options, f"--wrap={command}"))


def test_its_nodes_are_idle(slurm: Slurm) -> None:
    assert slurm.ask("sinfo", "--noheader", "--Node", "--format", "%N %t").splitlines() == [f"{n} idle" for n in NODES]


def test_a_job_runs_on_a_gpu(slurm: Slurm, tmp_path: Path) -> None:
    out = tmp_path / "out"
    number = submit(
        slurm, f"echo $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES >'{out}'; exit 7", "--gres=gpu:2", "--nodelist=n2"
    )
    slurm.drain()
    assert out.read_text() == "n2 0,1\n"
    assert (slurm.job(number)["JobState"], slurm.job(number)["ExitCode"]) == ("FAILED", "7:0")


def test_a_job_that_waits_for_others(slurm: Slurm, tmp_path: Path) -> None:
    first = submit(slurm, "true")
    second = submit(slurm, f"touch '{tmp_path}/second'", f"--dependency=afterok:{first}")
    slurm.drain()
    assert slurm.job(second)["JobState"] == "COMPLETED"
    assert (tmp_path / "second").exists()


def test_a_test_leaves_its_queue_empty(slurm: Slurm) -> None:
    number = submit(slurm, "sleep 1000")
    slurm.clear()
    assert slurm.queue() == []
    assert slurm.job(number)["JobState"] == "CANCELLED"


def test_nothing_is_left_of_it(slurm: Slurm, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    own = Slurm(tmp_path / "cluster")
    try:
        submit(own, f"setsid sleep 1000 & echo $$ $! >'{fifo}'; wait", "--export=NONE")
        pids = [int(word) for word in fifo.read_text().split()]
        assert all(map(processes.alive, pids))
    finally:
        own.end()
    assert not any(map(processes.alive, pids))
    assert not processes.marked(f"SLURM_CONF={own.root}/slurm.conf")

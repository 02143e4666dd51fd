"""Scripts that bring their options along: `#RY` lines, and scripts for sbatch as people have them."""

from __future__ import annotations

import getpass
import json
import platform
from pathlib import Path

import pytest

from tests.acceptance.test_environment import environment
from tests.acceptance.typist import Typist

TRAINING = """\
#!/bin/bash
#SBATCH --job-name=resnet
#SBATCH --output=logs/%x-%j.out
#SBATCH --error=logs/%x-%j.err
#SBATCH --account=lab          # who pays
#SBATCH --time=0-02:00:00
#SBATCH --cpus-per-task=2
#SBATCH --mem-per-cpu=50M
#SBATCH --export=ALL,EPOCHS=3

cd $SLURM_SUBMIT_DIR
echo "job $SLURM_JOB_ID on $SLURM_JOB_NODELIST: $EPOCHS epochs with $SLURM_CPUS_PER_TASK cpus"
#SBATCH --time=99:00:00
"""

ARRAY = """\
#!/usr/bin/env bash
#SBATCH -J sweep
#SBATCH -a 3-5%2
#SBATCH -o out-%A_%2a.txt
#RY --slurm-env -c0

echo "$SLURM_ARRAY_JOB_ID $SLURM_ARRAY_TASK_ID of $SLURM_ARRAY_TASK_COUNT, $SLURM_PROCID of $SLURM_NTASKS"
"""


@pytest.fixture
def training(ry: Typist) -> str:
    (ry.directory / "train.sbatch").write_text(TRAINING)
    (ry.directory / "logs").mkdir()
    return "train.sbatch"


def test_a_script_for_sbatch_runs_as_it_is(ry: Typist, training: str) -> None:
    ended = ry("sbatch", "--slurm-env", training)
    assert ended.code == 0, ended
    assert ended.err.splitlines() == [
        "ry: train.sbatch, line 4: #SBATCH --error: errors go where the output goes, in one file",
        "ry: train.sbatch, line 5: #SBATCH --account is not done here",
        "ry: train.sbatch, line 13: #SBATCH after the first command does not count",
    ]
    job = int(ended.out)
    ry.ok("wait", str(job))
    node = platform.node().partition(".")[0]
    said = (ry.directory / "logs" / f"resnet-{job}.out").read_text()
    assert said == f"job {job} on {node}: 3 epochs with 2 cpus\n"
    spec = ry.json("show", str(job))["spec"]
    assert (spec["name"], spec["time_limit_s"], spec["resources"]["memory_mb"]) == ("resnet", 7200.0, 100)


def test_flags_win_over_lines_and_lines_over_the_queue(ry: Typist, training: str) -> None:
    ry.ok("queue", "add", "night", "--default", "time=9", "--default", "priority=3", "--default", "mem=1G")
    words = ("submit", "--dry-run", "--json", "-q", "night", "--mem", "70M", "-e", "MORE=1", training)
    (spec,) = json.loads(ry.ok(*words))["specs"]
    assert (spec["queue"], spec["name"], spec["priority"]) == ("night", "resnet", 3)
    assert (spec["time_limit_s"], spec["resources"]["memory_mb"]) == (7200.0, 70)


def test_an_array_of_sbatch(ry: Typist) -> None:
    (ry.directory / "sweep.sh").write_text(ARRAY)
    ids = [int(line) for line in ry.ok("submit", "sweep.sh").split()]
    ry.ok("wait", *map(str, ids))
    group = ry.json("show", str(ids[0]))["group"]
    for index in (3, 4, 5):
        said = (ry.directory / f"out-{group}_{index:02}.txt").read_text()
        assert said == f"{group} {index} of 3, 0 of 1\n"
    assert "run follows one job" in ry.refused("run", "sweep.sh")


def test_lines_of_ours_in_python(ry: Typist) -> None:
    script = "#!/usr/bin/env python3\n#RY -J py -c0 -e SEED=7\nimport os\nprint(os.environ['SEED'])\n"
    (ry.directory / "train.py").write_text(script)
    assert ry("run", "train.py").out == "7\n"
    assert ry("run", "-e", "SEED=8", "train.py").out == "8\n"
    assert ry.json("show")["name"] == "py"
    ended = ry("run", "--", "python3", "train.py", SEED="from the shell")
    assert ended.out == "from the shell\n", "after -- a command is taken as it is"


def test_lines_in_scripts_of_a_file(ry: Typist, training: str) -> None:
    jobs = [
        {"command": [training, "1"], "script": True},
        {"command": [training], "script": True, "name": "other", "time": 1, "after": "resnet"},
    ]
    (ry.directory / "jobs.json").write_text(json.dumps(jobs))
    told = json.loads(ry.ok("submit", "--dry-run", "--json", "-c", "1", "--file", "jobs.json"))["specs"]
    assert [(spec["name"], spec["time_limit_s"]) for spec in told] == [("resnet", 7200.0), ("other", 60.0)]
    assert [spec["resources"]["memory_mb"] for spec in told] == [50, 50]
    assert told[1]["after"] == [{"job_id": -1, "kind": "afterok"}]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("#SBATCH --partition=gpu_long", "s.sh, line 2: #SBATCH --partition: there is no queue 'gpu_long'"),
        ("#SBATCH -d afterok:999999", "there is no job"),
        ("#RY --priority 99999999", "s.sh, line 2: #RY --priority: a number from"),
        ("#RY -D /does/not/exist", "s.sh, line 2: #RY -D: there is no directory"),
        ("#RY --array 1-2 --file x", "s.sh, line 2: #RY --file: there is no such option"),
        ("#SBATCH --time=forever", "s.sh, line 2: #SBATCH --time: 'forever' is no time span"),
    ],
)
def test_a_wrong_line_is_named(ry: Typist, line: str, says: str) -> None:
    (ry.directory / "s.sh").write_text(f"#!/bin/sh\n{line}\ntrue\n")
    assert says in ry.refused("submit", "s.sh")


def test_a_script_without_a_first_line_counts_its_own_lines(ry: Typist) -> None:
    (ry.directory / "s.sh").write_text("#SBATCH --time=forever\ntrue\n")
    assert "s.sh, line 1: " in ry.refused("submit", "s.sh")


def test_slurms_names_only_where_they_are_asked_for(ry: Typist) -> None:
    assert not [name for name in environment(ry.output("-c0", "--", "env", "-0")) if name.startswith("SLURM")]
    ry.ok("queue", "set", "default", "--default", "slurm-env=true")
    try:
        seen = environment(ry.output("-c2", "-J", "mine", "--mem", "50M", "--", "env", "-0"))
    finally:
        ry.ok("queue", "set", "default", "--default", "slurm-env=")
    assert seen["SLURM_JOB_ID"] == seen["SLURM_JOBID"] == seen["RUNYARD_JOB_ID"]
    assert (seen["SLURM_JOB_NAME"], seen["SLURM_JOB_PARTITION"], seen["SLURM_JOB_USER"]) == (
        "mine", "default", getpass.getuser(),
    )  # fmt: skip
    assert (seen["SLURM_CPUS_PER_TASK"], seen["SLURM_MEM_PER_NODE"], seen["SLURM_NTASKS"]) == ("2", "50", "1")
    assert seen["SLURM_SUBMIT_DIR"] == str(ry.directory) and "SLURM_ARRAY_TASK_ID" not in seen


def test_a_submit_inside_a_job_leaves_its_twins_behind(ry: Typist) -> None:
    ry.ok("run", "-c0", "--slurm-env", "SLURM_CONF=mine ry submit -J inner -c0 -- env -0 > inner-id")
    job = (ry.directory / "inner-id").read_text().strip()
    ry.ok("wait", job)
    assert not [name for name in environment(ry.ok("logs", job)) if name.startswith("SLURM")]


def test_a_job_of_slurm_itself_hands_on_its_own(ry: Typist) -> None:
    seen = environment(ry.output("-c0", "--", "env", "-0", SLURM_JOB_ID="7", SLURM_NTASKS="4"))
    assert (seen["SLURM_JOB_ID"], seen["SLURM_NTASKS"]) == ("7", "4")


def test_names_of_output_files(ry: Typist, tmp_path: Path) -> None:
    ry.ok("run", "-c0", "-o", "%u-%N-%a-%A.txt", "--", "true")
    job = ry.json("show")["id"]
    node = platform.node().partition(".")[0]
    assert (tmp_path / f"{getpass.getuser()}-{node}-0-{job}.txt").exists()

"""Jobs that report of themselves, as a user sees it: by lines, by the file, from Python, by bars; and at their end."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from runyard.model.metrics import Measured
from tests.acceptance.typist import Typist
from tests.harness.yard import Gate

PYTHON = """
import runyard
for step in range(1, 6):
    runyard.log(acc=step / 10, loss=1 / step, step=step)
runyard.log(stage="testing", progress=(3, 4))
open("reported", "w").close()
open("go").read(1)
runyard.log(test_acc=0.45)
"""

SHELL = """
echo ::stage training
echo "::progress 10/40 loss=0.5"
echo not ours ::metric x=1
echo '{"f1": 0.25, "step": 3}' >> "$RUNYARD_METRICS"
read x < go
echo ::metric acc=0.75
printf '::metric last=1'
"""

TQDM = r"""
printf '\rEpoch 1:   0%%|          | 0/4 [00:00<?, ?it/s]'
printf '\rEpoch 1:  50%%|#####     | 2/4 [00:02<00:02,  1.00it/s]'
read x < go
printf '\rEpoch 1: 100%%|##########| 4/4 [00:04<00:00,  1.00it/s]\n'
"""


@pytest.fixture
def go(gate: Callable[[str], Gate]) -> Gate:
    return gate("go")


def measured(ry: Typist, job: int) -> Measured:
    return ry.yard.service.metrics(job)[-1]


def heard(ry: Typist, job: int, name: str) -> None:
    """Wait until this is known of the job."""
    ry.yard.until(f"{name} of job {job}", lambda: ry.row(job).metrics.get(name))


def test_a_python_training(ry: Typist, go: Gate) -> None:
    (ry.directory / "train.py").write_text(PYTHON)
    job = ry.submit("--", sys.executable, "train.py")
    ry.yard.until("the stage", lambda: ry.row(job).stage == "testing")
    row = ry.json("ls", str(job))[0]
    assert (row["metrics"], row["done"], row["total"]) == ({"acc": 0.5, "loss": 0.2}, 3.0, 4.0)
    table = ry.ok("ls", str(job)).splitlines()
    assert "PROGRESS" in table[0] and "testing 3/4" in table[1]
    go.open()
    ry.done(job)
    assert ry.row(job).metrics == {"acc": 0.5, "loss": 0.2, "test_acc": 0.45}
    assert "PROGRESS" not in ry.ok("ls", str(job))
    acc = measured(ry, job).metrics[0]
    assert [(point[0], point[1], point[3]) for point in acc.points] == [(n, n, n / 10) for n in range(1, 6)]
    shown = ry.ok("show", str(job))
    assert "acc 0.5 at step 5, from 0.1 to 0.5 in 5 values" in shown and "test_acc 0.45 at step 1" in shown
    assert [row["id"] for row in ry.json("ls", "--where", f"test_acc > 0.4 and id = {job}")] == [job]


def test_a_shell_script(ry: Typist, go: Gate) -> None:
    job = ry.submit(SHELL)
    heard(ry, job, "f1")
    row = ry.row(job)
    assert (row.stage, row.done, row.total) == ("training", 10.0, 40.0)
    assert row.metrics == {"f1": 0.25, "loss": 0.5}
    go.open()
    ry.done(job)
    assert ry.row(job).metrics == {"acc": 0.75, "f1": 0.25, "last": 1.0, "loss": 0.5}, "also its very last words"


def test_bars_of_tqdm(ry: Typist, go: Gate) -> None:
    job = ry.submit(TQDM)
    ry.yard.until("a bar", lambda: ry.row(job).done == 2.0)
    assert (ry.row(job).stage, ry.row(job).total) == ("Epoch 1", 4.0)
    go.open()
    ry.done(job)
    assert measured(ry, job).progress.done == 4.0


def test_short_jobs_lose_nothing(ry: Typist) -> None:
    jobs = ry.submit_many("-a", "1-20", "echo ::metric index=$RUNYARD_ARRAY_INDEX")
    ry.done(*jobs)
    assert [ry.row(job).metrics for job in jobs] == [{"index": float(place)} for place in range(1, 21)]


def test_a_file_of_its_own_that_others_wrote_to_before(ry: Typist) -> None:
    (ry.directory / "out.txt").write_text("::metric acc=0.1\n")
    job = ry.run("-o", "out.txt", "echo ::metric loss=2").id
    assert ry.row(job).metrics == {"loss": 2.0}


def test_hostile_lines_are_tamed(ry: Typist) -> None:
    words = [
        "::metric nan=nan",
        "::metric inf=inf",
        r"::metric \033[31mx=1",
        "::stage \\033]0;title\\007x",
        "::metric ok=1",
    ]
    flood = "i=0; while [ $i -lt 500 ]; do echo ::metric n$i=$i; i=$((i+1)); done"
    job = ry.run("; ".join([f"printf '{word}\\n'" for word in words] + [flood, "head -c 300000 /dev/zero"])).id
    row = ry.row(job)
    assert row.outcome == "succeeded" and row.metrics["ok"] == 1.0
    assert len(row.metrics) == 64 and not {"nan", "inf", "x"} & set(row.metrics)
    stage = measured(ry, job).progress.stage
    assert stage.isprintable() and "\x1b" not in ry.ok("show", str(job))


def test_nothing_is_counted_twice_when_agent_and_server_are_killed(ry: Typist, go: Gate) -> None:
    job = ry.submit("for i in 1 2 3; do echo ::metric acc=$i; done; read x < go; echo ::metric acc=4; read x < go")
    heard(ry, job, "acc")
    ry.yard.kill_agent()
    go.open()
    ry.yard.until("the fourth value", lambda: ry.row(job).metrics.get("acc") == 4.0)
    ry.yard.kill_server()
    go.open()
    ry.ok("wait", str(job))
    (acc,) = measured(ry, job).metrics
    assert (acc.count, acc.least, acc.most) == (4, 1.0, 4.0)
    assert [point[3] for point in acc.points] == [1.0, 2.0, 3.0, 4.0]


def test_outside_a_job_lines_are_printed(ry: Typist) -> None:
    script = "import runyard; runyard.log(acc=0.5, step=2); runyard.log(stage='x y', progress=(1, 2))"
    job = ry.run("--", sys.executable, "-c", script, RUNYARD_METRICS="/not/mine").id
    assert ry.row(job).metrics == {"acc": 0.5}, "a job has its own, whatever its submitter has"
    printed = ry("run", "--", "env", "-u", "RUNYARD_METRICS", sys.executable, "-c", script)
    assert printed.out == "::metric acc=0.5 step=2\n::stage x y\n::progress 1/2\n"


def test_the_runs_of_an_array_are_ranked_and_drawn(ry: Typist) -> None:
    text = "for step in 1 2 3; do echo ::metric acc=0.$step$RUNYARD_ARRAY_INDEX step=$step; done"
    jobs = ry.submit_many("-J", "trial", "-a", "1-3", text)
    ry.done(*jobs)
    scope = f"{jobs[0]}-{jobs[-1]}"
    table = ry.ok("results", scope, "--metric", "acc", "--top", "2").splitlines()
    assert table[0].split() == ["ID", "NAME", "STATE", "acc"]
    assert [line.split() for line in table[1:]] == [
        [str(jobs[2]), "trial[3]", "succeeded", "0.33"],
        [str(jobs[1]), "trial[2]", "succeeded", "0.32"],
    ]
    assert ry.ok("results", scope, "--csv").splitlines()[0] == "id,name,state,acc"
    drawn = ry.ok("results", scope, "--plot").splitlines()
    assert drawn[0] == "acc" and drawn[-1].endswith(f"{jobs[0]} trial[1]")
    ry.ok("results", scope, "--plot", "--x", "index")
    assert ry("results", scope, "--png", "acc.png").code == 0
    assert (ry.directory / "acc.png").read_bytes().startswith(b"\x89PNG")
    stats = ry.ok("stats").splitlines()
    assert "since: 'soon' is neither a span" in ry.refused("stats", "--since", "soon")
    assert stats[0].split()[:4] == ["USER", "QUEUE", "ACTIVE", "WAITING"] and "SUCCEEDED" in stats[0]


def test_metrics_in_python(ry: Typist) -> None:
    script = "import runyard, sys; job = runyard.connect().job(int(sys.argv[1])); print(job.metrics()['acc'].points)"
    job = ry.run("echo ::metric acc=0.5 step=3").id
    printed = ry.output("--", sys.executable, "-c", script, str(job))
    assert printed.startswith("((1, 3.0, ") and printed.endswith(", 0.5),)\n")

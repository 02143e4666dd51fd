"""Pipelines on a real Slurm: what only it can do, and what only it knows."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from runyard.errors import Conflict
from runyard.pipeline import runs
from runyard.pipeline.backends.slurm import Slurm as Backend
from runyard.pipeline.pipeline import Pipeline
from runyard.pipeline.reading.sbatch import FLAGS, SBATCH
from runyard.pipeline.state import DONE, FAILED, INTERRUPTED, PASSED, PENDING, RUNNING, SKIPPED, JobState
from tests.harness.slurm import Slurm
from tests.harness.yard import Bell, Gate

NEWER = {"tres_bind", "tres_per_task"}
"""Options that Slurm 22.05 has not yet."""


@pytest.fixture
def pipeline(slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    monkeypatch.setenv("SLURM_CONF", slurm.environ({})["SLURM_CONF"])
    monkeypatch.setenv("RUNYARD_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "50% run").mkdir(mode=0o700)
    yield Pipeline.create("demo", "slurm", directory=str(tmp_path / "50% run"), env={"SECRET": "s3cr3t"})


def numbers(pipeline: Pipeline) -> list[int]:
    """Slurm's numbers of its jobs."""
    lines = Path(pipeline.directory, "submitted").read_text().splitlines()
    return [int(line.split()[1]) for line in lines]


def ended(pipeline: Pipeline) -> dict[str, JobState]:
    """Its jobs at its end."""
    run = runs.load(pipeline.directory)
    while not (state := pipeline.backend.state(run)).over:
        pipeline.backend.wait(run, 1.0)
    return {job.name: job for job in state.jobs}


def test_a_job_that_is_refused(pipeline: Pipeline, slurm: Slurm) -> None:
    pipeline.submit("true", name="fine", hold=True)
    pipeline.submit("true", name="it's bad", depends="fine", partition="nowhere")
    pipeline.submit("true", name="late")
    with pytest.raises(Conflict, match=r"(?s)invalid partition.*refused the job \"it's bad\".*cancelled") as raised:
        pipeline.run()
    jobs = ended(pipeline)
    assert str(numbers(pipeline)[0]) in str(raised.value)
    assert pipeline.state().status == INTERRUPTED
    assert [(job.status, job.reason) for job in jobs.values()] == [
        (FAILED, "cancelled"),
        (SKIPPED, "fine did not pass"),
        (PENDING, ""),
    ]
    assert slurm.queue() == []


def test_cancelled_by_somebody(pipeline: Pipeline, slurm: Slurm, tmp_path: Path) -> None:
    with closing(Gate(tmp_path / "gate")), closing(Bell(tmp_path / "bell")) as bell:
        trap = "trap 'exit 5' TERM"
        pipeline.submit(f"{trap}; echo 1 >{tmp_path}/bell; read x <{tmp_path}/gate & wait", name="runs")
        pipeline.submit("true", name="waits", hold=True)
        pipeline.submit("true", name="follows", depends="runs")
        pipeline.run(block=False)
        bell.wait()
        while pipeline.state().of(PENDING)[0].reason != "JobHeldUser":
            pipeline.backend.wait(runs.load(pipeline.directory), 1.0)
        run = runs.load(pipeline.directory)
        assert pipeline.backend.attach(run)[-1] == pipeline.layout.log("runs")
        assert pipeline.backend.attach(run, "follows") == ()
        slurm.ask("scancel", *map(str, numbers(pipeline)[:2]))
        jobs = ended(pipeline)
    assert (jobs["runs"].status, jobs["runs"].code, jobs["runs"].reason) == (FAILED, 5, "cancelled")
    assert (jobs["waits"].status, jobs["waits"].code, jobs["waits"].reason) == (FAILED, None, "cancelled")
    assert jobs["follows"].status == SKIPPED
    assert pipeline.state().status == DONE


def test_cancelled_before_its_needs_have_ended(pipeline: Pipeline, slurm: Slurm, tmp_path: Path) -> None:
    """It has not failed yet: if what it needs fails it was skipped, and nobody was told otherwise."""
    with closing(Gate(tmp_path / "gate")) as gate, closing(Bell(tmp_path / "bell")) as bell:
        pipeline.submit(f"echo 1 >{tmp_path}/bell; read x <{tmp_path}/gate; exit 5", name="runs")
        pipeline.submit("true", name="follows", depends="runs")
        pipeline.submit("true", name="last", depends="follows")
        pipeline.run(block=False)
        bell.wait()
        slurm.ask("scancel", *map(str, numbers(pipeline)[1:]))
        state = Backend().state(runs.load(pipeline.directory))
        assert [(job.status, job.reason) for job in state.jobs[1:]] == [(PENDING, "cancelled")] * 2
        gate.open()
        jobs = ended(pipeline)
    assert [job.status for job in jobs.values()] == [FAILED, SKIPPED, SKIPPED]


def test_the_first_that_fails_ends_the_others(pipeline: Pipeline, slurm: Slurm, tmp_path: Path) -> None:
    with closing(Gate(tmp_path / "gate")), closing(Bell(tmp_path / "bell")) as bell:
        pipeline.submit(f"echo 1 >{tmp_path}/bell; read x <{tmp_path}/gate", name="runs")
        pipeline.submit(f"read x <{tmp_path}/go; exit 7", name="fails")
        pipeline.submit("true", name="waits", hold=True)
        with closing(Gate(tmp_path / "go")) as go:
            pipeline.run(block=False, onfail="kill")
            bell.wait()
            go.open()
            jobs = ended(pipeline)
    assert jobs["fails"].code == 7
    assert [jobs[name].reason for name in ("runs", "waits")] == ["cancelled", "cancelled"]


def test_its_time_is_over(pipeline: Pipeline, slurm: Slurm, tmp_path: Path) -> None:
    with closing(Gate(tmp_path / "gate")), closing(Bell(tmp_path / "bell")) as bell:
        pipeline.submit(f"echo 1 >{tmp_path}/bell; read x <{tmp_path}/gate", name="long", time=1)
        pipeline.run(block=False)
        bell.wait()
        slurm.ask("scontrol", "update", f"JobId={numbers(pipeline)[0]}", "EndTime=now")
        job = ended(pipeline)["long"]
    assert (job.status, job.reason) == (FAILED, "its time was over")


def test_signals_for_the_job_alone(pipeline: Pipeline, slurm: Slurm, tmp_path: Path) -> None:
    with closing(Gate(tmp_path / "gate")), closing(Bell(tmp_path / "bell")) as bell:
        trap = "trap 'echo saved; exit 0' USR1"
        pipeline.submit(f"{trap}; echo 1 >{tmp_path}/bell; read x <{tmp_path}/gate & wait", name="saves")
        pipeline.run(block=False)
        bell.wait()
        slurm.ask("scancel", "--batch", "--signal=USR1", str(numbers(pipeline)[0]))
        job = ended(pipeline)["saves"]
    assert (job.status, job.code) == (PASSED, 0)
    assert Path(job.log).read_text() == "saved\n"


def test_an_array_is_one_job(pipeline: Pipeline) -> None:
    pipeline.submit("echo $SLURM_ARRAY_TASK_ID", name="good", array="1-3")
    pipeline.submit("exit $SLURM_ARRAY_TASK_ID", name="bad", array="0,4")
    pipeline.submit("true", name="after good", depends="good")
    pipeline.submit("true", name="after bad", depends=["good", "bad"])
    found = [(job["name"], job["status"], job["code"]) for job in pipeline.run()["jobs"]]
    assert found == [
        ("good", PASSED, 0),
        ("bad", FAILED, 4),
        ("after good", PASSED, 0),
        ("after bad", SKIPPED, None),
    ]
    assert Path(pipeline.directory, "logs/001-good.2.log").read_text() == "2\n"


def test_gpus_cpus_and_output(pipeline: Pipeline, tmp_path: Path) -> None:
    pipeline.submit("echo $CUDA_VISIBLE_DEVICES $SLURM_CPUS_PER_TASK", gpus=[0, 1], cpus=3, output=f"{tmp_path}/%j.out")
    (job,) = pipeline.run()["jobs"]
    assert job["log"] == f"{tmp_path}/{numbers(pipeline)[0]}.out"
    assert Path(job["log"]).read_text() == "0,1 3\n"


def test_values_are_in_none_of_its_files(pipeline: Pipeline, slurm: Slurm, tmp_path: Path) -> None:
    with closing(Gate(tmp_path / "gate")) as gate, closing(Bell(tmp_path / "bell")) as bell:
        pipeline.submit(f'[ "$SECRET" = s3cr3t ] && echo 1 >{tmp_path}/bell; read x <{tmp_path}/gate', name="waits")
        pipeline.run(block=False)
        bell.wait()
        files = [path for path in slurm.root.rglob("*") if path.is_file()]
        assert any(path.name == "slurm_script" for path in files)
        assert not [path for path in files if b"SECRET=s3cr3t" in path.read_bytes()]
        assert "s3cr3t" not in slurm.ask("ps", "-e", "-o", "args")
        gate.open()
        assert ended(pipeline)["waits"].status == PASSED


def test_what_slurm_does_not_know_is_lost(pipeline: Pipeline) -> None:
    pipeline.submit("true", name="gone", hold=True)
    pipeline.submit("true", name="follows", depends="gone")
    pipeline.run(block=False)
    pipeline.kill()
    Path(pipeline.directory, "submitted").write_text("001-gone 4000000\n002-follows 4000001\n")
    jobs = ended(pipeline)
    assert (jobs["gone"].status, jobs["gone"].code, jobs["gone"].reason[:4]) == (FAILED, None, "lost")
    assert jobs["follows"].status == SKIPPED


def test_a_slurm_that_does_not_answer(
    pipeline: Pipeline, slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.submit("true", name="held", hold=True)
    pipeline.run(block=False)
    right = slurm.environ({})["SLURM_CONF"]
    wrong = tmp_path / "slurm.conf"
    wrong.write_text(Path(right).read_text().replace("SlurmctldPort=", "SlurmctldPort=1\n#") + "MessageTimeout=2\n")
    monkeypatch.setenv("SLURM_CONF", str(wrong))
    pipeline.backend = Backend()
    state = pipeline.state()
    assert (state.status, state.jobs[0].status) == (RUNNING, PENDING)
    assert "Slurm does not answer" in state.jobs[0].reason
    assert "its controller does not answer" in pipeline.backend.lacks()
    monkeypatch.setenv("SLURM_CONF", right)
    pipeline.kill()
    assert ended(pipeline)["held"].reason == "cancelled"


def test_a_submission_that_was_broken_off(pipeline: Pipeline) -> None:
    pipeline.submit("true", name="in time")
    pipeline.submit("true", name="too late")
    pipeline.run()
    place = Path(pipeline.directory)
    (place / "state").write_text(json.dumps({"status": "running", "pid": 1, "born": 0}))
    (place / "submitted").write_text((place / "submitted").read_text().splitlines(keepends=True)[0] + "002-too-late")
    (place / "passed/002-too-late").unlink()
    (place / "status/002-too-late.json").unlink()
    assert (pipeline.state().status, pipeline.state().jobs[1].status) == (INTERRUPTED, PENDING)


def test_by_hand(pipeline: Pipeline, slurm: Slurm) -> None:
    pipeline.submit("echo $SECRET", name="first")
    pipeline.submit("#PBS -q nowhere\n#SBATCH --partition=nowhere\nexit 9", name="second", depends="first")
    said = slurm.ask("bash", pipeline.write())
    assert said == "### 2 jobs submitted to Slurm\n"
    jobs = ended(pipeline)
    assert [job.code for job in jobs.values()] == [0, 9]
    assert Path(jobs["first"].log).read_text() == "s3cr3t\n"


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="takes shellcheck")
def test_shellcheck_is_silent(pipeline: Pipeline) -> None:
    pipeline.submit("echo $UNQUOTED", name="$odd `name`", comment="it's $5", array="1-2")
    pipeline.submit("true", name="second", depends="$odd `name`", clusters="c")
    found = subprocess.run(["shellcheck", pipeline.write()], capture_output=True, text=True, check=False)
    assert found.stdout == ""


def test_sbatch_knows_every_option(slurm: Slurm) -> None:
    unknown = set()
    for option in SBATCH - {"wait"}:
        flag = f"--{option.replace('_', '-')}" + ("" if option in FLAGS else "=1")
        argv = ["sbatch", "--test-only", flag, "--wrap=true"]
        said = subprocess.run(argv, env=slurm.environ({"PATH": "/usr/bin:/bin"}), capture_output=True, text=True).stderr
        if "unrecognized option" in said:
            unknown.add(option)
        else:
            assert "an argument" not in said, (option, said)
    assert unknown == NEWER

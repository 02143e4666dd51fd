"""What pipelines hold against: bad luck, surroundings that get in the way, and jobs that write among a run's files."""

from __future__ import annotations

import io
import os
import select
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from runyard.errors import Conflict, InvalidSpec, NotFound
from runyard.foreign import process
from runyard.pipeline import runs
from runyard.pipeline.pipeline import Pipeline
from runyard.pipeline.showing.monitor import tail
from runyard.pipeline.showing.view import view
from tests.harness import processes
from tests.harness.airflow import Airflow

SEVERAL = 8
SLOW_S = 30.0


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RUNYARD_HOME", str(tmp_path / "home"))


def made(tmp_path: Path, *commands: str, **options: Any) -> Pipeline:
    """A serial pipeline of these commands, in a directory of its own."""
    pipeline = Pipeline.create("digits", directory=str(tmp_path / "run"), **options)
    for number, command in enumerate(commands):
        pipeline.submit(command, name=f"job {number}")
    return pipeline


def printed(pipeline: Pipeline, number: int = 1) -> str:
    return Path(pipeline.directory, f"logs/{number:03}-job-{number - 1}.log").read_text()


def shown(pipeline: Pipeline) -> str:
    """What the monitor draws."""
    text = io.StringIO()
    Console(file=text, width=200).print(view(pipeline.state(), "serial", 0.0, 40, tail))
    return text.getvalue()


@pytest.mark.parametrize(
    ("backend", "name"),
    [("yard", "pipeline"), ("tmux", "coordinator"), ("tmux", "worker"), ("slurm", "record"), ("airflow", "run")],
)
def test_no_name_of_a_pipeline_takes_the_file_of_another_part(backend: str, name: str, tmp_path: Path) -> None:
    pipeline = Pipeline.create(name, backend, directory=str(tmp_path / "run"))
    pipeline.submit("true", name="a")
    script = pipeline.write()
    assert runs.load(pipeline.directory).spec.name == name
    paths = [file.path for file in pipeline.render().files]
    assert len(set(paths)) == len(paths)
    assert os.path.basename(script) not in ("pipeline.json", "record.sh")


def test_variables_called_as_those_of_the_script_reach_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("name", "code", "total", "key", "log", "number", "started", "here", "input", "surroundings")
    for name in names:
        monkeypatch.setenv(name, f"own {name}")
    public = ("passed", "left")
    pipeline = made(
        tmp_path,
        "; ".join(f'echo "${name}"' for name in (*names, *public)),
        env={name: f"own {name}" for name in public},
        public=list(public),
    )
    assert pipeline.run()["passed"] == 1
    assert printed(pipeline).splitlines() == [f"own {name}" for name in (*names, *public)]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SHELLOPTS", "braceexpand:errexit:noclobber:noglob"),
        ("POSIXLY_CORRECT", "1"),
        ("BASH_FUNC_cd%%", '() { builtin cd "$@"; echo moved; }'),
        ("BASH_FUNC_echo%%", "() { :; }"),
        ("BASH_FUNC_rm%%", "() { :; }"),
    ],
)
def test_what_a_shell_has_exported_does_not_get_in_the_way(variable: str, value: str, tmp_path: Path) -> None:
    pipeline = made(tmp_path, "false", "true")
    pipeline.submit("true", name="last", depends="job 0")
    for _ in range(2):
        ended = pipeline.run(environ={**os.environ, variable: value})
        assert [job["status"] for job in ended["jobs"]] == ["failed", "passed", "skipped"]


def test_an_exported_function_reaches_jobs(tmp_path: Path) -> None:
    pipeline = made(tmp_path, "job and more")
    ended = pipeline.run(environ={**os.environ, "BASH_FUNC_job%%": "() { echo own $*; }"})
    assert (ended["passed"], printed(pipeline)) == (1, "own and more\n")


def test_directories_are_not_looked_for_in_cdpath(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("sub", "other/sub", "other/run"):
        (tmp_path / place).mkdir(parents=True)
    monkeypatch.setenv("CDPATH", f"{tmp_path}/other")
    pipeline = made(tmp_path, "pwd", cwd="sub")
    pipeline.write()
    subprocess.run(["bash", "run/digits.sh"], cwd=tmp_path, check=True)
    assert printed(pipeline) == f"{tmp_path}/sub\n"
    assert not list((tmp_path / "other/run").iterdir())


def test_what_lies_in_a_directory_that_is_no_run_stays(tmp_path: Path) -> None:
    precious = tmp_path / "run/logs/precious"
    precious.parent.mkdir(parents=True)
    precious.touch()
    with pytest.raises(Conflict, match="logs is there already"):
        made(tmp_path, "true").run()
    assert precious.exists()
    precious.parent.rename(tmp_path / "logs")
    (tmp_path / "run/digits.sh").write_text("mine")
    with pytest.raises(Conflict, match=r"digits\.sh is there already"):
        made(tmp_path, "true").write()
    assert (tmp_path / "run/digits.sh").read_text() == "mine"


ODD = '{"status": "failed", "ret": 1e999, "started": NaN, "ended": Infinity}'
FORGED = ("[" * 200_000, ODD, "\xff", "[]", "9" * 5_000)


@pytest.mark.parametrize("text", FORGED, ids=range(len(FORGED)))
def test_what_a_job_writes_into_files_of_its_run_harms_no_reader(text: str, tmp_path: Path) -> None:
    pipeline = made(tmp_path, "true")
    pipeline.run()
    Path(pipeline.directory, "status/001-job-0.json").write_text(text, encoding="latin-1")
    assert pipeline.read_state()["passed"] == 1
    assert "1 passed" in shown(pipeline)


@pytest.mark.parametrize("path", ["status/001-job-0.json", "state", "logs/001-job-0.log", "pipeline.json"])
def test_nobody_waits_for_a_pipe_among_the_files_of_a_run(path: str, tmp_path: Path) -> None:
    pipeline = made(tmp_path, "false")
    pipeline.run()
    (tmp_path / "run" / path).unlink()
    os.mkfifo(tmp_path / "run" / path)
    if path == "pipeline.json":
        with pytest.raises(NotFound):
            runs.load(pipeline.directory)
    else:
        assert "1 failed" in shown(pipeline)


def test_who_is_refused_by_the_script_does_not_wait_for_ever(tmp_path: Path) -> None:
    pipeline = made(tmp_path, f"touch {tmp_path}/ran")
    pipeline.write()
    (tmp_path / "run/claims").touch()  # where it needs a directory
    with pytest.raises(Conflict, match="exit code 73"):
        pipeline.run()
    (tmp_path / "run/claims").unlink()
    (tmp_path / "run/claims").mkdir()
    claim(tmp_path / "run", 1, os.getpid())
    with pytest.raises(Conflict, match="exit code 75"):
        pipeline.run()
    assert not (tmp_path / "ran").exists()


def test_of_two_that_find_the_claim_of_a_dead_run_one_runs(tmp_path: Path) -> None:
    """Many try at the same time; each job waits until all others have been refused."""
    pipeline = made(tmp_path, f"echo here >>{tmp_path}/ran; read -r _ <{tmp_path}/gate")
    script = pipeline.write()
    os.mkfifo(tmp_path / "gate")
    (tmp_path / "run/claims").mkdir()
    dead = subprocess.Popen(["true"])
    claim(tmp_path / "run", 1, dead.pid)
    dead.wait()
    several = [
        subprocess.Popen(["bash", script], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) for _ in range(SEVERAL)
    ]
    gate = os.open(tmp_path / "gate", os.O_RDWR)
    left = {process.open_pidfd(one.pid) for one in several}
    while len(left) > 1:
        ended = set(select.select(left, [], [], SLOW_S)[0])
        assert ended
        left -= ended
        for descriptor in ended:
            os.close(descriptor)
    os.write(gate, b"go\n")
    assert sorted(one.wait() for one in several) == [0, *[75] * (SEVERAL - 1)]
    assert (tmp_path / "ran").read_text() == "here\n"
    for descriptor in (gate, *left):
        os.close(descriptor)


def claim(directory: Path, number: int, pid: int) -> None:
    """As a script of this process's would."""
    stat = process.read_stat(pid)
    assert stat is not None
    (directory / f"claims/{number}").symlink_to(f"{pid} {stat.start_time}")


def test_of_two_that_are_started_at_the_same_time_one_runs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate")
    gate = os.open(tmp_path / "gate", os.O_RDWR)
    told: list[str] = []
    barrier = threading.Barrier(SEVERAL)

    def start() -> None:
        pipeline = made(tmp_path, f"echo here >>{tmp_path}/ran; read -r _ <{tmp_path}/gate")
        barrier.wait(SLOW_S)
        try:
            told.append(str(pipeline.run(block=False)["status"]))
        except Conflict:
            told.append("refused")

    several = [threading.Thread(target=start) for _ in range(SEVERAL)]
    for one in several:
        one.start()
    for one in several:
        one.join(SLOW_S)
    assert sorted(told) == [*["refused"] * (SEVERAL - 1), "running"]
    os.write(gate, b"go\n")
    assert made(tmp_path, "true").wait(SLOW_S)["passed"] == 1
    os.close(gate)
    assert (tmp_path / "ran").read_text() == "here\n"


def test_nothing_is_run_from_where_everybody_can_write(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o777)
    with pytest.raises(Conflict, match="everybody can write"):
        made(tmp_path, "true").run()


def test_nobody_else_writes_to_a_run_whatever_the_umask_is(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o755)
    before = os.umask(0)
    try:
        made(tmp_path, "true").run()
    finally:
        os.umask(before)
    for directory, _, files in os.walk(tmp_path / "run"):
        for path in [directory, *(os.path.join(directory, name) for name in files)]:
            private = os.stat(directory).st_mode & 0o077 == 0
            assert private or not os.stat(path, follow_symlinks=False).st_mode & 0o022, path


def test_what_a_killed_script_was_running_is_ended_with_the_run_and_before_another(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "bell")
    bell = os.open(tmp_path / "bell", os.O_RDWR)
    pipeline = made(tmp_path, f"echo $$ >{tmp_path}/bell; exec sleep 1000")
    outlived = [orphan(pipeline, bell) for _ in range(2)]
    assert processes.ended(outlived[0])  # the second run has ended what the first one had left
    assert [job["reason"] for job in pipeline.read_state()["jobs"]] == ["its script has gone"]
    pipeline.kill()
    assert processes.ended(outlived[1])
    os.close(bell)


def orphan(pipeline: Pipeline, bell: int) -> int:
    """A job of a run whose script is killed."""
    pipeline.run(block=False)
    job = int(os.read(bell, 100))
    told = runs.read_json(f"{pipeline.directory}/state")
    assert isinstance(told["pid"], int)
    processes.kill(told["pid"])
    return job


def test_a_text_too_long_for_an_argument_is_run(tmp_path: Path) -> None:
    long = f": {'x' * 120_000}"
    pipeline = Pipeline.create("digits", directory=str(tmp_path / "run"))
    pipeline.submit(f"{long}; echo here", name="job 0", preamble=long)
    assert (pipeline.run()["passed"], printed(pipeline)) == (1, "here\n")


def test_a_job_may_remove_its_run(tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="has gone"):
        made(tmp_path, f"rm -rf {tmp_path}/run").run()


def test_airflow_does_not_wait_for_what_a_job_leaves_behind(
    airflow: Airflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", airflow.environ(os.environ)["PATH"])
    pipeline = Pipeline.create("digits", "airflow", directory=str(tmp_path / "run"))
    pipeline.submit(f"sleep 1000 & echo $! >{tmp_path}/left; head -c 1000000 /dev/zero; echo end", name="job 0")
    try:
        assert pipeline.run()["passed"] == 1
    finally:
        processes.kill(int((tmp_path / "left").read_text()))
    assert len(printed(pipeline)) == 1_000_004


@pytest.mark.parametrize("env", [{"TOKEN": ["hunter2"]}, ["hunter2"], [{"TOKEN": "hunter2"}]])
def test_no_message_tells_what_a_variable_holds(env: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec) as caught:
        Pipeline.create("digits", directory=str(tmp_path / "run"), env=env)
    assert "hunter2" not in str(caught.value)

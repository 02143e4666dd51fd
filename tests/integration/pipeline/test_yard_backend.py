"""Pipelines in the queue of a yard: what only a yard can do, and what may end in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from runyard.client.handle import Yard as Link
from runyard.errors import Conflict, InvalidSpec
from runyard.model.editing import RetryCall
from runyard.model.filter import JobQuery
from runyard.model.group import PIPELINE, GroupQuery
from runyard.model.job import JobState as Stage
from runyard.model.queue import Queue
from runyard.pipeline import runs
from runyard.pipeline.backends.yard import Yard as Backend
from runyard.pipeline.pipeline import Pipeline
from runyard.pipeline.state import DONE, FAILED, INIT, INTERRUPTED, PASSED, PENDING, RUNNING, SKIPPED, JobState
from runyard.wiring.python import connect
from tests.harness import processes
from tests.harness.yard import Bell, Gate, Yard

CRASHES = """
import os, signal, sys
from runyard.client.remote import RemoteService
from runyard.pipeline.pipeline import Pipeline

submit = RemoteService.submit

def crash(service, submission):
    if sys.argv[1] == "answer":
        submit(service, submission)
    os.kill(os.getpid(), signal.SIGKILL)

RemoteService.submit = crash
pipeline = Pipeline.create("demo", "yard", directory=sys.argv[2], home=sys.argv[3])
pipeline.submit("true", name="first")
pipeline.submit("true", name="second", depends="first")
pipeline.run()
"""
"""Queues a pipeline, and is killed before it is sent, or before the answer has come."""


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    with Yard(tmp_path_factory.mktemp("yard"), min_free_mb=0) as made:
        made.start()
        yield made


@pytest.fixture
def pipeline(yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """Nothing of it is in the default home, which is the yard."""
    monkeypatch.setenv("RUNYARD_HOME", yard.home.root)
    monkeypatch.chdir(tmp_path)
    return Pipeline.create("demo", "yard", directory=str(tmp_path / "50% run"))


def ended(pipeline: Pipeline) -> dict[str, JobState]:
    """Its jobs at its end."""
    run = runs.load(pipeline.directory)
    backend = Backend()
    while not (state := backend.state(run)).over:
        backend.wait(run, 60.0)
    return {job.name: job for job in state.jobs}


def ids(yard: Yard, pipeline: Pipeline) -> list[int]:
    """The ids of its jobs."""
    key = runs.load(pipeline.directory).facts["key"]
    (row,) = yard.service.groups(GroupQuery(PIPELINE, key=key))
    return [row.id for row in yard.service.jobs(JobQuery((f"group:{row.group.id}",)))]


@pytest.mark.parametrize("lost", ["question", "answer"])
def test_a_crash_neither_loses_nor_doubles_it(yard: Yard, tmp_path: Path, lost: str) -> None:
    directory = str(tmp_path / "run")
    before = len(yard.service.groups(GroupQuery(PIPELINE)))
    argv = [sys.executable, "-c", CRASHES, lost, directory, yard.home.root]
    assert subprocess.run(argv, check=False, cwd=tmp_path).returncode == -signal.SIGKILL
    run = runs.load(directory)
    again = Pipeline(run.spec, Backend(), directory)
    if lost == "answer":
        assert {job.status for job in ended(again).values()} == {PASSED}
    else:
        assert again.state().status == INIT
        assert again.run()["passed"] == 2
        assert runs.load(directory).facts["key"] == run.facts["key"], "it could still have arrived"
    assert len(yard.service.groups(GroupQuery(PIPELINE))) == before + 1
    assert again.run()["passed"] == 2
    assert len(yard.service.groups(GroupQuery(PIPELINE))) == before + 2, "it was known to have ended"


def test_a_retry_takes_along_what_was_skipped(yard: Yard, pipeline: Pipeline, tmp_path: Path) -> None:
    pipeline.submit(f"echo try; test -e {tmp_path}/now", name="first")
    pipeline.submit("true", name="second", depends="first")
    assert pipeline.run()["failed"] == 1
    (tmp_path / "now").touch()
    yard.service.retry(RetryCall((ids(yard, pipeline)[0],)))
    jobs = ended(pipeline)
    assert [job.status for job in jobs.values()] == [PASSED, PASSED]
    assert Path(jobs["first"].log).read_text() == "try\ntry\n"


def test_killed_before_it_began(yard: Yard, pipeline: Pipeline) -> None:
    pipeline.submit("touch never", name="held", hold=True)
    pipeline.submit("touch never", name="follows", depends="held")
    assert pipeline.run(block=False)["pending"] == 2
    with pytest.raises(Conflict, match="is running"):
        pipeline.run()
    pipeline.kill()
    jobs = ended(pipeline)
    assert (jobs["held"].status, jobs["held"].code) == (FAILED, None)
    assert jobs["held"].reason.startswith("cancelled")
    assert (jobs["follows"].status, jobs["follows"].reason) == (SKIPPED, "held did not pass")
    assert not Path("never").exists()


def test_lost(yard: Yard, pipeline: Pipeline, tmp_path: Path) -> None:
    """Nobody knows how a job has ended: what needs it waits until somebody decides, and nobody waits for that."""
    with closing(Gate(tmp_path / "gate")) as gate, closing(Bell(tmp_path / "bell")) as bell:
        pipeline.submit(f"echo $$ >{tmp_path}/bell; read x <{tmp_path}/gate", name="lost")
        pipeline.submit("true", name="follows", depends="lost")
        pipeline.run(block=False)
        processes.kill(yard.runner(int(bell.wait()[0])))
        jobs = ended(pipeline)
        assert (jobs["lost"].status, jobs["lost"].code, jobs["lost"].reason) == (FAILED, None, "lost: the runner died")
        assert (jobs["follows"].status, pipeline.state().status) == (PENDING, INTERRUPTED)
        yard.service.retry(RetryCall((ids(yard, pipeline)[0],)))
        bell.wait()
        assert pipeline.state().status == RUNNING
        gate.open()
        assert [job.status for job in ended(pipeline).values()] == [PASSED, PASSED]


def test_the_server_goes_meanwhile(yard: Yard, pipeline: Pipeline, tmp_path: Path) -> None:
    with closing(Gate(tmp_path / "gate")) as gate, closing(Bell(tmp_path / "bell")) as bell:
        pipeline.submit(f"echo 1 >{tmp_path}/bell; read x <{tmp_path}/gate", name="waits")
        pipeline.submit("true", name="follows", depends="waits")
        pipeline.run(block=False)
        bell.wait()
        yard.restart()
        assert pipeline.state().status == RUNNING
        gate.open()
        assert pipeline.wait()["passed"] == 2


def test_where_its_output_goes(yard: Yard, pipeline: Pipeline) -> None:
    pipeline.submit("echo in its directory", name="100% mine")
    pipeline.submit("echo elsewhere", name="named", output="file-%x")
    pipeline.submit("echo in the yard", name="silent", log=False)
    pipeline.run()
    mine, named, silent = pipeline.state().jobs
    assert (Path(mine.log).read_text(), Path(mine.log).parent.name) == ("in its directory\n", "logs")
    assert (Path("file-named").read_text(), named.log, silent.log) == ("elsewhere\n", "", "")
    assert yard.ry("logs", str(ids(yard, pipeline)[2])).out == "in the yard\n"


def test_options_of_sbatch(yard: Yard, pipeline: Pipeline) -> None:
    yard.service.save_queue(Queue("night"))
    pipeline = pipeline.change_backend("yard", partition="night", comment="for all", qos="high")
    pipeline.submit("true", name="all", time="10", priority=3, export="ALL,GIVEN=1", cpus=0, mem="1G", hold=True)
    pipeline.submit("true", name="other", comment="for one", array="1-3", cpus_per_task=1, env={"OWN": "1"}, hold=True)
    with pytest.warns(UserWarning) as told:
        pipeline.run(block=False)
    assert {str(one.message) for one in told} == {
        "pipeline demo: --qos=high is not done here",
        "pipeline demo: --array=1-3, --qos=high are not done here",
    }
    first, other = (yard.service.job(job_id).spec for job_id in ids(yard, pipeline))
    assert (first.queue, first.note, first.time_limit_s, first.priority) == ("night", "for all", 600.0, 3)
    assert (first.resources.cpus, first.resources.memory_mb, first.hold) == (0, 1024, True)
    assert (other.note, other.resources.cpus, other.name) == ("for one", 1, "other")
    assert "GIVEN" in yard.service.job(ids(yard, pipeline)[0]).environment
    assert "OWN" in yard.service.job(ids(yard, pipeline)[1]).environment
    pipeline.kill()


def test_values_are_only_in_blobs(yard: Yard, pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline = pipeline.change_backend("yard", env={"TOKEN": "s3cr3t-of-the-yard"})
    pipeline.submit('test "$TOKEN" = s3cr3t-of-the-yard', name="s3cr3t is a word")
    assert "s3cr3t-of" not in pipeline.commands(full=True).replace("= s3cr3t-of-the-yard", "")
    pipeline.print_commands(full=True, style="plain")
    assert '"name": "s3cr3t is a word"' in capsys.readouterr().out
    assert pipeline.run()["passed"] == 1
    with_it = [
        path
        for root in (Path(yard.home.root), Path(pipeline.directory))
        for path in root.rglob("*")
        if path.is_file() and b'"s3cr3t-of-the-yard"' in path.read_bytes()
    ]
    assert with_it
    assert all(path.stat().st_mode & 0o077 == 0 for path in with_it)


def test_in_lists(yard: Yard, pipeline: Pipeline, tmp_path: Path) -> None:
    pipeline.submit("true", name="a", hold=True)
    pipeline.submit("true", name="b", depends="a")
    pipeline.run(block=False)
    first, second = ids(yard, pipeline)
    line = next(line for line in yard.ry("ls").out.splitlines() if f"{first}-{second}" in line)
    assert line.split()[1:3] == ["pipeline:demo", "waiting"] and "0/2 .." in line
    assert [row["id"] for row in yard.ry_json("ls", "pipeline:demo")] == [first, second]
    assert "(pipeline demo)" in yard.ry("show", str(second)).out
    assert "It is of pipeline 'demo'." in yard.ry("why", str(second)).out
    assert yard.ry("sweep", "ls").out.count("demo") == 0
    assert yard.ry("stop", "pipeline:demo", "--yes").code == 0
    ended(pipeline)


def test_a_running_job_can_be_watched(yard: Yard, pipeline: Pipeline, tmp_path: Path) -> None:
    assert pipeline.backend.attach(runs.make(pipeline.directory, "yard", pipeline.whole, {"key": "k"})) == ()
    with closing(Gate(tmp_path / "gate")) as gate, closing(Bell(tmp_path / "bell")) as bell:
        pipeline.submit(f"echo hello; echo 1 >{tmp_path}/bell; read x <{tmp_path}/gate", name="waits")
        pipeline.submit("true", name="follows", depends="waits")
        pipeline.run(block=False)
        bell.wait()
        yard.running(ids(yard, pipeline)[0])
        argv = pipeline.backend.attach(runs.load(pipeline.directory), "waits")
        assert argv == pipeline.backend.attach(runs.load(pipeline.directory))
        assert pipeline.backend.attach(runs.load(pipeline.directory), "follows") == ()
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as watcher:
            assert watcher.stdout is not None and watcher.stdout.readline() == b"hello\n"
            gate.open()
        assert [job.status for job in ended(pipeline).values()] == [PASSED, PASSED]


def test_removed_from_the_yard(yard: Yard, pipeline: Pipeline) -> None:
    pipeline.submit("true", name="a")
    pipeline.submit("true", name="b")
    pipeline.run()
    first, _ = ids(yard, pipeline)
    assert yard.service.remove((first,)).changed == (first,)
    state = pipeline.state()
    assert state.status == DONE
    assert [(job.status, job.reason) for job in state.jobs] == [(FAILED, "it was removed from the yard"), (PASSED, "")]


def test_of_the_python_api(yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    link: Link = connect(yard.home.root)
    steps: list[dict[str, Any]] = [
        {"name": "a", "command": "true"},
        {"name": "b", "command": ["true"], "needs": ["a"], "cpus": 0},
    ]
    first, second = link.pipeline("direct", steps, key="the-key-of-direct")
    assert [job.id for job in link.pipeline("direct", steps, key="the-key-of-direct")] == [first.id, second.id]
    assert {row.state for row in link.wait([first, second])} == {Stage.DONE.value}
    wrongs: tuple[tuple[list[dict[str, Any]], str], ...] = (
        ([{"name": "a", "command": "true", "needs": ["c"]}], "job a: .*needs 'c'"),
        ([*steps, steps[0]], "job 3: a name that no other job has"),
        ([{"name": "a", "command": "true", "array": "0-3"}], "one job"),
        ([{"name": "a", "command": "true", "gpu": 1}], "job a: gpu"),
    )
    for wrong, message in wrongs:
        with pytest.raises(InvalidSpec, match=message):
            link.pipeline("direct", wrong)
    assert os.listdir(tmp_path) == []


def test_the_job_that_asks_for_too_much_is_named(pipeline: Pipeline) -> None:
    pipeline.submit("true", name="small")
    pipeline.submit("true", name="large", depends="small", cpus=4_000)
    with pytest.raises(InvalidSpec, match=r"^job 'large': cpus: 4000 CPUs are asked for, but the largest host has"):
        pipeline.run()
    assert pipeline.state().status == INIT

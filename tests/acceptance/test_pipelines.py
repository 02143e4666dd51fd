"""`ry pipeline`, as somebody types it who has nothing but bash: no server is started."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.typist import Typist
from tests.harness import processes
from tests.harness.commands import RY
from tests.harness.processes import PATIENCE_S
from tests.harness.tmux import tmux_server
from tests.harness.yard import Bell, Gate, Yard

FILE = """
name: digits
jobs:
  fetch: echo 1 2 3 > data
  train:
    needs: fetch
    matrix: {lr: [0.1, 0.01]}
    command: echo trained {lr} on $(cat data) > model-{lr}
  report:
    needs: train
    command: cat model-0.1 model-0.01
"""


@pytest.fixture
def ry(tmp_path: Path) -> Iterator[Typist]:
    """`ry` in a home of the test's own."""
    with Yard(tmp_path / "yard") as yard:
        yield Typist(yard, tmp_path)
        assert not yard.up, "pipelines that run here need no server"


def made(ry: Typist, name: str = "demo") -> None:
    """Three jobs, of which the second fails."""
    ry.ok("pipeline", "new", name)
    ry.ok("pipeline", "submit", name, "-J", "first", "--", "echo", "one")
    ry.ok("pipeline", "submit", name, "-J", "bad", "--needs", "first", "--", "false")
    ry.ok("pipeline", "submit", name, "-J", "last", "--needs", "first,bad", "--", "echo", "three")


def shown(ry: Typist, name: str = "demo") -> dict[str, dict[str, Any]]:
    return {job["name"]: job for job in ry.json("pipeline", "show", name)["jobs"]}


def test_put_together_shown_and_run(ry: Typist) -> None:
    assert ry.ok("pipeline", "new", "demo") == "pipeline demo is begun\n"
    assert ry.ok("pipeline", "submit", "demo", "--", "echo", "a  b", "$HOME") == "demo-job-0\n"
    assert ry.ok("pipeline", "submit", "demo", "-J", "two", "--needs", "demo-job-0", "cd / && pwd") == "two\n"
    told = ry.ok("pipeline", "show", "demo")
    assert "echo 'a  b' '$HOME'\n" in told and "cd / && pwd\n" in told
    printed = ry.ok("pipeline", "run", "demo")
    assert "a  b $HOME\n" in printed and "\n/\n" in printed and "2 passed, 0 failed, 0 skipped" in printed


def test_options_stand_anywhere_before_the_command(ry: Typist) -> None:
    ry.ok("pipeline", "new", "demo")
    ry.ok("pipeline", "submit", "-J", "a", "demo", "--cpus", "2", "--", "x", "--cpus", "3")
    ry.ok("pipeline", "submit", "--jobname", "b", "--depends", "a", "demo", "--command", "y && z")
    ry.ok(
        "pipeline", "add", "demo", "w", "--mem=1GB", "--no-log", "--tags", "slow,big", "--setup", "s",
        "--teardown", "t",
        "--preamble", "p1", "--header", "p2", "-e", "A=1", "-D", "sub", "-G1", "--sbatch", "partition=gpu",
        "--sbatch", "hold", "--name", "c",
    )  # fmt: skip
    jobs = shown(ry)
    assert (jobs["a"]["command"], jobs["a"]["cpus"]) == ("x --cpus 3", 2)
    assert (jobs["b"]["command"], jobs["b"]["needs"]) == ("y && z", ["a"])
    assert jobs["c"] == {
        "name": "c", "command": "w", "needs": [], "cwd": str(ry.directory / "sub"), "log": False,
        "tags": ["slow", "big"], "preamble": ["p1", "p2"], "setup": ["s"], "teardown": ["t"], "env": [["A", "1"]],
        "cpus": None, "memory_mb": 1024, "gpus": 1, "options": [["partition", "gpu"], ["hold", True]],
    }  # fmt: skip


def test_twenty_submits_at_a_time_lose_nothing(ry: Typist) -> None:
    ry.ok("pipeline", "new", "demo")
    many = [
        subprocess.Popen(
            [RY, "pipeline", "submit", "demo", "--", "echo", str(number)], env=ry.environ, stdout=subprocess.PIPE
        )
        for number in range(20)
    ]
    names = {process.communicate(timeout=PATIENCE_S)[0].decode().strip() for process in many}
    jobs = shown(ry)
    assert names == set(jobs) and len(jobs) == 20
    assert sorted(job["command"] for job in jobs.values()) == sorted(f"echo {number}" for number in range(20))


def test_what_is_refused(ry: Typist) -> None:
    made(ry)
    submit = ("pipeline", "submit", "demo")
    assert "there is a pipeline 'demo' already; --force" in ry.refused("pipeline", "new", "demo", code=1)
    assert "did you mean 'demo'" in ry.refused("pipeline", "submit", "dmeo", "--", "x")
    assert "did you mean 'first'" in ry.refused(*submit, "--needs", "frist", "--", "x")
    assert "there is a job 'bad' already" in ry.refused(*submit, "-J", "bad", "--", "x")
    assert "did you mean 'partition'" in ry.refused(*submit, "--sbatch", "parition=gpu", "--", "x")
    assert "a whole number was expected" in ry.refused(*submit, "--cpus", "many", "--", "x")
    assert "there is no command" in ry.refused(*submit)
    assert "either --command" in ry.refused(*submit, "--command", "x", "--", "y")
    assert "there is no backend 'tmx'" in ry.refused("pipeline", "run", "demo", "--backend", "tmx")
    assert "which pipeline?" in ry.refused("pipeline", "run")
    assert "either demo, or a command" in ry.refused("pipeline", "run", "demo", "--", "x")
    assert "did you mean 'demo'" in ry.refused("pipeline", "show", "deme")
    assert "has not been run" in ry.refused("pipeline", "status", "demo")
    assert "no pipeline has been run here" in ry.refused("pipeline", "monitor")
    assert len(shown(ry)) == 3
    ry.ok("pipeline", "new", "demo", "--force")
    assert shown(ry) == {}


def test_the_exit_code_tells_of_failures(ry: Typist) -> None:
    made(ry)
    ended = ry("pipeline", "run", "demo")
    assert ended.code == 1 and "1 passed, 1 failed, 1 skipped" in ended.out
    told = json.loads(ry("pipeline", "run", "demo", "--json").out)
    assert (told["ry_exit_code"], told["passed"], told["failed"], told["skipped"]) == (1, 1, 1, 1)
    assert ry("pipeline", "run", "--", "exit 0").code == 0
    lines = [line.split() for line in ry.ok("pipeline", "status", "demo").splitlines()[-3:]]
    assert [line[:3] for line in lines] == [["first", "passed", "0"], ["bad", "failed", "1"], ["last", "skipped", "-"]]


def test_what_jobs_have_printed(ry: Typist) -> None:
    made(ry)
    ry("pipeline", "run", "demo")
    assert ry.ok("pipeline", "logs", "demo") == '### "first"\none\n### "bad"\n'
    assert ry.ok("pipeline", "logs", "demo", "first") == "one\n"
    assert "of job last (skipped) no output is kept" in ry("pipeline", "logs", "demo", "last").err
    assert "there is no job 'frist' in 'demo'; did you mean 'first'?" in ry.refused("pipeline", "logs", "demo", "frist")


def test_the_session_of_what_failed_is_told(ry: Typist, monkeypatch: pytest.MonkeyPatch) -> None:
    made(ry)
    with tmux_server(monkeypatch) as server:
        ended = ry("pipeline", "run", "demo", "--backend", "tmux", TMUX_TMPDIR=server.directory)
        told = re.search("a job failed stays: (.* attach-session -t '=(.*)')$", ended.err.strip())
        assert told is not None and told[2] in server.sessions()
        assert told[1] in ry.ok("pipeline", "status", "demo", TMUX_TMPDIR=server.directory)
        again = ry("pipeline", "run", "demo", "--backend", "tmux", "--onfail", "kill", TMUX_TMPDIR=server.directory)
        assert (again.code, again.err) == (1, "")


def test_a_file(ry: Typist) -> None:
    (ry.directory / "digits.yaml").write_text(FILE)
    assert "trained 0.1 on 1 2 3\ntrained 0.01 on 1 2 3\n" in ry.ok("pipeline", "run", "digits.yaml")
    assert [row["name"] for row in ry.json("pipeline", "ls")] == ["digits"]
    names = ["fetch", "train[lr=0.1]", "train[lr=0.01]", "report"]
    assert list(shown(ry, "digits")) == names, "what was run is known by its name"
    written = ry.ok("pipeline", "show", "digits.yaml", "--yaml")
    (ry.directory / "again.yaml").write_text(written)
    assert shown(ry, "again.yaml") == shown(ry, "digits.yaml")
    assert ry.ok("pipeline", "show", "-", "--yaml", stdin=FILE) == written


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "jobs:\n  a:\n    comand: x\n",
            "bad.yaml: line 3: job 'a': comand: there is no option 'comand'; did you mean",
        ),
        ("jobs: {a: x, a: y}", "bad.yaml: line 1: 'a' is here twice"),
        ("a: &a [*a]", "bad.yaml: *a holds itself"),
        ("jobs: {a: !!python/object/apply:os.system [true]}", "bad.yaml: this is neither JSON nor YAML"),
    ],
)
def test_a_file_that_is_wrong(ry: Typist, text: str, told: str) -> None:
    (ry.directory / "bad.yaml").write_text(text)
    assert told in ry.refused("pipeline", "run", "bad.yaml")
    assert ry.json("pipeline", "ls") == []


@pytest.mark.parametrize(
    "name", ["../../x", "a/b", "$(reboot)", "two words", "..", "-", "ümläut", "x" * 200, "'", "a\\b"]
)
def test_a_name_is_never_a_path(ry: Typist, name: str) -> None:
    before = {path for path in ry.directory.rglob("*") if "yard" not in path.parts}
    ry.ok("pipeline", "new", "--", name) if name.startswith("-") else ry.ok("pipeline", "new", name)
    ry.ok("pipeline", "submit", name, "-J", name, "--", "echo", "fine")
    ry.ok("pipeline", "run", name)
    assert [row["name"] for row in ry.json("pipeline", "ls")] == [name]
    assert {path for path in ry.directory.rglob("*") if "yard" not in path.parts} == before
    assert len(os.listdir(ry.yard.home.drafts)) == len(os.listdir(ry.yard.home.pipelines)) == 1
    ry.ok("pipeline", "rm", name)
    assert os.listdir(ry.yard.home.drafts) == os.listdir(ry.yard.home.pipelines) == []


@pytest.mark.parametrize("name", ["", " ", "a\nb", "\x1b[31m", "x" * 300])
def test_what_is_no_name(ry: Typist, name: str) -> None:
    assert "name" in ry.refused("pipeline", "new", name)


def test_alike_names_are_different_pipelines(ry: Typist) -> None:
    for name in ("a b", "a-b", "a/b"):
        made(ry, name)
        ry("pipeline", "run", name)
    ry.ok("pipeline", "rm", "a-b")
    assert [row["name"] for row in ry.json("pipeline", "ls")] == ["a/b", "a b"]


def test_the_graph(ry: Typist) -> None:
    made(ry)
    graph = ry.ok("pipeline", "show", "demo", "--graph")
    assert ry.ok("pipeline", "show", "demo").endswith(f"echo three\n\n{graph}")
    assert [len(re.findall(rf"\b{name}\b", graph)) for name in ("first", "bad", "last")] == [1, 1, 1]
    assert ry.ok("pipeline", "show", "demo", "--graph", "--all-edges") != graph


def test_one_command_alone(ry: Typist) -> None:
    text = ry.ok("pipeline", "show", "--backend", "slurm", "--sbatch", "partition=gpu", "-c2", "--", "python", "a b.py")
    assert "partition" in text and "gpu" in text and "cpus-per-task" in text and "python 'a b.py'" in text
    script = ry.ok("pipeline", "show", "--full", "--", "echo x && false")
    ended = subprocess.run(["bash", "-c", script], cwd=ry.directory, capture_output=True, text=True, check=False)
    assert ended.returncode != 0 and "x\n" in ended.stdout


def test_another_yard_is_that_of_the_host(ry: Typist) -> None:
    ry.ok("pipeline", "new", "demo", "--backend", "tmux")
    for words, where in (
        (("pipeline", "show", "--json", "--", "x"), ("serial", "", "")),
        (("--host", "gpu1", "pipeline", "show", "--json", "--", "x"), ("yard", "gpu1", "")),
        (("--host", "gpu1", "--home", "there", "pipeline", "show", "--json", "--", "x"), ("yard", "gpu1", "there")),
        (("--host", "gpu1", "pipeline", "show", "demo", "--json"), ("tmux", "gpu1", "")),
    ):
        told = json.loads(ry.ok(*words))
        assert (told["backend"], told["host"], told["home"]) == where


def test_running_in_the_background(ry: Typist, gate: Callable[[str], Gate], bell: Bell) -> None:
    door = gate("door")
    ry.ok("pipeline", "new", "slow")
    ry.ok("pipeline", "submit", "slow", "echo > bell; read x < door")
    directory = ry.ok("pipeline", "run", "slow", "--detach").strip()
    bell.wait()
    assert [row["state"] for row in ry.json("pipeline", "ls", "slow")] == ["running"]
    assert ry.json("pipeline", "status")["jobs"][0]["status"] == "running"
    assert "this would remove 1 pipeline (slow), and end 1 run" in ry.refused("pipeline", "rm", "slow")
    with ry.begin("pipeline", "monitor", directory) as watcher:
        door.open()
        out, _ = watcher.communicate(timeout=PATIENCE_S)
    assert watcher.returncode == 0 and b"slow-job-0: passed" in out


def test_kill_and_rm_end_what_runs(ry: Typist, bell: Bell) -> None:
    ry.ok("pipeline", "new", "slow")
    ry.ok("pipeline", "submit", "slow", "echo $$ > bell; exec sleep 600")
    for words in (("kill", "slow"), ("rm", "slow", "--yes")):
        ry.ok("pipeline", "run", "slow", "--no-wait")
        pid = int(bell.wait()[0])
        ry.ok("pipeline", *words)
        assert not processes.alive(pid)
    assert ry.json("pipeline", "ls") == []
    made(ry)
    ry("pipeline", "run", "demo")
    assert ry.ok("pipeline", "kill", "demo") == "pipeline demo does not run\n"


def test_what_can_be_done_with_a_run_behind_us_has_its_name(ry: Typist, bell: Bell) -> None:
    ry.ok("pipeline", "new", "two words")
    ry.ok("pipeline", "submit", "two words", "echo > bell; sleep 600")
    with ry.terminal("pipeline", "run", "two words", "--detach") as terminal:
        terminal.until("pipeline two words runs; `ry pipeline monitor 'two words'` watches it")
        assert terminal.end() == 0
    bell.wait()
    ry.ok("pipeline", "kill", "two words")


def test_an_interrupt_ends_a_serial_run(ry: Typist, bell: Bell) -> None:
    ry.ok("pipeline", "new", "slow")
    ry.ok("pipeline", "submit", "slow", "echo > bell; sleep 600")
    ry.ok("pipeline", "submit", "slow", "--", "true")
    with ry.terminal("pipeline", "run", "slow") as terminal:
        bell.wait()
        terminal.send("\x03")
        terminal.until("pipeline slow is interrupted")
        assert terminal.end() == 128 + signal.SIGINT
    (row,) = ry.json("pipeline", "ls")
    assert (row["state"], row["running"], row["pending"]) == ("interrupted", 0, 1)


def test_an_interrupt_ends_it_behind_json_too(ry: Typist, bell: Bell) -> None:
    with ry.begin("pipeline", "run", "--json", "--", "echo $$ > bell; exec sleep 600") as command:
        pid = int(bell.wait()[0])
        command.send_signal(signal.SIGINT)
        assert command.wait(PATIENCE_S) == 128 + signal.SIGINT
    assert not processes.alive(pid)


def test_old_runs_are_collected(ry: Typist) -> None:
    made(ry)
    unknown = Path(ry.yard.home.pipelines) / "x-1"
    unknown.mkdir(parents=True)
    (unknown / "pipeline.json").write_text('{"backend": "later", "spec": {"name": "x"}, "facts": {}}')
    os.utime(unknown / "pipeline.json", (0, 0))
    directory = json.loads(ry("pipeline", "run", "demo", "--json").out)["directory"]
    ry("pipeline", "run", "demo")
    assert len(ry.json("pipeline", "ls", "demo", "--all")) == 2
    os.utime(Path(directory) / "pipeline.json", (0, 0))
    ry("pipeline", "run", "demo")
    assert len(ry.json("pipeline", "ls", "demo", "--all")) == 2 and not Path(directory).exists()
    assert [row["state"] for row in ry.json("pipeline", "ls", "x")] == ["unknown"]


def test_names_are_completed(ry: Typist) -> None:
    made(ry, "digits")
    offered = ry.tabbed("ry pipeline run di", 3, COMP_WORDS="ry pipeline run di").out
    assert "plain,digits" in offered
    assert "plain,tmux" in ry.tabbed("ry pipeline run digits --backend tm", 5).out


def test_a_list_says_which_is_not_there(ry: Typist) -> None:
    made(ry)
    assert "did you mean 'demo'" in ry.refused("pipeline", "ls", "deom")
    assert ry.ok("pipeline", "list").splitlines()[1].split() == ["demo", "-", "draft", "3", "-", "-", "-", "-"]
    assert "no pipelines; `ry pipeline new`" in ry.seen("pipeline", "ls", RUNYARD_HOME=str(ry.directory / "none"))


def test_removing_asks(ry: Typist) -> None:
    made(ry)
    made(ry, "other")
    assert "confirm with --yes" in ry.refused("pipeline", "rm", "--all")
    assert "name the pipelines" in ry.refused("pipeline", "rm")
    assert "there is no pipeline 'x'" in ry.refused("pipeline", "rm", "demo", "x")
    assert ry.ok("pipeline", "rm", "demo", "other", "--dry-run").count("would be removed") == 2
    with ry.terminal("pipeline", "cleanup", "--all") as terminal:
        terminal.until(r"remove 2 pipelines \(demo, other\)\? \[y/N\]")
        terminal.send("n\n")
        terminal.until("nothing was removed")
        assert terminal.end() == 1
    ry.ok("pipeline", "cleanup", "--all", "--yes")
    assert ry.json("pipeline", "ls") == []

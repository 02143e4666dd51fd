"""The yard around the jobs: its processes, `ry` alone, server verbs, doctor, completion."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runyard.foreign import process
from tests.acceptance.typist import Typist
from tests.harness import processes
from tests.harness.yard import Bell, Yard


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Typist]:
    """A yard of the test's own, that nobody has started yet."""
    yard = Yard(tmp_path / "own")
    (tmp_path / "here").mkdir()
    yield Typist(yard, tmp_path / "here")
    yard.end()


def test_process_names_and_their_home(ry: Typist, bell: Bell) -> None:
    job = ry.submit("echo > bell; exec sleep 600")
    bell.wait()
    pid = ry.yard.running(job)[0].pid
    assert pid is not None
    for name in ("ry-server", "ry-agent", "ry-zygote", "ry-runner"):
        found = ry.yard.named(name)
        assert found, f"no {name}"
        for each in found:
            assert process.environ_has(each, f"RUNYARD_HOME={ry.yard.home.root}")
    assert process.environ_has(pid, f"RUNYARD_HOME={ry.yard.home.root}")
    assert processes.name(processes.parent(pid)) == "ry-runner"


def test_the_first_verb_starts_it_and_holds_no_pipe(own: Typist) -> None:
    typed = subprocess.run(
        ["bash", "-c", 'id=$(ry submit -- true); echo "got $id"'],
        env=own.yard.environ, cwd=own.directory, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert typed.stdout == "got 1\n"
    own.done(1)


def test_a_home_behind_a_link_is_the_same_yard(own: Typist, tmp_path: Path) -> None:
    """As `~/.runyard -> /data/me`: whoever goes through the link meets the server that others have started."""
    link = tmp_path / "link"
    link.symlink_to(own.yard.home.root)
    job = own("submit", "--", "true", RUNYARD_HOME=str(link))
    assert (job.code, job.out) == (0, "1\n"), job
    own.done(1)
    server = own.yard.server
    assert own("server", "start", "--json", RUNYARD_HOME=f"{link}/../link").out == own.ok("server", "start", "--json")
    assert own.yard.server == server
    assert own("doctor", RUNYARD_HOME=str(link)).code == own("doctor").code == 0


def test_stop_and_start_again(own: Typist) -> None:
    job = own.submit("-c0", "read x < /dev/null; exec sleep 600")
    pid = own.yard.running(job)[0].pid
    assert own.ok("server", "stop") == "the server is stopped; jobs run on\n"
    assert own.ok("server", "stop") == "no server runs\n"
    assert own("server", "status").code == 69
    assert pid is not None and processes.alive(pid)
    assert own.json("server", "start")["started"] is True
    assert own.json("server", "start")["started"] is False
    row = own.row(job)
    assert (row.word, row.pid) == ("running", pid)
    assert "runs already" in own.ok("server", "start")


def test_a_server_that_a_job_starts_outlives_it(ry: Typist, own: Typist, tmp_path: Path) -> None:
    """It has a session and an environment of its own, and nothing of the job's."""
    home = own.yard.home.root
    job = ry.run("-e", "MARK=1", "--", "ry", "--home", home, "server", "start")
    assert job.outcome == "succeeded", ry.ok("logs", str(job.id))
    server = own.yard.server
    assert processes.alive(server) and os.getsid(server) == server
    for mark in ("MARK=1", f"RUNYARD_JOB_ID={job.id}"):
        assert not process.environ_has(server, mark)
    assert own.ok("run", "--", "echo", "served") == "served\n"


def test_what_a_status_tells(ry: Typist, bell: Bell) -> None:
    job = ry.submit("-J", "busy", "echo > bell; exec sleep 600")
    bell.wait()
    row = ry.yard.running(job)[0]
    told = ry.ok("server", "status")
    home = ry.yard.home
    for text in (f"pid {ry.yard.server}", f"pid {ry.yard.agent}", home.root, home.database, home.config, "draining:"):
        assert text in told
    line = next(line for line in told.splitlines() if line.split()[:1] == [f"{job}.1"])
    assert line.split()[1:4] == ["busy", "running", str(row.pid)]


def test_its_logs(ry: Typist) -> None:
    assert "serving" in ry.ok("server", "logs", "-n", "100000")
    assert "incarnation" in ry.ok("server", "logs", "--of", "agent", "-n", "100000")
    assert ry.ok("server", "logs", "-n", "1").count("\n") == 1


def test_alone_it_lists_my_jobs(ry: Typist) -> None:
    held, done = ry.submit("--hold", "-J", "mine", "--", "true"), ry.run("--", "true").id
    listed = {line.split()[0] for line in ry.ok().splitlines()[1:]}
    assert {str(held), str(done)} <= listed
    assert ry.ok().splitlines()[0].split()[:3] == ["ID", "NAME", "STATE"]


def test_a_list_in_a_pipe_is_plain_and_whole(ry: Typist) -> None:
    job = ry.submit("--hold", "-J", "n" * 200, "--", "true")
    lines = ry.ok("ls", str(job)).splitlines()
    assert "n" * 200 in lines[1] and "\x1b" not in lines[1]
    assert len(lines[1].replace("held by a user", "held")[:].split()) == len(lines[0].split())


def test_doctor(ry: Typist, tmp_path: Path) -> None:
    told = ry.ok("doctor")
    assert {line.split()[0] for line in told.splitlines()[1:]} >= {"home", "space", "server", "agent", "limits", "gpus"}
    none = tmp_path / "none"
    assert ry("doctor", RUNYARD_HOME=str(none)).code == 0
    assert not none.exists(), "it starts and changes nothing"
    none.mkdir(mode=0o755)
    none.chmod(0o755)
    ended = ry("doctor", "--json", RUNYARD_HOME=str(none))
    home = next(verdict for verdict in json.loads(ended.out) if verdict["check"] == "home")
    assert (ended.code, home["verdict"], home["advice"]) == (1, "fail", f"chmod 700 {none}")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(ry: Typist, shell: str) -> None:
    script = ry.ok("completion", shell)
    for name in ("ry", "runyard"):
        assert f"_{name.upper()}_COMPLETE={shell}_complete" in script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script.encode(), timeout=30, check=True)


def test_what_the_tab_key_offers(ry: Typist, tmp_path: Path) -> None:
    job = ry.submit("--hold", "-J", "tabbed", "--", "true")

    def offered(*words: str, **environ: str) -> list[str]:
        typed = " ".join(("ry", *words))
        told = ry.tabbed(typed, len(words), **environ)
        return told.out.split()

    assert "plain,submit" in offered("sub")
    assert "plain,tabbed" in offered("show", "tab")
    assert f"plain,{job}" in offered("show", str(job))
    assert "plain,default" in offered("submit", "-q", "def")
    offered("show", "x", RUNYARD_HOME=str(tmp_path / "none"))
    assert not (tmp_path / "none").exists(), "the Tab key starts no server"


def test_both_commands_and_their_version(ry: Typist) -> None:
    version = ry.ok("--version")
    assert version.startswith("runyard ")
    typed = subprocess.run(
        ["runyard", "--version"], env=ry.yard.environ, capture_output=True, text=True, timeout=30, check=True
    )
    assert typed.stdout == version


def test_two_servers_on_one_home(ry: Typist) -> None:
    ended = ry("server", "run")
    assert ended.code == 69 and "runs on" in ended.err + ended.out


def test_a_database_that_went_back_is_accepted_by_word(own: Typist) -> None:
    """What the documents tell to do: the server waits for the word, and goes on when it is given."""
    own.done(own.submit("--", "true"))
    own.ok("server", "stop")
    store = Path(own.yard.home.database).parent
    kept = {path.name: path.read_bytes() for path in store.iterdir() if path.name.startswith("yard.sqlite")}
    own.done(own.submit("--", "true"))
    own.ok("server", "stop")
    for path in list(store.glob("yard.sqlite*")):
        path.unlink()
    for name, data in kept.items():
        (store / name).write_bytes(data)
    own.ok("server", "start")
    assert any("--accept-older-store" in problem for problem in own.json("server", "status")["problems"])
    own.ok("server", "start", "--accept-older-store")
    assert own.json("server", "status")["problems"] == []
    own.done(own.submit("--", "true"))

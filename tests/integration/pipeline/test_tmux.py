"""What only pipelines in tmux have: sessions that go or stay, devices that are shared out, workers that can be lost."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from runyard.errors import Conflict, InvalidSpec
from runyard.pipeline import runs
from runyard.pipeline.backends import registry
from runyard.pipeline.backends import tmux as backend
from runyard.pipeline.pipeline import Pipeline
from runyard.pipeline.state import DONE, FAILED, INTERRUPTED, PASSED, PENDING, RUNNING, SKIPPED, JobState, PipelineState
from tests.acceptance.screen import screen
from tests.harness import processes, shellcheck
from tests.harness.tmux import TMUX, TmuxServer, tmux_server
from tests.harness.yard import Bell, Gate

pytestmark = pytest.mark.skipif(not TMUX, reason="takes tmux")

Making = Callable[..., Pipeline]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[TmuxServer]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/bin/bash")
    with tmux_server(monkeypatch) as made:
        yield made


@pytest.fixture
def make(server: TmuxServer, tmp_path: Path) -> Making:
    def made(directory: str = "run", **options: object) -> Pipeline:
        return Pipeline.create("demo", "tmux", directory=str(tmp_path / directory), **{"size": 2, **options})

    return made


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    with closing(Gate(tmp_path / "gate")) as made:
        yield made


@pytest.fixture
def bell(tmp_path: Path) -> Iterator[Bell]:
    with closing(Bell(tmp_path / "bell")) as made:
        yield made


@pytest.fixture
def quick_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "GRACE_S", 0.2)


def until_over(pipeline: Pipeline) -> PipelineState:
    run = runs.load(pipeline.directory)
    while not (state := registry.backend("tmux").state(run)).over:
        registry.backend("tmux").wait(run, 5.0)
    return state


def until_gone(server: TmuxServer, pids: list[int]) -> list[str]:
    """The sessions that are left when these have ended."""
    assert all(processes.ended(pid) for pid in pids)
    return server.sessions()


def jobs(pipeline: Pipeline) -> dict[str, JobState]:
    return {job.name: job for job in pipeline.state().jobs}


def visible(name: str, wait: Path, bell: Bell) -> str:
    """A command that tells of its devices, and then waits."""
    return f'echo "{name} ${{CUDA_VISIBLE_DEVICES-unset}}" >{bell.path}; read -r x <{wait}'


def test_devices_are_spread_over_all_workers(make: Making, gate: Gate, bell: Bell) -> None:
    pipeline = make(gpus=[0, 1, "3,4"])
    for name in "abc":
        pipeline.submit(visible(name, gate.path, bell), name=name)
    pipeline.run(block=False)
    assert sorted(bell.wait(2)) == ["a 0,3,4", "b 1"]
    gate.open(3)
    assert bell.wait()[0] in ("c 0,3,4", "c 1")
    until_over(pipeline)


def test_more_workers_than_devices_share_them(make: Making, gate: Gate, bell: Bell) -> None:
    pipeline = make(gpus=[5, 7], size=3)
    for name in "abc":
        pipeline.submit(visible(name, gate.path, bell), name=name)
    pipeline.run(block=False)
    assert sorted(line.split()[1] for line in bell.wait(3)) == ["5", "5", "7"]
    gate.open(3)
    until_over(pipeline)


def test_devices_of_its_own(make: Making, gate: Gate, bell: Bell, tmp_path: Path) -> None:
    """Who waits for devices is overtaken by those that take none alone."""
    with closing(Gate(tmp_path / "first")) as first:
        pipeline = make(gpus=[0, 1, 2], size=4)
        pipeline.submit(visible("two", first.path, bell), name="two", gpus=2)
        pipeline.submit(visible("all", gate.path, bell), name="all", gpus=3)
        pipeline.submit(visible("one", gate.path, bell), name="one", gpus=1)
        pipeline.submit(visible("shares", gate.path, bell), name="shares")
        pipeline.submit(visible("none", first.path, bell), name="none", gpus=0)
        pipeline.run(block=False)
        assert sorted(bell.wait(2)) == ["none ", "two 0,1"]
        assert [jobs(pipeline)[name].status for name in ("all", "one", "shares")] == [PENDING] * 3
        first.open(2)
        assert bell.wait() == ["all 0,1,2"]
        gate.open()
        assert sorted(bell.wait(2)) in (["one 0", "shares 1"], ["one 0", "shares 2"])
        gate.open(2)
        assert until_over(pipeline).good


def test_more_devices_than_there_are(make: Making) -> None:
    pipeline = make(gpus=[0, 1])
    pipeline.submit("true", name="greedy", gpus=3)
    with pytest.raises(InvalidSpec, match="'greedy' wants 3 devices"):
        pipeline.write()


def test_without_devices_nothing_is_said_of_them(make: Making, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "6")
    pipeline = make()
    pipeline.submit(f'echo "$CUDA_VISIBLE_DEVICES" >{tmp_path}/seen', gpus=1)
    assert pipeline.run()["passed"] == 1
    assert (tmp_path / "seen").read_text() == "6\n"


def test_sessions_of_good_work_go_and_those_of_bad_work_stay(make: Making, server: TmuxServer, gate: Gate) -> None:
    pipeline = make()
    pipeline.submit("echo what went wrong; exit 3", name="bad")
    pipeline.submit(f"read -r x <{gate.path}", name="good")
    pipeline.run(block=False)
    pids = [pid for session in server.sessions() for pid in server.pids(session)]
    gate.open()
    state = until_over(pipeline)
    bad = Path(runs.load(pipeline.directory).layout.session("bad")).read_text().strip()
    good = [pid for pid in pids if pid not in server.pids(bad)]
    assert (state.status, len(good), until_gone(server, good)) == (DONE, 2, [bad])
    attach = registry.backend("tmux").attach(runs.load(pipeline.directory), "bad")
    with screen(list(attach), server.environ, Path(pipeline.directory)) as shown:
        shown.until("what went wrong")
        shown.until("this shell stays")
        shown.enter("echo look: $((6 * 7)) $RUNYARD_PIPELINE")
        shown.until("^look: 42$")
    pipeline.kill()
    assert server.sessions() == []
    assert registry.backend("tmux").attach(runs.load(pipeline.directory)) == ()


@pytest.mark.parametrize(
    ("onfail", "onexit", "stay", "captured"),
    [("kill", "kill", 0, 0), ("keep", "keep", 2, 0), ("capture", "capture", 0, 2)],
)
def test_what_is_done_with_sessions(
    make: Making, server: TmuxServer, onfail: str, onexit: str, stay: int, captured: int
) -> None:
    pipeline = make()
    pipeline.submit("echo said by bad; exit 3", name="bad")
    pipeline.submit("echo said by good", name="good")
    server.tmux("new-session", "-d", "-s", "mine", "sleep", "1000")
    pipeline.run(block=False, onfail=onfail, onexit=onexit)
    shells = [pid for session in server.sessions() if session != "mine" for pid in server.pids(session)]
    until_over(pipeline)
    if stay:
        assert len(server.sessions()) >= 1 + stay
    else:
        assert until_gone(server, shells) == ["mine"]
    files = sorted(Path(pipeline.directory, "captured").iterdir())
    text = "".join(file.read_text() for file in files)
    assert (len(files), "said by bad" in text, "said by good" in text) == (captured, bool(captured), bool(captured))
    pipeline.kill()
    assert server.sessions() == ["mine"]


def test_jobs_that_are_over_before_all_workers_are_there(make: Making) -> None:
    pipeline = make(size=40)
    for _ in range(40):
        pipeline.submit("true", log=False)
    assert pipeline.run()["passed"] == 40


def test_a_word_that_is_no_fate(make: Making) -> None:
    pipeline = make()
    with pytest.raises(InvalidSpec, match="onfail: 'burn' is none of keep, kill, capture"):
        pipeline.run(onfail="burn")


def test_other_sessions_are_never_touched(make: Making, server: TmuxServer, gate: Gate, bell: Bell) -> None:
    """Not those of our names, nor those of another pipeline that is called the same."""
    server.tmux("new-session", "-d", "-s", "demo", "sleep", "1000")
    other = make("other")
    other.submit(f"echo x >{bell.path}; read -r x <{gate.path}")
    other.run(block=False)
    bell.wait()
    theirs = server.sessions()
    pipeline = make()
    pipeline.submit("false", name="bad")
    for _ in range(2):
        pipeline.run()
        assert len(server.sessions()) == len(theirs) + 1
    pipeline.kill()
    assert server.sessions() == theirs
    gate.open()
    assert until_over(other).good


def test_a_worker_that_is_killed(make: Making, server: TmuxServer, gate: Gate, bell: Bell) -> None:
    pipeline = make()
    pipeline.submit(f"echo $PPID >{bell.path}; read -r x <{gate.path}", name="lost")
    pipeline.submit("true", name="after lost", depends="lost")
    pipeline.submit("true", name="one")
    pipeline.submit("true", name="two", depends="one")
    pipeline.run(block=False)
    processes.kill(int(bell.wait()[0]))
    state = until_over(pipeline)
    assert [job.status for job in state.jobs] == [FAILED, SKIPPED, PASSED, PASSED]
    assert (state.status, state.jobs[0].code, state.jobs[0].reason) == (DONE, None, "who ran it has gone")


def test_a_session_that_is_killed(make: Making, server: TmuxServer, gate: Gate, bell: Bell) -> None:
    pipeline = make()
    pipeline.submit(f"echo x >{bell.path}; read -r x <{gate.path}", name="lost")
    pipeline.submit("true", name="one")
    pipeline.submit("true", name="two", depends="one")
    pipeline.run(block=False)
    bell.wait()
    session = Path(runs.load(pipeline.directory).layout.session("lost")).read_text().strip()
    server.tmux("kill-session", "-t", f"={session}")
    state = until_over(pipeline)
    assert [(job.status, job.code) for job in state.jobs] == [(FAILED, None), (PASSED, 0), (PASSED, 0)]


def test_what_is_typed_into_a_session_is_for_its_job(make: Making, server: TmuxServer, bell: Bell) -> None:
    pipeline = make(size=1)
    pipeline.submit(f"read -r line; echo you said $line; echo x >{bell.path}; exec sleep 1000", name="first")
    pipeline.submit(f"echo x >{bell.path}", name="next")
    pipeline.run(block=False)
    [session] = [name for name in server.sessions() if name.endswith("-0")]
    server.tmux("send-keys", "-t", f"={session}:", "something", "Enter")
    bell.wait()
    server.tmux("send-keys", "-t", f"={session}:", "C-c")
    bell.wait()
    state = until_over(pipeline)
    assert [(job.status, job.code) for job in state.jobs] == [(FAILED, 130), (PASSED, 0)]
    assert "you said something\n" in Path(state.jobs[0].log).read_text()


def test_all_workers_are_killed(make: Making, server: TmuxServer, gate: Gate, bell: Bell) -> None:
    pipeline = make(size=1)
    pipeline.submit(f"echo $PPID >{bell.path}; read -r x <{gate.path}", name="lost")
    pipeline.submit("true", name="next")
    pipeline.run(block=False)
    processes.kill(int(bell.wait()[0]))
    state = until_over(pipeline)
    assert (state.status, [job.status for job in state.jobs]) == (INTERRUPTED, [FAILED, PENDING])


def test_the_coordinator_is_killed(make: Making, server: TmuxServer, gate: Gate, bell: Bell) -> None:
    """Its workers end after the job that they run."""
    pipeline = make()
    pipeline.submit(f"echo $PPID >{bell.path}; read -r x <{gate.path}", name="runs")
    pipeline.submit("true", name="next", depends="runs")
    pipeline.run(block=False)
    worker = int(bell.wait()[0])
    coordinator = int(os.readlink(max(Path(pipeline.directory, "claims").iterdir())).split()[0])
    processes.kill(coordinator)
    assert pipeline.state().status == INTERRUPTED
    gate.open()
    assert processes.ended(worker)
    assert [job.status for job in pipeline.state().jobs] == [PASSED, PENDING]
    assert pipeline.run(block=False)["status"] == RUNNING
    gate.open()
    assert until_over(pipeline).good


def test_kill_ends_all_that_a_job_has_started(
    make: Making, server: TmuxServer, bell: Bell, quick_end: None, tmp_path: Path
) -> None:
    deaf = f"trap '' TERM HUP INT; echo $$ >{bell.path}; while :; do sleep 1000; done"
    pipeline = make()
    pipeline.submit(f"(setsid bash -c {shlex.quote(deaf)} &) ; {deaf}", name="deaf")
    pipeline.submit("true", name="next", depends="deaf")
    pipeline.run(block=False)
    pids = [int(line) for line in bell.wait(2)]
    pipeline.kill()
    assert not any(processes.alive(pid) for pid in pids)
    assert server.sessions() == []
    state = pipeline.state()
    assert state.status == INTERRUPTED
    assert [(job.status, job.code) for job in state.jobs] == [(FAILED, 137), (PENDING, None)]


def test_run_again_ends_what_was_left(make: Making, server: TmuxServer) -> None:
    pipeline = make(size=1)
    pipeline.submit("exit 3", name="bad")
    pipeline.run()
    before = server.sessions()
    pipeline.run()
    assert len(before) == len(server.sessions()) == 1
    assert before != server.sessions()
    Path(pipeline.directory, "jobs", "001-bad.sh").write_text("exit 0")
    script = runs.load(pipeline.directory).layout.script()
    subprocess.run(["bash", script], check=True, capture_output=True)  # by hand
    assert until_over(pipeline).good
    assert not set(before) & set(server.sessions())


def test_what_a_job_leaves_behind_holds_up_nobody(make: Making, bell: Bell, gate: Gate) -> None:
    pipeline = make(size=1)
    pipeline.submit(f"echo first; (read -r x <{gate.path}; echo late; echo x >{bell.path}) &", name="leaves")
    pipeline.submit("echo second", name="next", depends="leaves")
    pipeline.submit(f"read -r x <{gate.path}", name="waits", depends="next")
    pipeline.run(block=False)
    gate.open(2)
    bell.wait()
    assert until_over(pipeline).good
    found = jobs(pipeline)
    assert Path(found["leaves"].log).read_text() == "first\nlate\n"
    assert Path(found["next"].log).read_text() == "second\n"


def test_the_environment_is_that_of_who_runs_it(
    make: Making, server: TmuxServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    subprocess.run(
        [TMUX, "new-session", "-d", "sleep", "1000"], env={**server.environ, "OF_TMUX": "x", "here": "x"}, check=True
    )
    place = tmp_path / "a $(touch owned) place"
    place.mkdir()
    monkeypatch.chdir(place)
    odd = "two\nlines 'and' \"quotes\" $(touch owned) \\"
    environ = {**os.environ, "ODD": odd, "key": "mine", "code": "7", "BASH_FUNC_greet%%": "() { echo hello; }"}
    pipeline = make()
    pipeline.submit(
        f'printf %s "$ODD" >{tmp_path}/odd; echo "${{OF_TMUX-unset}} $key $code ${{here-unset}}"; greet', name="a"
    )
    pipeline.submit('pwd; umask; echo "$TERM"; [[ -t 0 ]] && echo terminal', name="b")
    before = os.umask(0o027)
    try:
        assert pipeline.run(environ=environ)["passed"] == 2
    finally:
        os.umask(before)
    found = jobs(pipeline)
    assert (tmp_path / "odd").read_text() == odd
    assert Path(found["a"].log).read_text() == "unset mine 7 unset\nhello\n"
    assert Path(found["b"].log).read_text().splitlines()[:2] == [str(place), "0027"]
    assert Path(found["b"].log).read_text().endswith("terminal\n")
    assert Path(pipeline.directory, "environment.env").stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.rglob("owned"))


def test_its_scripts_need_nothing_of_ours(make: Making, server: TmuxServer, tmp_path: Path) -> None:
    """Started by hand, inside tmux, and by somebody who starts it twice."""
    pipeline = make()
    pipeline.submit(f"read -r x <{tmp_path}/gate", name="a")
    with closing(Gate(tmp_path / "gate")) as gate, closing(Bell(tmp_path / "bell")) as bell:
        script = pipeline.write()
        inside = f"bash {script}; echo $? >{bell.path}; bash {script} onfail=kill; echo $? >{bell.path}; sleep 1000"
        server.tmux("new-session", "-d", "-s", "mine", inside)
        assert bell.wait(2) == ["0", "75"]
        with pytest.raises(Conflict, match="running"):
            pipeline.run()
        gate.open()
        assert until_over(pipeline).good
    wrong = subprocess.run(["bash", script, "onfail=burn"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stderr[:6]) == (64, "usage:")


def test_shellcheck_is_silent(make: Making, tmp_path: Path) -> None:
    pipeline = make(gpus=[0, "a,b"], env={"SECRET": "it's", "OPEN": "$x"}, public=["OPEN"], preamble="true")
    pipeline.submit("echo hello", name="first", setup="true", teardown="echo 'done'")
    pipeline.submit("true", name="it's $x", depends="first", cwd="/tmp", env={"A": "`b`"}, log=False, gpus=2)
    pipeline.write()
    shellcheck.check(sorted(Path(pipeline.directory).rglob("*.sh")))


def test_where_to_look(
    make: Making, server: TmuxServer, gate: Gate, bell: Bell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From outside, from another server, and from within the same one."""
    pipeline = make()
    pipeline.submit(f"echo x >{bell.path}; read -r x <{gate.path}", name="runs")
    pipeline.run(block=False)
    bell.wait()
    run = runs.load(pipeline.directory)
    session = Path(run.layout.session("runs")).read_text().strip()
    socket = server.tmux("display-message", "-p", "#{socket_path}").strip()
    attach = registry.backend("tmux").attach
    assert attach(run) == attach(run, "runs") == ("tmux", "-S", socket, "attach-session", "-t", f"={session}")
    monkeypatch.setenv("TMUX", f"{socket},1,2")
    assert attach(run) == ("tmux", "-S", socket, "switch-client", "-t", f"={session}")
    monkeypatch.setenv("TMUX", "/elsewhere,1,2")
    assert attach(run)[:3] == ("env", "-u", "TMUX")
    monkeypatch.delenv("TMUX_TMPDIR")  # the run knows its server
    pipeline.kill()
    assert not pipeline.state().counts[RUNNING]

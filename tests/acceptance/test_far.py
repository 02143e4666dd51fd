"""`ry --host`: the yard of another machine, behind a real sshd, also while the way there is cut."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from runyard.wiring.connect import server_pid
from tests.acceptance.laptop import Laptop, profile
from tests.acceptance.screen import TMUX, screen
from tests.acceptance.typist import read_until
from tests.harness import processes
from tests.harness.commands import RY
from tests.harness.sshd import SSHD, Sshd
from tests.harness.yard import Gate, Yard

pytestmark = pytest.mark.skipif(not SSHD, reason="takes sshd (package openssh-server)")

NO_SSH = "/usr/bin/nowhere"


@pytest.fixture(scope="module")
def machine(everybodys: Yard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """The machine whose yard is that of all tests."""
    started = Sshd(tmp_path_factory.mktemp("sshd"), profile(everybodys))
    yield started
    started.end()


@pytest.fixture
def laptop(yard: Yard, machine: Sshd, tmp_path: Path) -> Iterator[Laptop]:
    made = Laptop(yard, machine, tmp_path)
    yield made
    made.end()


def test_a_job_runs_there_with_the_environment_of_a_login_there(laptop: Laptop, machine: Sshd) -> None:
    ended = laptop.far("run", "-e", "GIVEN=1", "--", "sh", "-c", "echo $FROM_LOGIN $ONLY_HERE $GIVEN; pwd")
    assert (ended.code, ended.out) == (0, f"yes 1\n{machine.home}\n")
    assert ended.err.startswith("ry: on gpu1\n")
    names = json.loads(laptop.far_ok("show", "@", "--json"))["environment"]
    assert "FROM_LOGIN" in names and not [name for name in names if name.startswith("SSH_")]
    assert "RUNYARD_HOST" not in names


def test_files_that_are_named_come_from_here(laptop: Laptop) -> None:
    (laptop.directory / "vars").write_text("FROM_FILE=file\nONLY_HERE\n")
    script = laptop.directory / "train.sh"
    script.write_text("#!/bin/sh\necho copy $1 $FROM_FILE $ONLY_HERE\n")
    assert laptop.far_ok("run", "--env-file", "vars", "train.sh", "one") == "copy one file yes\n"
    jobs = laptop.directory / "jobs.json"
    jobs.write_text(json.dumps([{"command": "true", "name": "listed"}]))
    assert laptop.far_ok("submit", "--file", "jobs.json").strip().isdecimal()


def test_a_python_script_comes_alone(laptop: Laptop) -> None:
    (laptop.directory / "train.py").write_text("import os\nprint(os.environ.get('PYTHONPATH'))\n")
    ended = laptop.far("run", "train.py")
    assert ended.out == "None\n" and "only a copy of it is sent; what it imports has to be on gpu1" in ended.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("-D", "{here}", "--", "true"), "workdir: there is no directory {here} on gpu1"),
        (("-i", "{here}/data", "--", "true"), "input: there is no file {here}/data on gpu1"),
        (("-o", "{here}/out/%j", "--", "true"), "output: there is no directory {here}/out on gpu1 for the output"),
        (("--venv", "{here}/venv", "--", "true"), "venv: {here}/venv is no virtual environment on gpu1"),
        (("--", "{here}/train"), "command: there is no file {here}/train on gpu1"),
    ],
)
def test_a_path_that_is_only_here_is_refused(laptop: Laptop, machine: Sshd, words: tuple[str, ...], told: str) -> None:
    """(Both machines have one file system in this test: what is not there is in neither.)"""
    here = str(machine.root / "laptop only")
    ended = laptop.far("submit", *(word.format(here=here) for word in words))
    assert (ended.code, ended.out) == (2, "") and told.format(here=here) in ended.err


def test_paths_there_are_as_the_account_has_them(laptop: Laptop, machine: Sshd) -> None:
    (machine.home / "project").mkdir(exist_ok=True)
    assert laptop.far_ok("run", "-D", "project", "--", "pwd") == f"{machine.home}/project\n"
    assert laptop.far_ok("run", "-D", "~/project", "--", "pwd") == f"{machine.home}/project\n"
    ended = laptop.far("run", "--", "no-such-program")
    assert "there is no program 'no-such-program' on the job's PATH on gpu1" in ended.err


def test_a_pipeline_is_queued_there(laptop: Laptop, machine: Sshd) -> None:
    text = "{name: there, qos: high, jobs: {a: 'echo $FROM_LOGIN $ONLY_HERE; pwd', b: {needs: a, command: exit 7}}}"
    (laptop.directory / "there.yaml").write_text(text)
    ended = laptop.far("pipeline", "run", "there.yaml")
    assert (ended.code, ended.out.splitlines()[-1]) == (1, "there: done, 1 passed, 1 failed, 0 skipped")
    assert "ry: pipeline there: --qos=high is not done here\n" in ended.err
    first, second = json.loads(laptop.far_ok("ls", "pipeline:there", "--json"))
    assert (first["word"], second["word"], second["exit_code"]) == ("succeeded", "failed", 7)
    assert laptop.far_ok("logs", str(first["id"])) == f"yes\n{machine.home}\n"
    told = laptop.json("pipeline", "status", "there")
    assert [(job["status"], job["log"]) for job in told["jobs"]] == [("passed", ""), ("failed", "")]


def test_a_run_that_was_done_there(laptop: Laptop, machine: Sshd) -> None:
    (machine.home / "old.log").write_text("of old\n")
    ended = laptop.far("import-run", "--log", "~/old.log", "--", "train")
    assert laptop.far_ok("logs", ended.out.strip()) == "of old\n"
    assert json.loads(laptop.far_ok("show", ended.out.strip(), "--json"))["spec"]["workdir"] == str(machine.home)
    assert "there is no file /none on gpu1" in laptop.far("import-run", "--log", "/none", "--", "train").err


def test_what_changes_says_where(laptop: Laptop) -> None:
    job = laptop.far_ok("submit", "--hold", "--", "true").strip()
    for words in (("ls",), ("edit", job, "--set", "time=1h", "--dry-run"), ("export", job, "-o", "-")):
        ended = laptop.far(*words)
        assert (ended.code, ended.err) == (0, ""), words
    assert laptop.far("release", job).err == "ry: on gpu1\n"
    assert laptop.far("stop", job, "--json").err == ""


def test_the_second_command_starts_no_ssh(laptop: Laptop) -> None:
    laptop.far_ok("ls")
    path = ":".join(place for place in laptop.environ["PATH"].split(":") if "sshd" not in place)
    for words in (("submit", "--", "true"), ("hooks", "--json")):
        assert laptop.far(*words, PATH=path.replace("/usr/bin", NO_SSH)).code == 0
    held = Path(laptop.home.far)
    assert stat.S_IMODE(held.stat().st_mode) == 0o700
    (place,) = held.iterdir()
    modes = {path.name: stat.S_IMODE(path.lstat().st_mode) for path in place.iterdir()}
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert set(modes.values()) == {0o600} and set(modes) == {"m", "s", "err", "lock", "landing.json"}


def test_another_machine_is_remembered(laptop: Laptop) -> None:
    assert laptop.ok("use") == "local: the yard of this machine is used\n"
    assert laptop.ok("use", "gpu1").startswith("gpu1 is used from now on (runyard ")
    assert laptop.json("use") == {"host": "gpu1"}
    assert laptop.ok("run", "--", "sh", "-c", "echo $FROM_LOGIN") == "yes\n"
    assert stat.S_IMODE(Path(laptop.home.remembered).stat().st_mode) == 0o600
    inside = laptop("run", "--", "sh", "-c", "echo $ONLY_HERE", RUNYARD_JOB_ID="7")
    assert inside.out == "yes\n", "a job belongs to the yard that runs it"
    assert laptop.json("use", RUNYARD_HOST="local") == {"host": "local"}
    assert len(laptop.masters()) == 1
    assert laptop.ok("use", "local") == "local: the yard of this machine is used\n"
    assert laptop.masters() == [], "the connection has ended with it"
    assert laptop.json("use") == {"host": "local"} and not os.path.exists(laptop.home.remembered)


def test_a_machine_that_cannot_be_reached_is_not_remembered(laptop: Laptop) -> None:
    assert "Could not resolve hostname" in laptop.refused("use", "no.such.host.invalid", code=69)
    assert laptop.json("use") == {"host": "local"}


def test_a_machine_of_the_configuration_can_be_overruled(laptop: Laptop) -> None:
    Path(laptop.home.root).mkdir()
    Path(laptop.home.config).write_text('host = "gpu1"\n')
    assert laptop.json("use") == {"host": "gpu1"}
    assert laptop.ok("use", "local") == "local: the yard of this machine is used\n"
    assert laptop.json("use") == {"host": "local"}


def test_what_is_about_the_machine_runs_there(laptop: Laptop, yard: Yard) -> None:
    assert str(yard.home.root) in laptop.far_ok("server", "status")
    ended = laptop.far("doctor", "--json")
    assert {check["check"] for check in json.loads(ended.out)} >= {"home", "server"}
    assert laptop.far("server", "nosuch").code == 2
    assert laptop.far_ok("server", "--help").startswith("Usage: ry server")


def test_what_ssh_says_is_shown(laptop: Laptop) -> None:
    ended = laptop("--host", "gpu1", "--ssh-user", "no-such-user", "ls")
    assert ended.code == 69 and "no-such-user@127.0.0.1: Permission denied (publickey)." in ended.err


def test_the_network_is_tried_again(laptop: Laptop) -> None:
    ended = laptop("--host", "nobody", "--ssh-retries", "3", "--ssh-retry-delay", "0.01", "ls")
    assert ended.code == 69
    assert [line for line in ended.err.splitlines() if "trying again" in line] == [
        f"ry: nobody: ssh: connect to host 127.0.0.1 port 9: Connection refused; trying again ({number} of 3)"
        for number in (2, 3)
    ]
    assert ended.err.splitlines()[-1].endswith("Connection refused")


@pytest.mark.parametrize("host", ["-oProxyCommand=touch owned", "a\nb", " ", "gpu1\x1b[2J"])
def test_a_host_is_never_an_option(laptop: Laptop, host: str) -> None:
    assert laptop("--host", host, "ls").code == 2
    assert laptop("use", "--", host).code == 2
    assert not (laptop.directory / "owned").exists()


def test_no_ry_over_there(laptop: Laptop) -> None:
    told = laptop.refused("--host", "gpu1", "--ssh-command", "/opt/none/ry", "ls", code=69)
    assert "a login shell there does not find '/opt/none/ry'" in told and "--ssh-command /path/to/ry" in told


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ('{"protocol": 99, "version": "9.9"}', "gpu1 has runyard 9.9, which speaks another protocol (99) than this"),
        ("ry: No such command 'door'", "said nothing that we understand"),
        ('{"error": {"kind": "Unavailable", "message": "no space"}}', "gpu1: no space"),
    ],
)
def test_another_version_over_there(laptop: Laptop, machine: Sshd, says: str, told: str) -> None:
    other = machine.home / "other"
    other.write_text(f"#!/bin/sh\necho '{says}'\nexit 2\n")
    other.chmod(0o755)
    ended = laptop("--host", "gpu1", "--ssh-command", "~/other", "ls")
    assert ended.code in (69, 70) and told in ended.err


def test_what_is_said_over_there_has_an_end(laptop: Laptop, machine: Sshd) -> None:
    other = machine.home / "endless"
    other.write_text("#!/bin/sh\nhead -c 3000000 /dev/zero | tr '\\0' x\n")
    other.chmod(0o755)
    told = laptop.refused("--host", "gpu1", "--ssh-command", "~/endless", "ls", code=1)
    assert "what is printed at a login there has no end" in told


def test_a_login_shell_that_talks(laptop: Laptop, machine: Sshd) -> None:
    profile = machine.home / ".profile"
    quiet = profile.read_text()
    profile.write_text(quiet + '\necho "Welcome {to} the machine"; echo "{"; echo oops >&2\n')
    try:
        assert laptop.far_ok("run", "--", "echo", "hello") == "hello\n"
    finally:
        profile.write_text(quiet)


def test_through_another_machine(laptop: Laptop) -> None:
    """ssh's own ProxyJump, out of the user's configuration."""
    assert laptop.ok("--host", "behind", "run", "--", "sh", "-c", "echo $FROM_LOGIN") == "yes\n"


def test_a_home_with_a_long_path(laptop: Laptop, tmp_path: Path) -> None:
    """Its socket's path is too long for sshd."""
    home = tmp_path / ("long" * 15) / ("path" * 15)
    try:
        assert laptop.ok("--host", "gpu1", "--home", str(home), "run", "--", "echo", "far") == "far\n"
    finally:
        processes.end_all(str(home))


def test_the_settings_of_the_yard_there(laptop: Laptop, yard: Yard) -> None:
    """Its defaults for jobs and its public variables count; those of this machine do not."""
    Path(laptop.home.root).mkdir()
    Path(laptop.home.config).write_text("[defaults]\npriority = 9\n")
    there = Path(yard.home.config)
    there.write_text('public_prefixes = ["FROM_"]\n\n[defaults]\npriority = 5\n')
    try:
        job = laptop.far_ok("submit", "--hold", "--", "true").strip()
    finally:
        there.unlink()
    spec = json.loads(laptop.far_ok("show", job, "--json"))["spec"]
    assert spec["priority"] == 5
    assert ["FROM_LOGIN", "yes"] in spec["public"]


@pytest.mark.skipif(not TMUX, reason="takes tmux")
def test_jobs_are_edited_in_the_editor_here(laptop: Laptop) -> None:
    job = laptop.far_ok("submit", "--hold", "--", "true").strip()
    editor = laptop.directory / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/^priority = .*/priority = 7/' \"$1\"\n")
    editor.chmod(0o755)
    with screen([RY, "--host", "gpu1", "edit", job], {**laptop.environ, "EDITOR": str(editor)}, laptop.directory) as it:
        assert it.end() == 0, it.seen
    assert laptop.row(int(job)).priority == 7


@pytest.mark.skipif(not TMUX, reason="takes tmux")
def test_a_terminal_there(laptop: Laptop) -> None:
    job = laptop.far_ok("submit", "--tty", "--", "sh").strip()
    laptop.yard.running(int(job))
    with screen([RY, "--host", "gpu1", "attach", job], laptop.environ, laptop.directory) as it:
        it.until("attached")
        it.enter("echo it is $FROM_LOGIN there")
        it.until("^it is yes there")
        it.enter("exit")
        assert it.end() == 0, it.seen


def test_the_tab_key_knows_what_is_there(laptop: Laptop) -> None:
    """As long as there is a connection: the Tab key makes none."""
    assert laptop.tabbed("ry --host gpu1 release ", 4).out.count("plain,") > 0
    assert not laptop.masters()
    job = laptop.far_ok("submit", "--hold", "-J", "patient", "--", "true").strip()
    offered = laptop.tabbed("ry --host gpu1 release ", 4).out
    assert f"plain,{job}\n" in offered and "plain,patient\n" in offered


def test_from_python(laptop: Laptop, machine: Sshd) -> None:
    program = """
import runyard
yard = runyard.connect(host="gpu1")
job = yard.submit(["sh", "-c", "echo $FROM_LOGIN $ONLY_HERE"])
print(job.wait(timeout_s=60).outcome, job.logs().decode().split())
(cell,) = yard.sweep("there", {"i": [1]}, ["sh", "-c", "pwd"])
print(cell.wait(timeout_s=60).outcome, cell.logs().decode(), end="")
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], env=laptop.environ, cwd=laptop.directory, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    told = f"succeeded ['yes']\nsucceeded {machine.home}\n"
    assert (ended.returncode, ended.stdout) == (0, told), ended.stderr


def master(laptop: Laptop) -> int:
    (pid,) = laptop.masters()
    return pid


def kill_master(laptop: Laptop) -> None:
    processes.kill(master(laptop))


def cut_sessions(laptop: Laptop) -> None:
    pid = master(laptop)
    laptop.machine.cut()
    assert processes.ended(pid)


def stop_master(laptop: Laptop) -> None:
    processes.send(master(laptop), signal.SIGSTOP)


CUTS = [kill_master, cut_sessions, stop_master]


@pytest.mark.parametrize("cut", CUTS)
def test_a_connection_that_was_cut_is_made_again(laptop: Laptop, cut: Callable[[Laptop], None]) -> None:
    """Also where it was a change that found it so."""
    job = laptop.far_ok("submit", "--hold", "--", "true").strip()
    before = master(laptop)
    cut(laptop)
    assert laptop.far_ok("release", job) == f"job {job} released\n"
    assert master(laptop) != before and not processes.alive(before)


@pytest.mark.parametrize("cut", CUTS)
def test_an_output_is_followed_through_a_cut(
    laptop: Laptop, gate: Callable[[str], Gate], cut: Callable[[Laptop], None]
) -> None:
    wait = gate("wait")
    job = laptop.far_ok("submit", "--", "sh", "-c", f"echo one; read x < {wait.path}; echo two; exit 3").strip()
    with laptop.begin("--host", "gpu1", "logs", "-f", job) as following:
        assert read_until(following, b"one\n") == b"one\n"
        cut(laptop)
        wait.open()
        assert read_until(following, b"two\n") == b"two\n"
        assert following.wait(processes.PATIENCE_S) == 0


def test_a_server_that_was_stopped_is_started_again(laptop: Laptop, yard: Yard) -> None:
    """The forwarded socket still takes connections; nobody answers at its other end."""
    job = laptop.far_ok("submit", "--hold", "--", "true").strip()
    assert laptop.far("server", "stop").code == 0
    assert server_pid(yard.home) is None
    yard._service = None
    assert laptop.far_ok("release", job) == f"job {job} released\n"


def test_a_machine_that_is_away_and_comes_back(laptop: Laptop) -> None:
    laptop.far_ok("ls")
    with laptop.machine.away():
        ended = laptop.far("ls", RUNYARD_SSH_RETRIES="1")
        assert ended.code == 69 and re.search("Connection (refused|reset|closed)", ended.err)
    laptop.far_ok("ls")


def test_several_at_once_log_in_once(laptop: Laptop) -> None:
    with ExitStack() as stack:
        running = [stack.enter_context(laptop.begin("--host", "gpu1", "ls")) for _ in range(4)]
        assert [process.wait(processes.PATIENCE_S) for process in running] == [0] * 4
    assert len(laptop.masters()) == 1


def test_a_terminal_there_is_attached_again_when_the_way_was_cut(laptop: Laptop) -> None:
    with laptop.terminal("--host", "gpu1", "run", "--tty", "--", sys.executable, "-iq") as terminal:
        terminal.resize(90, 25)
        terminal.until(r"attached to job \d+ (.|\n)*>>> ")
        terminal.send("x = 6 * 7; x\r")
        terminal.until("\r\n42\r\n")
        for master in laptop.masters():
            processes.kill(master)
        terminal.until("the connection to gpu1 has gone; the job runs on")
        terminal.until(r"attached to job \d+ again")
        terminal.send("x + 1\r")
        terminal.until("\r\n43\r\n")
        terminal.send("raise SystemExit(5)\r")
        assert terminal.end() == 5

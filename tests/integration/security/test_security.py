"""Who may reach a yard, what others can read of it, and what hostile names and files do to it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.typist import Typist
from tests.harness import processes
from tests.harness.yard import Yard

NOBODY = 65534
PYTHON = shutil.which("python3", path=os.defpath) or "python3"
BECOME = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", PYTHON, "-c")
"""A Python of the system's, run by nobody."""
ASK = """
import socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.settimeout(20)
connection.connect(sys.argv[1])
connection.sendall(b"GET /jobs HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
print(connection.recv(4096).decode())
"""
KNOCK = """
import select, socket, sys
tried = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(sys.argv[1])
        sys.exit("let in")
    except OSError:
        tried += 1
    finally:
        connection.close()
print(tried)
"""
"""Knocks without a pause until its input ends; says how often in vain."""

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """Started by somebody whose umask is 0."""
    made = Yard(tmp_path_factory.mktemp("yard"))
    text = "umask 0; exec ry run -e TOKEN=hunter2 -o given.txt 'echo $TOKEN > mine; echo out'"
    subprocess.run(["bash", "-c", text], env=made.environ, cwd=made.out, capture_output=True, timeout=60, check=True)
    made.run("echo kept")
    yield made
    made.end()


@pytest.fixture
def ry(yard: Yard, tmp_path: Path) -> Typist:
    return Typist(yard, tmp_path)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_files_and_directories_are_the_accounts_alone(yard: Yard) -> None:
    home = Path(yard.home.root)
    found = [home, *home.rglob("*")]
    assert len(found) > 20
    for path in found:
        others = mode(path) & 0o077
        assert not others, f"{path} is open to others: {mode(path):o}"
    assert mode(Path(yard.home.server_socket)) == 0o600
    assert mode(Path(yard.home.sockets)) == 0o700


def test_nothing_listens_on_tcp(yard: Yard) -> None:
    ours: set[str] = set()
    for name in ("ry-server", "ry-agent", "ry-zygote", "ry-runner"):
        for pid in yard.named(name):
            ours |= {target[8:-1] for target in processes.descriptors(pid) if target.startswith("socket:[")}
    assert ours
    for table in ("tcp", "tcp6", "udp", "udp6", "raw"):
        lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        assert not ours & {line.split()[9] for line in lines}, table


@needs_root
def test_another_account_is_refused_even_where_it_gets_to_the_socket(yard: Yard, tmp_path: Path) -> None:
    """The directories opened, the socket too: what the kernel says of the caller decides."""
    opened = [*Path(yard.home.server_socket).parents[:-1], Path(yard.home.server_socket)]
    before = {path: mode(path) for path in opened}
    try:
        for path in opened:
            path.chmod(before[path] | (0o066 if path.is_socket() else 0o005))
        answer = subprocess.run(
            [*BECOME, ASK, yard.home.server_socket], capture_output=True, text=True, timeout=60, check=False
        )
    finally:
        for path in opened:
            path.chmod(before[path])
    assert answer.stdout.startswith("HTTP/1.1 403"), answer
    assert "hunter2" not in answer.stdout


@needs_root
def test_nobody_gets_in_at_any_instant_while_it_starts(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Everything above the yard is open to others; the yard's own directory and its socket never are."""
    root = tmp_path_factory.mktemp("knocking")
    yard = Yard(root / "yard")
    for path in (*root.parents[:-1], root, yard.root):
        path.chmod(mode(path) | 0o055)
    argv = [*BECOME, KNOCK, yard.home.server_socket]
    pipe = subprocess.PIPE
    try:
        with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as knocking:
            assert yard.ry("run", "--", "true").code == 0
            told, said = knocking.communicate(timeout=60)
        assert knocking.returncode == 0, said
        assert int(told) > 100
    finally:
        yard.end()


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/passwd", ".", "..", "a\x1b]0;t\x07b", "-rf", "x" * 240, "a;touch pwned", "$(touch pwned)"]
)
def test_names_are_only_names(ry: Typist, name: str) -> None:
    before = set(Path(ry.yard.home.runs).rglob("*"))
    row = ry.run("-c0", f"--name={name}", "-o", "out-%x", "--", "echo", "hello")
    assert (row.outcome, row.name) == ("succeeded", name)
    assert ry.ok("logs", str(row.id)) == "hello\n"
    (made,) = [path for path in ry.directory.iterdir() if path.name.startswith("out-")]
    assert made.parent == ry.directory and not (ry.directory / "pwned").exists()
    for path in set(Path(ry.yard.home.runs).rglob("*")) - before:
        assert str(row.id) in path.relative_to(ry.yard.home.runs).as_posix()


@pytest.mark.parametrize("name", ["two\nlines", "x" * 300])
def test_names_that_are_refused(ry: Typist, name: str) -> None:
    assert "name: " in ry.refused("submit", "-J", name, "--", "true")


class TestALogThatIsNoLog:
    """A job may put anything in the place of its output: it is not followed."""

    @pytest.fixture
    def output(self, ry: Typist) -> tuple[str, Path]:
        job = ry.run("-c0", "--", "echo", "written").id
        runs = Path(ry.yard.home.runs)
        (found,) = ry.yard.when("that it is put away", lambda: [*runs.glob(f"*/done/**/{job}.1/output.log")])
        return str(job), found

    @pytest.mark.parametrize("verb", ["logs", "tail", "head", "grep"])
    @pytest.mark.parametrize("kind", ["symlink", "fifo"])
    def test_is_refused(self, ry: Typist, output: tuple[str, Path], verb: str, kind: str) -> None:
        job, path = output
        path.unlink()
        if kind == "symlink":
            path.symlink_to("/etc/passwd")
        else:
            os.mkfifo(path)
        ended = ry(verb, *(("root",) if verb == "grep" else ()), job)
        assert ended.code != 0 and "root" not in ended.out

"""`ry shell`: on a real terminal, and from a script."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.laptop import Laptop, profile
from tests.acceptance.screen import TMUX, Screen, screen
from tests.acceptance.typist import Typist
from tests.harness import processes
from tests.harness.commands import RY
from tests.harness.sshd import SSHD, Sshd
from tests.harness.yard import Yard

READY = r"[\s\S]*^(ry|gpu1)>\s*( [0-9n].*)?\Z"
"""An empty prompt at the end: what was typed before has been done."""

needs_tmux = pytest.mark.skipif(not TMUX, reason="takes tmux")
needs_sshd = pytest.mark.skipif(not SSHD, reason="takes sshd (package openssh-server)")


@pytest.fixture
def shell(ry: Typist) -> Iterator[Screen]:
    """`ry shell` on a terminal."""
    with screen([RY, "shell"], ry.environ, ry.directory) as made:
        made.until(READY)
        yield made


def test_a_script_of_commands(ry: Typist) -> None:
    lines = (
        "# a remark",
        "",
        "submit -J first -- true",
        "ry wait first",
        "ls name:first --json",
        "submit --file -",
        "exit",
    )
    ended = ry("shell", stdin="\n".join((*lines, "nosuch\n")))
    assert ended.code == 2, "the last one that failed had no list of jobs"
    assert '"name": "first"' in ended.out
    assert "nosuch" not in ended.err


def test_the_exit_code_is_that_of_the_last_that_failed(ry: Typist) -> None:
    assert ry("shell", stdin="run -- true\n").code == 0
    assert ry("shell", stdin="run -- sh -c 'exit 7'\nls\n").code == 7
    assert ry("shell", stdin="run -- sh -c 'exit 7'\nnosuch\n").code == 2
    ended = ry("shell", stdin="ls 'x\nshell\n")
    assert ended.code == 2 and "No closing quotation" in ended.err and "this is the shell" in ended.err


def test_lines_come_one_by_one(ry: Typist) -> None:
    """What a program writes into it is done at once, not when it has written all."""
    ended = ry("shell", stdin="run -- cat\nrun -- echo second\n")
    assert (ended.code, ended.out) == (0, "second\n"), "the script itself is nothing that a job could read"


@needs_tmux
def test_a_line_is_a_command(shell: Screen, ry: Typist) -> None:
    shell.enter("submit -J typed -- true")
    shell.until(r"job \d+ \(typed\)")
    shell.enter("nosuch")
    shell.until("there is no verb 'nosuch'" + READY)
    shell.enter("ls 'x")
    shell.until("no closing quotation" + READY)
    shell.enter("help")
    seen = shell.until("Leave. `help VERB`" + READY)
    assert re.search(r"FOR +VERB +ALSO +WHAT IT DOES", seen) and re.search(r"^See +ls +ps, status", seen, re.M)
    shell.enter("ry wait typed")
    shell.until("succeeded" + READY)
    assert ry.yard.rows("typed")[0].word == "succeeded"
    shell.press("C-d")
    assert shell.end() == 0


@needs_tmux
def test_what_runs_is_told_below(shell: Screen, ry: Typist) -> None:
    """The line changes although nothing is typed."""
    shell.until(r"^ 0 running · 0 waiting · .*gpu.* · server ")
    job = ry.submit("--", "sleep", "1000")
    held = ry.submit("--hold", "--", "true")
    shell.until(r"^ 1 running · 1 waiting")
    ry.ok("kill", str(job), str(held), "--yes")
    shell.until(r"^ 0 running · 0 waiting")


@needs_tmux
def test_the_tab_key(shell: Screen, ry: Typist) -> None:
    job = ry.submit("--hold", "-J", "patient", "--", "true")
    shell.type("rele")
    shell.press("Tab")
    shell.until("^ry> release")
    shell.type(" pat")
    shell.press("Tab")
    shell.until("^ry> release patient")
    shell.press("Enter")
    shell.until(f"job {job} released" + READY)
    shell.type("submit --gp")
    shell.press("Tab")
    shell.until("^ry> submit --gpus")
    shell.press("C-c")
    shell.until("^ry> submit --gpus\n" + READY)
    (ry.directory / "a-script.sh").touch()
    shell.type("submit --env-file a-s")
    shell.press("Tab")
    shell.until("^ry> submit --env-file a-script.sh")


@needs_tmux
def test_control_c(shell: Screen, ry: Typist) -> None:
    shell.type("kill all --yes")
    shell.press("C-c")
    shell.until("^ry> kill all --yes\n" + READY)
    job = ry.submit("--", "sh", "-c", "echo going; exec sleep 1000")
    shell.enter(f"logs -f {job}")
    shell.until("^going")
    shell.press("C-c")
    shell.until("ry: interrupted" + READY)
    shell.enter(f"kill {job}")
    shell.until(f"job {job} killed")


@needs_tmux
def test_the_history(ry: Typist) -> None:
    for number in range(2):
        with screen([RY, "shell"], ry.environ, ry.directory) as shell:
            shell.until(READY)
            if number:
                shell.press("Up")
                shell.until("^ry> why @")
                shell.press("C-c")
                shell.until("^ry> why @\n" + READY)
            shell.enter("why @")
            shell.until("has ended" + READY)
            shell.enter(" ls name:secret")
            shell.until("no job named" + READY)
            shell.enter("exit")
            assert shell.end() == 0
    history = Path(ry.yard.home.history)
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert "why @" in history.read_text() and "secret" not in history.read_text()


@pytest.fixture
def laptop(yard: Yard, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    machine = Sshd(tmp_path_factory.mktemp("sshd"), profile(yard))
    made = Laptop(yard, machine, tmp_path)
    yield made
    made.end()
    machine.end()


@needs_tmux
@needs_sshd
def test_the_shell_of_another_machine(laptop: Laptop) -> None:
    with screen([RY, "--host", "gpu1", "shell"], laptop.environ, laptop.directory) as shell:
        shell.until("^gpu1 is remembered; `ry use local` forgets it")
        shell.until(r"^gpu1>(.*\n)+ 0 running")
        shell.enter("run -- sh -c 'echo from $FROM_LOGIN; sleep 1000'")
        shell.until("^from yes")
        processes.kill(laptop.masters()[0])
        shell.press("C-c")
        shell.until(r"\(d\)etach")
        shell.enter("s")
        shell.until("cancelled" + READY)
        shell.enter("server status")
        shell.until("^yard: " + READY)
        shell.enter("use local")
        shell.until(r"^local: [\s\S]*^ry>")
        shell.press("C-d")
        assert shell.end() == 0


def test_the_words_of_que(ry: Typist) -> None:
    """What their users type; places and index numbers apart, for which there are ids and selectors here."""
    first, second = (ry.submit("--hold", "--", "true") for _ in range(2))
    ended = ry(
        "shell",
        stdin=f"list new\nshuffle {second} --first\nmove {second} --last\ndisplay {first}\n"
        f"edit {first} --set priority=3\n"
        f"daemon stop\ndaemon status\ndaemon start\nworker clear_mem\nserver status\nremove {second} --yes\n"
        "clear new --dry-run\nsave que -op saved\nload que -ip saved --dry-run\nsave server\n"
        "wandb api\nrecover\nquit -ns\nnosuch\n",
    )
    assert ended.code == 0, ended
    assert f"would remove job {first} (true), held" in ended.out
    notes = [line for line in ended.err.splitlines() if line.startswith("ry: this is")]
    assert notes == [
        f"ry: this is `ry {verb}`"
        for verb in (
            "server drain",
            "server status",
            "server resume",
            "gpus",
            "rm state:new --dry-run",
            "export -o saved",
            "import saved --dry-run",
        )
    ]

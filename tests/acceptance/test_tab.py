"""The Tab key at a terminal: bash, and zsh and fish where they are."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.typist import Terminal, Typist
from tests.harness.commands import RY
from tests.harness.processes import PATIENCE_S

SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
}
READY = {
    "bash": "bind 'set enable-bracketed-paste off'; ",
    "zsh": "unset zle_bracketed_paste; ",
}
KILL_LINE = "\x15"

TYPED = (
    ("ry submit onl", "ry submit only.sh"),
    ("ry submit ./onl", "./only.sh"),
    ("ry submit --file onl", "--file only.sh"),
    ("ry submit --file=onl", "--file=only.sh"),
    ("ry submit -i onl", "-i only.sh"),
    ("ry submit -o onl", "-o only.sh"),
    ("ry submit only.sh --data onl", "--data only.sh"),
    ("ry submit -D somew", "-D somewhere/"),
    ("ry submit --venv somew", "--venv somewhere/"),
    ("ry logs 1 >onl", ">only.sh"),
    ("ry submit --on-lost r", "--on-lost requeue"),
    ("ry submit --shell lo", "--shell login"),
    ("ry ls state:fai", "state:failed"),
    ("ry ls queue:def", "queue:default"),
    ("ry ls 'user:m", "'user:me'"),
    ("ry submit -d afterok:lon", "afterok:lonely"),
    ("ry submit --queue=def", "--queue=default"),
    ("FOO=1 runyard queue pau", "runyard queue pause"),
)
"""What somebody types before the Tab key, and what stands there afterwards."""


@pytest.fixture
def here(ry: Typist) -> Typist:
    """A directory with a file and a directory of names that nothing else begins with, and a job of such a name."""
    (ry.directory / "only.sh").touch()
    (ry.directory / "somewhere").mkdir()
    ry.submit("--hold", "-J", "lonely", "--", "true")
    return ry


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, here: Typist) -> Iterator[Terminal]:
    """A shell at a terminal, that was taught to complete `ry`."""
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    environ = {**here.yard.environ, "TERM": "dumb", "PS1": "> ", "HOME": str(here.directory)}
    terminal = Terminal(SHELLS[request.param], environ, here.directory)
    try:
        terminal.send(f'{READY[request.param]}eval "$(ry completion {request.param})"; PS1="> "; echo rea""dy\n')
        terminal.until(r"ready[\s\S]*> ")
        yield terminal
    finally:
        terminal.close()


def test_what_is_typed_is_completed(shell: Terminal) -> None:
    for typed, stands in TYPED:
        shell.send(typed + "\t")
        shell.until(re.escape(stands))
        shell.send(KILL_LINE)
    shell.send("ry why sta\t")
    shell.until("why state:")
    shell.send("skip\t")
    shell.until("why state:skipped")  # no blank stood in between


def test_fish(here: Typist) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    script = here.directory / "ry.fish"
    script.write_text(here.ok("completion", "fish"))
    for typed, stands in TYPED:
        if ">" in typed:  # fish completes what comes there by itself
            continue
        asked = ["fish", "-N", "-c", f"source {script}; complete -C $argv[1]", "--", typed]
        told = subprocess.run(
            asked, env={**here.yard.environ, "HOME": str(here.directory)}, cwd=here.directory, capture_output=True,
            text=True, timeout=PATIENCE_S, check=True,
        )  # fmt: skip
        assert told.stdout.partition("\t")[0].strip() == stands.split()[-1].replace("'", ""), typed


def test_only_jobs_that_can_be_stopped(ry: Typist) -> None:
    waits, ended = ry.submit("--hold", "--", "true"), ry.run("--", "true").id
    offered = ry.tabbed("ry stop ", 2).out.split()
    assert f"plain,{waits}" in offered and f"plain,{ended}" not in offered
    assert f"plain,{ended}" in ry.tabbed("ry show ", 2).out.split()


def test_a_server_that_does_not_answer(ry: Typist, tmp_path: Path) -> None:
    home = tmp_path / "deaf"
    place = home / Path(ry.yard.home.server_socket).relative_to(ry.yard.home.root)
    place.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as deaf:
        here = os.open(place.parent, os.O_PATH)
        deaf.bind(f"/proc/self/fd/{here}/{place.name}")
        os.close(here)
        deaf.listen()
        environ = {**ry.yard.environ, "RUNYARD_HOME": str(home), "_RY_COMPLETE": "bash_complete"}
        told = subprocess.run([RY], env={**environ, "COMP_WORDS": "ry stop "}, timeout=PATIENCE_S, check=False)
    assert told.returncode == -signal.SIGALRM

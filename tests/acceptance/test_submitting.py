"""What is run, by which shell, from which copy, where, and where its output goes."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.acceptance.typist import Typist
from tests.harness import processes


def test_in_a_pipe_only_the_ids_are_printed(ry: Typist) -> None:
    ended = ry("submit", "--", "true")
    assert ended.out == f"{int(ended.out)}\n" and ended.err == ""
    assert len(ry.submit_many("-a", "1-3", "--", "true")) == 3


def test_an_argv_goes_to_the_command_as_it_is(ry: Typist) -> None:
    words = ["a b", "$HOME", "*", "", "\\", "'\"", "-x", "--json", "é"]
    assert ry.output("--", sys.executable, "-c", "import sys; print(sys.argv[1:])", *words) == f"{words}\n"


def test_what_comes_after_the_command_is_its_own(ry: Typist) -> None:
    assert ry.output("echo", "-n", "--name", "x").strip() == "--name x"


def test_a_quoted_text_is_run_by_the_shell(ry: Typist) -> None:
    assert ry.output("echo $((40 + 2)) | tr 4 5; [[ a == a ]] && echo bash") == "52\nbash\n"


@pytest.mark.parametrize(
    ("shell", "text", "says"),
    [
        ("bash", "echo ${BASH_VERSION:+yes}", "yes"),
        ("sh", "echo $0", "sh"),
        ("login", "shopt -q login_shell && echo yes", "yes"),
    ],
)
def test_shells(ry: Typist, shell: str, text: str, says: str) -> None:
    assert ry.output("--shell", shell, text, SHELL="/bin/bash") == f"{says}\n"
    assert f"run by {shell}" in ry.ok("show")


def test_the_default_shell_is_stated_and_shown(ry: Typist) -> None:
    assert "(default: bash)" in ry.ok("submit", "--help")
    ry.submit("--hold", "echo hello")
    assert "run by bash" in ry.ok("show")


def test_zsh_is_asked_for_by_name(ry: Typist, tmp_path: Path) -> None:
    fake = tmp_path / "zsh"
    fake.write_text('#!/bin/sh\necho "zsh $*"\n')
    fake.chmod(0o755)
    path = f"{tmp_path}:{ry.yard.environ['PATH']}"
    assert ry.output("--shell", "zsh", "echo hello", PATH=path) == "zsh -c echo hello\n"


def test_defaults_are_shown(ry: Typist) -> None:
    ry.submit("--hold", "--", "true")
    shown = ry.ok("show")
    assert "1 cpu, no memory limit, no gpu, queue default, no time limit" in shown
    assert "1 cpu, no memory limit, no gpu, the queue `default`, no time limit" in " ".join(
        ry.ok("submit", "--help").split()
    )


def test_a_script_is_copied_at_submit(ry: Typist, tmp_path: Path) -> None:
    script = tmp_path / "work.sh"
    script.write_text('#!/bin/sh\necho "as submitted: $*"\n')
    job = ry.submit("--hold", "work.sh", "a b", "-c")
    script.write_text("#!/bin/sh\necho changed\n")
    ry.ok("release", str(job))
    ry.ok("wait", str(job))
    assert ry.ok("logs", str(job)) == "as submitted: a b -c\n"
    assert ry.ok("show", "--script", str(job)) == '#!/bin/sh\necho "as submitted: $*"\n'
    script.unlink()
    assert "as submitted" in ry.ok("show", "--script", str(job))


def test_a_script_without_an_interpreter_gets_one_by_its_suffix(ry: Typist, tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("WORD = 'imported'\n")
    (tmp_path / "train.py").write_text("import helper, sys; print(helper.WORD, sys.argv[1:])\n")
    (tmp_path / "steps.sh").write_text("echo ${BASH_VERSION:+bash}\n")
    assert ry.output("train.py", "--lr", "0.1") == "imported ['--lr', '0.1']\n"
    assert ry.output("steps.sh") == "bash\n"


def test_after_two_dashes_a_script_runs_as_it_lies(ry: Typist, tmp_path: Path) -> None:
    script = tmp_path / "work.sh"
    script.write_text("#!/bin/sh\necho before\n")
    script.chmod(0o755)
    job = ry.submit("--hold", "--", "./work.sh")
    script.write_text("#!/bin/sh\necho after\n")
    ry.ok("release", str(job))
    ry.ok("wait", str(job))
    assert ry.ok("logs", str(job)) == "after\n"
    assert "no script" in ry.refused("show", "--script", str(job))


def test_lines_for_other_queues_are_not_dropped_in_silence(ry: Typist, tmp_path: Path) -> None:
    (tmp_path / "old.sh").write_text("#!/bin/sh\n#SBATCH --qos=high\ntrue\n")
    assert "old.sh, line 2: #SBATCH --qos is not done here" in ry("submit", "old.sh").err


def test_name(ry: Typist) -> None:
    job = ry.submit("--hold", "-J", "my name", "--", "true")
    other = ry.submit("--hold", "--", "/bin/echo", "x")
    assert [row["name"] for row in ry.json("ls", str(job), str(other))] == ["my name", "echo"]
    assert ry.json("show", "my name")["id"] == job


def test_workdir(ry: Typist, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    assert ry.output("--", "pwd") == f"{tmp_path}\n"
    assert ry.output("-D", "below", "--", "pwd") == f"{tmp_path}/below\n"
    assert ry.json("show")["workdir"] == f"{tmp_path}/below"


def test_output_pattern(ry: Typist, tmp_path: Path) -> None:
    ids = ry.submit_many("-a", "5-6", "-J", "a/b", "-o", "out-%j-%a-%x-%%.txt", "echo $RUNYARD_ARRAY_INDEX")
    ry.ok("wait", f"{ids[0]}-{ids[1]}")
    for job, index in zip(ids, (5, 6), strict=True):
        file = tmp_path / f"out-{job}-{index}-a_b-%.txt"
        assert file.read_text() == f"{index}\n"
        assert file.stat().st_mode & 0o777 == 0o644
        assert ry.ok("logs", str(job)) == f"{index}\n"


def test_output_is_appended_and_the_tries_are_one_behind_the_other(ry: Typist, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("before\n")
    ry("run", "-o", "log", "--retries", "1", "echo try $RUNYARD_ATTEMPT; exit 1")
    assert (tmp_path / "log").read_text() == "before\ntry 1\ntry 2\n"


def test_input(ry: Typist, tmp_path: Path) -> None:
    (tmp_path / "given").write_text("from a file\n")
    assert ry.output("-i", "given", "--", "cat") == "from a file\n"
    assert ry.output("--", "sh", "-c", "cat; readlink /proc/self/fd/0") == "/dev/null\n"


@pytest.fixture(scope="session")
def venv_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("venv") / "my env"
    venv.create(path, symlinks=True)
    return path


def test_venv(ry: Typist, venv_path: Path) -> None:
    script = "import sys; print(sys.prefix)"
    assert ry.output("--venv", str(venv_path), "--", "python", "-c", script) == f"{venv_path}\n"
    assert ry.output("--venv", str(venv_path), "echo $VIRTUAL_ENV; command -v python") == (
        f"{venv_path}\n{venv_path}/bin/python\n"
    )
    assert "no virtual environment" in ry.refused("submit", "--venv", "nowhere", "--", "true")


def test_conda_is_checked_at_submit(ry: Typist, tmp_path: Path) -> None:
    base = tmp_path / "conda"
    for directory in ("bin", "etc/profile.d", "envs/mine/conda-meta"):
        (base / directory).mkdir(parents=True)
    (base / "bin" / "conda").write_text("#!/bin/sh\n")
    (base / "bin" / "conda").chmod(0o755)
    (base / "etc/profile.d/conda.sh").write_text('conda() { echo "$*"; }\n')
    conda = str(base / "bin" / "conda")
    assert ry.output("--conda", "mine", "--", "echo", "run", CONDA_EXE=conda) == f"activate {base}/envs/mine\nrun\n"
    assert "no conda environment 'other'" in ry.refused("submit", "--conda", "other", "--", "true", CONDA_EXE=conda)


def test_setup_runs_before_the_command(ry: Typist) -> None:
    words = ("--setup", "export A=1", "--setup", "A=$((A + 1))")
    assert ry.output(*words, "--", "sh", "-c", "echo $A") == "2\n"
    failed = ry("run", "--setup", "exit 9", "--", "echo", "never")
    assert (failed.code, failed.out) == (9, "")
    failed = ry("run", "--setup", "false", "--", "echo", "never")
    assert failed.code == 1 and "setup failed (exit code 1): false" in failed.out


def test_what_the_command_finds_itself_in(ry: Typist, tmp_path: Path) -> None:
    """Its own session, a usual umask, niceness and signals, whatever shell submitted it."""
    text = "umask; nice; grep Sig[BI] /proc/self/status | cut -f2; cut -d' ' -f1,5,6 /proc/$$/stat"
    typed = subprocess.run(
        ["bash", "-c", 'umask 0; trap "" INT TERM HUP; exec nice -n 5 ry run --shell sh "$0"', text],
        env=ry.yard.environ, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    mask, niceness, blocked, ignored, leader = typed.stdout.splitlines()
    assert (mask, niceness) == ("0022", "0")
    assert (int(blocked, 16), int(ignored, 16) & ~processes.OF_THE_C_LIBRARY) == (0, 0)
    assert len(set(leader.split())) == 1, "pid, process group and session are one"


def test_submit_does_not_hold_the_callers_pipe(ry: Typist, tmp_path: Path) -> None:
    """`id=$(ry submit ...)` returns at once, also where it starts the server (see test_server)."""
    read, write = os.pipe()
    subprocess.run(
        ["ry", "submit", "--", "sleep", "600"], stdout=write, env=ry.yard.environ, cwd=tmp_path, timeout=30, check=True
    )
    os.close(write)
    with os.fdopen(read) as pipe:
        assert pipe.read().strip().isdecimal(), "it is at its end, although the job runs"


@pytest.mark.parametrize("alias", ["add", "sbatch"])
def test_aliases(ry: Typist, alias: str) -> None:
    assert ry.ok(alias, "--hold", "--", "true").strip().isdecimal()


def test_dry_run_submits_nothing(ry: Typist) -> None:
    before = len(ry.yard.rows())
    assert "would submit 3 jobs" in ry.ok("submit", "--dry-run", "-a", "1-3", "-G0", "--", "true")
    assert ry.json("submit", "--dry-run", "--", "true")["would_submit"] == 1
    assert len(ry.yard.rows()) == before

"""The code of jobs, as a user sees it: recorded where it runs in place, frozen where that is asked for."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.typist import Typist
from tests.harness.yard import Bell, Gate
from tests.integration.code.repository import Work

TRAIN = "print(open('data/in.txt').read().strip(), {!r})\nopen('out.txt', 'w').write('done')\n"


@pytest.fixture
def work(tmp_path: Path) -> Work:
    made = Work(tmp_path / "work")
    made.write("train.py", TRAIN.format("as submitted"))
    made.commit("two")
    return made


@pytest.fixture
def typist(ry: Typist, work: Work) -> Typist:
    """Somebody who types in the work tree."""
    return Typist(ry.yard, work.root)


def output(typist: Typist, job_id: int) -> str:
    typist.done(job_id)
    return typist.ok("logs", str(job_id))


def record(typist: Typist, job_id: int) -> Any:
    """What was seen of the code of a job, when it has been looked into."""
    return typist.yard.when("a look", lambda: typist.json("show", str(job_id))["code"])


def test_a_job_in_place_says_commit_and_changes(typist: Typist, work: Work) -> None:
    work.write("src/model.py", "size = 2\n")
    made = typist.submit("--", "true")
    seen = record(typist, made)
    assert seen["changed"] == ["M src/model.py"]
    told = typist.ok("show", str(made))
    commit = work.git("rev-parse", "HEAD")[:10]
    assert f"code:         main {commit}, 1 file changed; in place, of {work.root}\n" in told
    assert "changed:      M src/model.py\n" in told
    assert work.refs == []


def test_a_change_before_the_start_is_a_warning(
    typist: Typist, work: Work, gate: Callable[[str], Gate], bell: Bell
) -> None:
    door = gate("door")
    made = typist.submit("--hold", "-c0", f"echo up > {bell.path}; read x < {door.path}")
    record(typist, made)
    work.write("train.py", "print('edited')\n")
    # what starts half a second after it was submitted, or later, is looked at again
    typist.yard.when("some time", lambda: typist.yard.row(made).submitted_at + 0.6 < time.time())
    typist.ok("release", str(made))
    bell.wait()
    typist.yard.until("a flag", lambda: typist.row(made).flags == ("code changed",))
    told = typist.ok("show", str(made))
    assert "state:        running, code changed\n" in told
    assert "warning:      code changed: train.py changed after it was submitted" in told
    door.open()
    assert typist.done(made).word == "succeeded"


def test_a_snapshot_runs_what_was_there(typist: Typist, work: Work) -> None:
    made = typist("submit", "--hold", "--snapshot", "--", "python3", "train.py")
    assert made.code == 0
    assert "frozen: main " in made.err and "nothing changed" in made.err
    assert f"ignored files are those of {work.root}: data" in made.err
    job_id = int(made.out)
    work.write("train.py", TRAIN.format("as edited"))
    typist.ok("release", str(job_id))
    assert output(typist, job_id) == "numbers as submitted\n"
    assert not (work.root / "out.txt").exists()
    assert "; frozen as " in typist.ok("show", str(job_id))


def test_a_thousand_jobs_are_frozen_once(typist: Typist, work: Work) -> None:
    ids = typist.submit_many("--hold", "--snapshot", "-a", "0-999", "--", "python3", "train.py")
    assert len(ids) == 1_000
    keys = {json.dumps(typist.json("show", str(job_id))["spec"]["code"]) for job_id in (ids[0], ids[-1])}
    assert len(keys) == 1
    assert len(work.refs) == 1
    typist.ok("stop", "--yes", f"{ids[0]}-{ids[-1]}")


def test_a_branch_or_commit_instead(typist: Typist, work: Work) -> None:
    first = work.git("rev-parse", "HEAD")
    work.write("train.py", TRAIN.format("third"))
    work.commit("three")
    made = typist.submit("--commit", first[:12], "--", "python3", "train.py")
    assert output(typist, made) == "numbers as submitted\n"
    assert output(typist, typist.submit("--commit", "main", "--", "python3", "train.py")) == "numbers third\n"
    assert output(typist, typist.submit("-J", "x", "-c0", f"--snapshot={first}", "--", "python3", "train.py")) == (
        "numbers as submitted\n"
    )
    assert output(typist, typist.submit("--snapshot", "--", "echo", "--snapshot=no")) == "--snapshot=no\n"
    assert "no branch or commit 'nowhere'" in typist.refused("submit", "--commit", "nowhere", "--", "true")
    assert "give one of them" in typist("submit", "--snapshot", "--commit", "main", "--", "true").err


def test_no_work_tree_runs_in_place(ry: Typist) -> None:
    told = ry("submit", "--snapshot", "--", "true")
    assert told.code == 0
    assert told.err == f"ry: {ry.directory} is in no git work tree: nothing is frozen, it runs in place\n"


def test_output_and_input_stay_where_they_are(typist: Typist, work: Work) -> None:
    (work.root / "question").write_text("hello\n")
    made = typist.submit("--snapshot", "-D", "src", "-o", "answer", "-i", str(work.root / "question"), "pwd; cat")
    typist.done(made)
    where, what = (work.root / "src" / "answer").read_text().splitlines()
    assert where.startswith(typist.yard.home.code) and where.endswith("/src")
    assert what == "hello"


def test_it_imports_the_frozen_package(typist: Typist, work: Work) -> None:
    work.write("src/pkg.py", "name = 'frozen'\n")
    made = typist.submit(
        "--hold",
        "--snapshot",
        "-e",
        f"PYTHONPATH={work.root}/src",
        "--",
        "python3",
        "-c",
        "import pkg; print(pkg.name)",
    )
    work.write("src/pkg.py", "name = 'edited'\n")
    typist.ok("release", str(made))
    assert output(typist, made) == "frozen\n"


def test_a_queue_freezes_its_jobs(typist: Typist, work: Work) -> None:
    typist.ok("queue", "add", "frozen", "--default", "snapshot=yes")
    made = typist.submit("--hold", "-q", "frozen", "--", "python3", "train.py")
    open_one = typist.submit("--hold", "-q", "frozen", "--no-snapshot", "--", "python3", "train.py")
    work.write("train.py", TRAIN.format("as edited"))
    typist.ok("release", str(made), str(open_one))
    assert output(typist, made) == "numbers as submitted\n"
    assert output(typist, open_one) == "numbers as edited\n"


def test_a_retry_runs_the_same_code(typist: Typist, work: Work) -> None:
    work.write("train.py", "import os, sys; print('try', os.environ['RUNYARD_ATTEMPT']); sys.exit(3)\n")
    made = typist.submit("--snapshot", "--retries", "1", "--", "python3", "train.py")
    work.write("train.py", "print('edited')\n")
    assert typist.done(made).exit_code == 3
    assert output(typist, made) == "try 2\n"


# What is installed


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """A virtual environment, as far as it is looked at: its interpreter is ours."""
    root = tmp_path / "venv"
    (root / "bin").mkdir(parents=True)
    (root / "lib" / "python3.11" / "site-packages" / "numpy-1.26.4.dist-info").mkdir(parents=True)
    (root / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.4\n")
    (root / "bin" / "python").write_text('#!/bin/sh\nexec /bin/echo "$@"\n')
    (root / "bin" / "python").chmod(0o755)
    return root


def upgrade(venv: Path) -> None:
    site = venv / "lib" / "python3.11" / "site-packages"
    (site / "numpy-1.26.4.dist-info").rename(site / "numpy-2.0.0.dist-info")


def test_other_packages_at_the_start_are_a_warning(ry: Typist, venv: Path) -> None:
    made = ry.submit("--hold", "--", str(venv / "bin" / "python"), "hello")
    upgrade(venv)
    ry.ok("release", str(made))
    assert output(ry, made) == "hello\n"
    assert "warning:      environment changed: numpy 1.26.4 -> 2.0.0\n" in ry.ok("show", str(made))


def test_the_same_packages_are_none(ry: Typist, venv: Path) -> None:
    made = ry.run("--", str(venv / "bin" / "python"), "hello")
    assert "warning" not in ry.ok("show", str(made.id))


def test_a_job_can_be_held_back(ry: Typist, venv: Path) -> None:
    made = ry.submit("--hold", "--venv", str(venv), "--drift", "hold", "python hello")
    upgrade(venv)
    ry.ok("release", str(made))
    row = ry.yard.until("a hold", lambda: found if (found := ry.row(made)).word == "held" and found.attempt else None)
    assert row.reason == "held: its Python environment is another than at submit: numpy 1.26.4 -> 2.0.0"
    assert "`ry release" in ry.ok("why", str(made))
    ry.ok("release", str(made))
    assert output(ry, made) == "hello\n"


def test_a_job_may_not_care(ry: Typist, venv: Path) -> None:
    made = ry.submit("--hold", "--drift", "ignore", "--", str(venv / "bin" / "python"), "hello")
    upgrade(venv)
    ry.ok("release", str(made))
    assert output(ry, made) == "hello\n"
    assert "warning" not in ry.ok("show", str(made))
    assert "none of warn, hold, ignore" in ry.refused("submit", "--drift", "hope", "--", "true")


# Pages of tracking services

PAGE = "https://wandb.ai/ada/digits/runs/3k7xq1ab"
TELLS = f"echo wandb: View project at https://wandb.ai/ada/digits; echo wandb: View run at {PAGE}"


def test_the_page_that_a_job_named(ry: Typist) -> None:
    made = ry.run(TELLS)
    assert ry.ok("open", str(made.id)) == f"{PAGE}\n"
    assert ry.ok("open", str(made.id), "--project") == "https://wandb.ai/ada/digits\n"
    assert f"link:         {PAGE}\n" in ry.ok("show", str(made.id))
    assert [link["kind"] for link in ry.json("open", str(made.id))] == ["wandb", "wandb"]


def test_a_desktop_opens_it(ry: Typist, tmp_path: Path) -> None:
    made = ry.run(TELLS)
    opener = tmp_path / "bin" / "xdg-open"
    opener.parent.mkdir()
    opener.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/opened\n')
    opener.chmod(0o755)
    path = f"{opener.parent}:{ry.yard.environ['PATH']}"
    ry.seen("open", str(made.id), DISPLAY=":0", PATH=path)
    assert (tmp_path / "opened").read_text() == f"{PAGE}\n"
    (tmp_path / "opened").unlink()
    assert PAGE in ry.seen("open", str(made.id), DISPLAY=":0", PATH=path, SSH_CONNECTION="a b c d")
    assert not (tmp_path / "opened").exists()
    strange = ry.run("echo wandb: View run at https://elsewhere.example/ada/digits/runs/1")
    with ry.terminal("open", str(strange.id), DISPLAY=":0", PATH=path) as terminal:
        terminal.until(r"open https://elsewhere.example/ada/digits/runs/1\? ")
        terminal.send("n\n")
        assert terminal.end() == 0
    assert not (tmp_path / "opened").exists()


def test_what_was_left_in_the_directory(ry: Typist) -> None:
    (ry.directory / "other").mkdir()
    made = ry.run("-D", "other", "mkdir -p wandb/run-$(date +%Y%m%d_%H%M%S)-abc123 wandb/run-20200101_000000-old")
    assert "its wandb run is abc123" in ry.refused("open", str(made.id))
    printed = ry.run(f"echo wandb: View run at {PAGE}")
    assert ry.refused("open", "--project", str(printed.id)).endswith("its wandb run is 3k7xq1ab\n")
    board = ry.run("mkdir -p lightning_logs/version_0; touch lightning_logs/version_0/events.out.tfevents.1.host")
    assert f"tensorboard --logdir {ry.directory}/lightning_logs" in ry.refused("open", str(board.id))
    assert "has named no page" in ry.refused("open", str(ry.run("echo https://example.org/wandb").id))


def test_the_api_page(ry: Typist) -> None:
    assert ry.yard.home.server_socket in ry.ok("open", "api")


def test_a_resumption_goes_on_with_its_run(ry: Typist) -> None:
    made = ry.run(f'[ "$WANDB_RUN_ID" ] || {{ {TELLS}; exit 1; }}; echo on with $WANDB_RUN_ID, $WANDB_RESUME')
    assert made.word == "failed"
    ry.ok("retry", "--resume", str(made.id))
    assert output(ry, made.id) == "on with 3k7xq1ab, allow\n"


# Two jobs side by side


def test_two_jobs_differ(typist: Typist, work: Work) -> None:
    first = typist.submit("--hold", "-e", "TOKEN=secret-one", "--", "python3", "train.py", "--lr", "0.1")
    record(typist, first)
    work.write("src/model.py", "size = 2\n")
    (work.root / "blob.bin").write_bytes(bytes(range(256)) * 4)
    second = typist.submit("--hold", "-P3", "-e", "TOKEN=secret-two", "--", "python3", "train.py", "--lr", "0.2")
    record(typist, second)
    work.write("src/model.py", "size = 3\n")
    frozen = typist.submit("--hold", "--snapshot", "--", "python3", "train.py", "--lr", "0.2")
    told = typist.ok("diff", str(first), str(second))
    assert "command:      python3 train.py --lr 0.1\n              python3 train.py --lr 0.2\n" in told
    assert "option:       --priority 0\n              --priority 3\n" in told
    assert "file:         A blob.bin\nfile:         M src/model.py\n" in told
    assert "-size = 1\n+size = 2\n" in told
    assert "variable:     TOKEN has another value\n" in told and "secret" not in told
    assert "-size = 2\n+size = 3\n" in typist.ok("diff", str(second), str(frozen))
    assert "+size = 3" not in typist.ok("diff", str(second), str(frozen), "--stat")
    found = typist.json("diff", str(first), str(second))
    assert found["commands"][1][-1] == "0.2" and found["files"] == ["A blob.bin", "M src/model.py"]
    assert "differ in nothing that is known" in typist.ok("diff", str(first), str(first))


# A job that is there already


def test_a_job_that_is_there_already_is_remarked_on(typist: Typist, work: Work) -> None:
    first = typist.submit("--", "python3", "train.py")
    typist.done(first)
    record(typist, first)
    seen = typist.seen("submit", "--", "python3", "train.py")
    assert f"job {first} (train.py), succeeded, has the same code, command and parameters" in seen
    record(typist, int(typist.json("show", "@")["id"]))  # before the code changes
    assert "has the same code" not in typist.seen("submit", "--", "python3", "train.py", "-x")
    work.write("train.py", "print('another')\n")
    assert "has the same code" not in typist.seen("submit", "--", "python3", "train.py")
    assert typist("submit", "--", "true").err == ""

"""What becomes of each job: the same in every backend. One run has it all, since starting some backends takes time."""

from __future__ import annotations

import os
from pathlib import Path

from runyard.pipeline.pipeline import Pipeline
from runyard.pipeline.state import FAILED, PASSED, SKIPPED, JobState
from tests.contract.pipeline.conftest import Ground

ODD_NAMES = (
    "two words",
    "it's",
    'a "quoted" one',
    "grün ✓",
    "a/b/../c",
    "$(touch owned)",
    "-rf",
    "x" * 200,
    "100%{{ x }}",
)
CODES = (0, 1, 3, 126, 127, 130, 99, 255)
SIGNALS = {"TERM": 143, "KILL": 137, "INT": 130}
Expected = dict[str, tuple[str, int | None]]
SECRET = "s3cr3t $(touch owned) `touch owned` \"'\\ {{ x }} %s"


def test_every_job_ends_as_it_should(ground: Ground, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    pipeline = ground.create(env={"SECRET": SECRET, "OPEN": "everybody may read this"}, public=["OPEN"], cwd=str(place))
    expected = {
        **_codes(pipeline),
        **_names(pipeline),
        **_skips(pipeline),
        **_isolation(pipeline),
        **_surroundings(pipeline, place),
        **_brackets(pipeline, place),
    }
    state = pipeline.run()
    found = {job["name"]: (job["status"], job["code"]) for job in state["jobs"]}
    assert found == expected
    assert state["status"] == "done"
    assert state["total"] == len(pipeline) == len(expected)
    for status in (PASSED, FAILED, SKIPPED):
        assert state[status] == sum(each == status for each, _ in expected.values())
    assert not (place / "owned").exists()
    _check_files(place)
    _check_secrets(pipeline)
    _check_logs({job.name: job for job in pipeline.state().jobs})


def _codes(pipeline: Pipeline) -> Expected:
    for code in CODES:
        pipeline.submit(f"exit {code}", name=f"exits {code}")
    for signal in SIGNALS:
        pipeline.submit(f"kill -{signal} $$", name=f"killed by {signal}")
    pipeline.submit("no-such-program-anywhere", name="not found")
    pipeline.submit("echo 'unfinished", name="not bash")
    pipeline.submit("false && echo never", name="and")
    codes: Expected = {
        **{f"exits {code}": (FAILED if code else PASSED, code) for code in CODES},
        **{f"killed by {signal}": (FAILED, code) for signal, code in SIGNALS.items()},
        "not found": (FAILED, 127),
        "not bash": (FAILED, 2),
        "and": (FAILED, 1),
    }
    return codes


def _names(pipeline: Pipeline) -> Expected:
    for name in ODD_NAMES:
        pipeline.submit("echo hello", name=name)
    pipeline.submit("echo all", name="all odd ones", depends=list(ODD_NAMES))
    return dict.fromkeys((*ODD_NAMES, "all odd ones"), (PASSED, 0))


def _skips(pipeline: Pipeline) -> Expected:
    pipeline.submit("echo first >>order", name="first")
    pipeline.submit("echo second >>order", name="second", depends="first")
    pipeline.submit("echo third >>order", name="third", depends=["second", "first"])
    pipeline.submit("false", name="bad", depends="first")
    pipeline.submit("touch never", name="after bad", depends=["third", "bad"])
    pipeline.submit("touch never", name="after that", depends="after bad")
    pipeline.submit("echo other >>order2", name="beside bad", depends="first")
    passed: Expected = dict.fromkeys(("first", "second", "third", "beside bad"), (PASSED, 0))
    return {**passed, "bad": (FAILED, 1), "after bad": (SKIPPED, None), "after that": (SKIPPED, None)}


def _isolation(pipeline: Pipeline) -> Expected:
    pipeline.submit("cd /; set -eu; export LEAKED=1; trap 'echo bye' EXIT; exec 1>&2; f() { :; }; true", name="leaks")
    pipeline.submit('[ -z "${LEAKED-}" ] && ! type f && false; touch unleaked', name="sees nothing", depends="leaks")
    pipeline.submit("cat <<'JOB'\nJOB\nJOB\necho ' # not ours'", name="our own words")
    pipeline.submit("true \\", name="goes on")
    return dict.fromkeys(("leaks", "sees nothing", "our own words", "goes on"), (PASSED, 0))


def _surroundings(pipeline: Pipeline, place: Path) -> Expected:
    below = place / "be low"
    below.mkdir()
    pipeline.submit("pwd -P >where", name="below", cwd=str(below))
    pipeline.submit("touch never", name="nowhere", cwd=str(place / "nowhere"))
    pipeline.submit('printf %s "$SECRET" >secret; printf %s "$OPEN" >open', name="variables")
    pipeline.submit('printf %s "$OWN" >own', name="own variables", env={"OWN": SECRET[::-1]})
    pipeline.submit("f; echo '<&>'; echo to stderr >&2", name="preamble", preamble=["f() { echo from f; }", "true"])
    pipeline.submit("touch never", name="bad preamble", preamble="false")
    return {
        "below": (PASSED, 0),
        "nowhere": (FAILED, 3),
        "variables": (PASSED, 0),
        "own variables": (PASSED, 0),
        "preamble": (PASSED, 0),
        "bad preamble": (FAILED, 3),
    }


def _brackets(pipeline: Pipeline, place: Path) -> Expected:
    def bracket(name: str, command: str, setup: str = "true") -> None:
        pipeline.submit(command, name=name, setup=setup, teardown=f"touch 'down {name}'")

    bracket("set up", "touch command", setup="touch up")
    bracket("fails", "exit 7")
    bracket("is ended", "kill -TERM $BASHPID")
    bracket("not set up", "touch never", setup="false")
    bracket("has traps", "trap 'touch own-trap' EXIT; exit 4")
    pipeline.submit("true", name="bad teardown", teardown="exit 9; false")
    return {
        "set up": (PASSED, 0),
        "fails": (FAILED, 7),
        "is ended": (FAILED, 143),
        "not set up": (FAILED, 3),
        "has traps": (FAILED, 4),
        "bad teardown": (PASSED, 0),
    }


def _check_files(place: Path) -> None:
    assert (place / "order").read_text() == "first\nsecond\nthird\n"
    assert not (place / "never").exists()
    assert (place / "unleaked").exists()
    assert (place / "be low" / "where").read_text() == f"{(place / 'be low').resolve()}\n"
    assert (place / "secret").read_text() == SECRET
    assert (place / "open").read_text() == "everybody may read this"
    assert (place / "own").read_text() == SECRET[::-1]
    for name in ("up", "command", "own-trap", "down set up", "down fails", "down is ended", "down has traps"):
        assert (place / name).exists(), name
    assert not (place / "down not set up").exists()


def _check_secrets(pipeline: Pipeline) -> None:
    """A value that is not public is in no file that others can read, nor in any that is a program."""
    root = Path(pipeline.directory)
    assert root.stat().st_mode & 0o077 == 0
    files = [path for path in root.rglob("*") if path.is_file()]
    assert files
    for path in files:
        text = path.read_bytes()
        if b"s3cr3t" in text or b"t3rc3s" in text:
            assert path.stat().st_mode & 0o777 == 0o600, path
    scripts = [path for path in files if path.suffix == ".sh"]
    assert all(path.stat().st_mode & 0o777 == 0o700 for path in scripts)


def _check_logs(jobs: dict[str, JobState]) -> None:
    text = Path(jobs["preamble"].log).read_text()
    assert "from f\n<&>\n" in text
    assert "to stderr\n" in text
    assert jobs["after bad"].reason == "bad did not pass"
    assert Path(jobs["killed by KILL"].log).read_text() == "", "nothing but what the job has printed"


def test_variables_called_as_those_of_a_script_reach_jobs(ground: Ground, tmp_path: Path) -> None:
    names = ("name", "code", "total", "key", "log", "number", "started", "here", "input", "command", "left", "worker")
    pipeline = ground.create()
    pipeline.submit(f"echo {' '.join(f'${name}' for name in names)} >{tmp_path}/told", name="tells")
    ended = pipeline.run(environ={**os.environ, **{name: f"own-{name}" for name in names}})
    assert ended["passed"] == 1
    assert (tmp_path / "told").read_text().split() == [f"own-{name}" for name in names]

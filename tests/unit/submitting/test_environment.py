"""The environment of a job, its limits, and what Python environments become."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from runyard.errors import InvalidSpec
from runyard.submitting import environment, venv
from runyard.submitting.ground import Near

INSIDE = {
    "HOME": "/h", "PATH": "/p", "RUNYARD_HOME": "/yard", "RUNYARD_JOB_ID": "1", "RUNYARD_ARRAY_INDEX": "2",
    "RUNYARD_WARM_RUNNERS": "3", "CUDA_VISIBLE_DEVICES": "GPU-a", "LC_ALL": "C", "SECRET": "s",
}  # fmt: skip


def test_inside_a_job_nothing_of_the_attempt_is_handed_on() -> None:
    kept = environment.captured(INSIDE)
    assert kept.keys() == {"HOME", "PATH", "RUNYARD_HOME", "RUNYARD_WARM_RUNNERS", "LC_ALL", "SECRET"}


def test_outside_devices_are_the_users_own() -> None:
    assert environment.captured({"CUDA_VISIBLE_DEVICES": "1"}) == {"CUDA_VISIBLE_DEVICES": "1"}


def test_clean() -> None:
    kept = environment.captured(INSIDE, clean=True)
    assert kept.keys() == {"HOME", "PATH", "RUNYARD_HOME", "RUNYARD_WARM_RUNNERS", "LC_ALL"}
    assert kept["PATH"] == environment.CLEAN_PATH


def test_assignments() -> None:
    assert environment.assignments(["A=1=2", "B=", "SECRET"], INSIDE) == {"A": "1=2", "B": "", "SECRET": "s"}
    for wrong in ("=x", "MISSING", "RUNYARD_JOB_ID=1", "a\0b=1"):
        with pytest.raises(InvalidSpec, match="env: "):
            environment.assignments([wrong], INSIDE)


def test_files() -> None:
    text = "# a comment\n\nA=1\nexport B='two words'\nC=\"x\"\nSECRET\nD=a#b\n"
    assert environment.read_file(text, INSIDE) == {"A": "1", "B": "two words", "C": "x", "SECRET": "s", "D": "a#b"}
    with pytest.raises(InvalidSpec, match="env-file: line 2: "):
        environment.read_file("A=1\nMISSING\n", INSIDE)


def test_bytes_that_are_no_text_survive() -> None:
    odd = os.fsdecode(b"\xff\xfe=caf\xc3\xa9")
    data = environment.blob({"X": odd}, 10)
    assert data.isascii()
    assert os.fsencode(json.loads(data)["X"]) == b"\xff\xfe=caf\xc3\xa9"


def test_equal_environments_are_equal_blobs() -> None:
    assert environment.blob({"A": "1", "B": "2"}, 1) == environment.blob({"B": "2", "A": "1"}, 1)


def test_one_variable_too_large_for_linux() -> None:
    environment.blob({"A": "x" * 131_069}, 1_000)
    with pytest.raises(InvalidSpec, match="A is 131072 bytes long"):
        environment.blob({"A": "x" * 131_070}, 1_000)
    with pytest.raises(InvalidSpec, match="A is 131074 bytes long"):
        environment.blob({"A": "é" * 65_536}, 1_000)


def test_all_together_too_large() -> None:
    with pytest.raises(
        InvalidSpec, match=r"the environment is \d+ bytes large, more than 1 KB; the biggest: BIG"
    ) as told:
        environment.blob({"BIG": "x" * 900, "SMALL": "x" * 200}, 1)
    assert "xxx" not in str(told.value), "values are never shown"


def test_no_nul() -> None:
    with pytest.raises(InvalidSpec):
        environment.blob({"A": "a\0b"}, 1)


def test_a_virtual_environment(tmp_path: Path) -> None:
    python = tmp_path / "it's" / "bin" / "python"
    python.parent.mkdir(parents=True)
    with pytest.raises(InvalidSpec, match="venv: "):
        venv.venv_lines("it's", Near({}, str(tmp_path)))
    python.touch(mode=0o755)
    lines = venv.venv_lines("it's", Near({}, str(tmp_path)))
    assert lines[0] == f"export VIRTUAL_ENV='{tmp_path}/it'\\''s'"
    assert lines[1].endswith('/bin\':"$PATH"')


def test_a_conda_environment(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "etc" / "profile.d").mkdir(parents=True)
    environ = {"CONDA_EXE": str(tmp_path / "bin" / "conda"), "HOME": "/h"}
    with pytest.raises(InvalidSpec, match="no conda"):
        venv.conda_lines("ml", Near(environ, "/"))
    (tmp_path / "bin" / "conda").touch(mode=0o755)
    with pytest.raises(InvalidSpec, match=r"conda\.sh is not there"):
        venv.conda_lines("ml", Near(environ, "/"))
    (tmp_path / "etc" / "profile.d" / "conda.sh").touch()
    with pytest.raises(InvalidSpec, match="no conda environment 'ml'"):
        venv.conda_lines("ml", Near(environ, "/"))
    (tmp_path / "envs" / "ml" / "conda-meta").mkdir(parents=True)
    assert venv.conda_lines("ml", Near(environ, "/"))[1] == f"conda activate '{tmp_path}/envs/ml'"


def test_setup() -> None:
    assert venv.setup_lines(("umask 022",)) == ("umask 022",)
    with pytest.raises(InvalidSpec, match="setup: "):
        venv.setup_lines((" ",))

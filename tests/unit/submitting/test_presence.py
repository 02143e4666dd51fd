"""What is looked for when a job is submitted."""

from __future__ import annotations

from pathlib import Path

import pytest

from runyard.errors import InvalidSpec
from runyard.submitting.ground import Near
from runyard.submitting.presence import look_for_output, look_for_program

HERE = Near({}, "/")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name, mode in (("bin/tool", 0o755), ("bin/data", 0o644), ("run", 0o755)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(mode)
    return tmp_path


@pytest.mark.parametrize("program", ["tool", "./run", "bin/tool", "bin/../run"])
def test_what_is_there(place: Path, program: str) -> None:
    assert look_for_program(program, str(place), f"/no/where:{place}/bin", HERE) == ""


def test_a_path_from_the_working_directory(place: Path) -> None:
    assert look_for_program("tool", str(place), "bin", HERE) == ""
    assert look_for_program("run", str(place), "", HERE) == "", "an empty place on the PATH is the working directory"


def test_what_may_not_be_executed(place: Path) -> None:
    assert "may not be executed" in look_for_program("bin/data", str(place), "", HERE)
    assert "no program 'data'" in look_for_program("data", str(place), "bin", HERE)


def test_what_is_on_no_path(place: Path) -> None:
    assert look_for_program("nosuch", str(place), "bin", HERE) == "there is no program 'nosuch' on the job's PATH"
    assert "there is one in" in look_for_program("run", str(place), "bin", HERE)
    assert "no program 'bin'" in look_for_program("bin", str(place), ".", HERE)


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("./nosuch", "there is no file .*/nosuch"),
        ("./bin", "directory"),
        ("/", "directory"),
        ("trian.py", "there is no script trian.py in .*nor on"),
    ],
)
def test_what_cannot_start(place: Path, program: str, told: str) -> None:
    with pytest.raises(InvalidSpec, match=f"command: .*{told}"):
        look_for_program(program, str(place), "bin", HERE)


def test_the_directory_of_the_output(place: Path) -> None:
    for fine in ("", "out", "bin/%j.txt", "%x/out", f"{place}/bin/x", "../x"):
        assert look_for_output(fine, str(place), HERE) == ""
    assert f"no directory {place}/out " in look_for_output("out/%j.txt", str(place), HERE)
    (place / "100%").mkdir()
    assert look_for_output("100%%/x", str(place), HERE) == ""
    assert look_for_output("90%%/x", str(place), HERE) != ""

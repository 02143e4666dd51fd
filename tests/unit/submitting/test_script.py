"""What words mean: an argv, a text for a shell, or a script."""

from __future__ import annotations

from pathlib import Path

import pytest

from runyard.errors import InvalidSpec
from runyard.submitting.script import SCRIPT_MAX, Command, command_of


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "tool").write_text("#!/bin/sh\necho tool\n")
    (tmp_path / "run me.sh").write_text("echo run\n")
    (tmp_path / "train.py").write_text("#!/usr/bin/env python3\n")
    (tmp_path / "data.bin").write_bytes(b"\x7fELF")
    (tmp_path / "dos.sh").write_bytes(b"#!/bin/sh\r\necho\r\n")
    return tmp_path


def test_a_file_with_a_first_line_is_copied(place: Path) -> None:
    assert command_of(("tool", "x"), False, cwd=str(place)) == Command(("tool", "x"), script=b"#!/bin/sh\necho tool\n")


def test_a_known_suffix_gets_its_interpreter(place: Path) -> None:
    assert command_of(("run me.sh",), False, cwd=str(place)).script == b"#!/usr/bin/env bash\necho run\n"


def test_a_python_script_keeps_its_imports(place: Path) -> None:
    assert command_of(("./train.py", "1"), False, cwd=str(place)).python_path == str(place)


def test_after_two_dashes_it_runs_where_it_lies(place: Path) -> None:
    assert command_of(("./train.py",), True, cwd=str(place)) == Command(("./train.py",))


def test_a_program_is_no_script(place: Path) -> None:
    assert command_of(("data.bin", "a b"), False, cwd=str(place)) == Command(("data.bin", "a b"))


def test_line_ends_of_windows_are_told(place: Path) -> None:
    with pytest.raises(InvalidSpec, match="Windows"):
        command_of(("dos.sh",), False, cwd=str(place))


def test_a_very_large_one_is_refused(place: Path) -> None:
    (place / "big.sh").write_bytes(b"#!/bin/sh\n" + b"#" * SCRIPT_MAX)
    with pytest.raises(InvalidSpec, match="larger than 16 MB"):
        command_of(("big.sh",), False, cwd=str(place))


@pytest.mark.parametrize("text", ["a b", "a;b", "a|b", "echo $X", "x>y", "ls *", "a\nb", "`x`"])
def test_texts_for_a_shell(text: str) -> None:
    assert command_of((text,), False) == Command((text,), "bash")
    assert command_of((text,), True) == Command((text,))
    assert command_of((text,), False, "zsh") == Command((text,), "zsh")


def test_plain_words() -> None:
    assert command_of(("nvidia-smi",), False) == Command(("nvidia-smi",))
    assert command_of(("echo", "a b"), False) == Command(("echo", "a b"))


def test_wrong_words() -> None:
    with pytest.raises(InvalidSpec, match="shell: "):
        command_of(("echo", "a"), False, "bash")
    with pytest.raises(InvalidSpec, match="nothing to run"):
        command_of((), True)

"""What is said of code and of environments, and when two of them are the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runyard.errors import InvalidSpec
from runyard.model.code import Code, CodeRecord, Part, moved, same_code, title
from runyard.model.drift import Installed, differences

CODE = Code("/work", "4f2a91c0d3" + "0" * 30, "main")
CLEAN = CodeRecord(5.0, "tree-1")


def record(tree: str, **files: str) -> CodeRecord:
    lines = tuple(name.replace("_", " ", 1).replace("_", ".") for name in files)
    return CodeRecord(5.0, tree, lines, tuple(files.values()))


@pytest.mark.parametrize(
    ("code", "seen", "told"),
    [
        (CODE, None, "main 4f2a91c0d3"),
        (CODE, CLEAN, "main 4f2a91c0d3, nothing changed"),
        (replace(CODE, branch=""), record("t", M_a="1"), "4f2a91c0d3, 1 file changed"),
        (replace(CODE, commit=""), replace(CLEAN, changed=("A x",), more=3), "main no commit yet, 4 files changed"),
        (CODE, CodeRecord(5.0, problem="git is not installed here"), "main 4f2a91c0d3 (git is not installed here)"),
    ],
)
def test_code_in_a_few_words(code: Code, seen: CodeRecord | None, told: str) -> None:
    assert title(code, seen) == told


def test_files_that_moved() -> None:
    before = record("t1", M_train_py="1", A_new_py="2", M_same_py="3", A_out_txt="4")
    after = record("t2", M_train_py="9", M_same_py="3", A_log_txt="5", D_gone_txt="6")
    assert moved(before, after) == ("gone.txt", "new.py", "train.py")


def test_what_jobs_write_is_no_change_of_code() -> None:
    assert same_code(CLEAN, record("t2", A_results_csv="1"))
    assert not same_code(CLEAN, record("t2", A_helper_py="1"))
    assert not same_code(CLEAN, record("t2", M_results_csv="1"))


def test_what_is_not_known_is_not_the_same() -> None:
    assert same_code(CLEAN, CLEAN)
    assert not same_code(CodeRecord(5.0), CodeRecord(5.0))
    assert not same_code(CLEAN, CodeRecord(5.0))
    assert not same_code(replace(CLEAN, more=1), record("t2"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"root": "work"},
        {"root": "/a\0b"},
        {"key": "ab"},
        {"frozen": (Part("", "/work", "t"),)},
        {"key": "../x", "frozen": (Part("", "/work", "t"),)},
        {"key": "ab", "frozen": (Part("", "work", "t"),)},
    ],
)
def test_what_is_no_code(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidSpec):
        Code(**{"root": "/work", **wrong})  # type: ignore[arg-type]


def test_packages_that_differ() -> None:
    before = "python 3.11 (/usr/bin/python3.11, 5 bytes of 7)\nnumpy 1.26.4\ntorch 2.4.0\n"
    after = "python 3.12 (/usr/bin/python3.12, 5 bytes of 7)\nnumpy 1.26.4\njax 0.4\nattrs 1\nattrs 2\n"
    assert differences(before, after) == (
        "attrs 1, 2 is new",
        "jax 0.4 is new",
        "python 3.11 (/usr/bin/python3.11, 5 bytes of 7) -> 3.12 (/usr/bin/python3.12, 5 bytes of 7)",
        "torch 2.4.0 is gone",
    )
    assert differences(before, before) == ()


def test_an_interpreter_has_a_whole_path() -> None:
    with pytest.raises(InvalidSpec, match="python3"):
        Installed("python3", "0" * 64)

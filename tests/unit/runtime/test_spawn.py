"""From an order to arguments and names."""

from __future__ import annotations

from typing import Any

import pytest

from runyard.runtime.protocol import Start
from runyard.runtime.rundir import RunDir
from runyard.runtime.spawn import build_argv, expand_output

WHERE = RunDir("/runs/12.1", 12, 1)


def start(*command: str, **more: Any) -> Start:
    return Start(12, 1, "token", command, "/work")._replace(**more)


@pytest.mark.parametrize(
    ("order", "argv"),
    [
        (start("python", "train.py", "-x", "a b"), ["python", "train.py", "-x", "a b"]),
        (start("a | b", shell="bash"), ["bash", "-c", "a | b"]),
        (start("a | b", shell="sh"), ["sh", "-c", "a | b"]),
        (start("a | b", shell="zsh"), ["zsh", "-c", "a | b"]),
        (start("a | b", shell="login"), ["/bin/zsh", "-l", "-c", "a | b"]),
    ],
)
def test_argv(order: Start, argv: list[str]) -> None:
    assert build_argv(order, WHERE, {b"SHELL": b"/bin/zsh"}) == argv


def test_a_login_shell_without_shell_in_the_environment() -> None:
    assert build_argv(start("x", shell="login"), WHERE, {})[0] == "bash"


def test_setup_comes_before_the_command() -> None:
    argv = build_argv(start("a | b", shell="sh", setup=("one", "it's two")), WHERE, {})
    assert argv[:2] == ["bash", "-c"]
    assert argv[3:] == ["bash", "sh", "-c", "a | b"]
    text = argv[2].splitlines()
    assert [line for line in text if line.startswith("{")] == ["{ one", "{ it's two"]
    assert text[-1] == 'exec "$@"'


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("out.log", "/work/out.log"),
        ("/logs/%j.log", "/logs/12.log"),
        ("%x-%j_%a", "/work/name-12_3"),
        ("%%j%", "/work/%j%"),
        ("%q", "/work/%q"),
    ],
)
def test_output(pattern: str, path: str) -> None:
    variables = {"RUNYARD_ARRAY_INDEX": "3", "RUNYARD_JOB_NAME": "name"}
    assert expand_output(start("x", output=pattern, variables=variables)) == path


@pytest.mark.parametrize(
    ("name", "path"), [("../up", ".._up"), ("/etc/passwd", "_etc_passwd"), ("a\0b", "a_b"), ("%j", "%j")]
)
def test_a_name_never_becomes_a_path(name: str, path: str) -> None:
    order = start("x", output="logs/%x", variables={"RUNYARD_JOB_NAME": name})
    assert expand_output(order) == "/work/logs/" + path


def test_without_array_and_name() -> None:
    assert expand_output(start("x", output="%x-%a")) == "/work/job-0"

"""`ry help VERB` is `ry VERB --help`."""

from __future__ import annotations

import pytest

from runyard.cli.app import root
from tests.unit.cli.fake import Cli
from tests.unit.cli.reference import commands


@pytest.mark.parametrize("words", [(), ("submit",), ("ps",), ("queue",), ("queue", "add"), ("help",)])
def test_it_says_what_the_flag_says(words: tuple[str, ...]) -> None:
    assert Cli().ok("help", *words) == Cli().ok(*words, "--help")


def test_it_fits_a_terminal_of_80_columns() -> None:
    texts = {path: command.get_help(ctx) for path, command, ctx, _ in commands(root, None, "ry", 80)}
    assert not [(path, line) for path, text in texts.items() for line in text.splitlines() if len(line) > 80]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("sumbit",), "there is no verb 'sumbit'; did you mean 'submit'? (see ry --help)"),
        (("queue", "frob"), "frob"),
        (("submit", "frob"), "ry submit has no verbs of its own"),
    ],
)
def test_an_unknown_verb(words: tuple[str, ...], says: str) -> None:
    result = Cli()("help", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr and result.stderr.count("\n") == 1


def test_job_name_is_a_name_that_help_does_not_list() -> None:
    cli = Cli()
    for flag in ("--job-name", "--name", "-J"):
        cli.ok("submit", flag, "mine", "--", "true")
        assert cli.service.spec.name == "mine"
    cli.ok("submit", "-J", "first", "--job-name=last", "--", "true")
    assert cli.service.spec.name == "last"
    assert "--job-name" not in cli.ok("submit", "--help")


def test_the_selectors_are_explained() -> None:
    told = Cli().ok("stop", "--help")
    for words in ("match any of them", "name:x", "12.2"):
        assert words in told


@pytest.mark.parametrize("flag", [("-n", "-1"), ("-n-1",), ("--lines", "-1"), ("--lines=-1",)])
def test_a_number_of_lines_below_nothing(flag: tuple[str, ...]) -> None:
    told = Cli()("logs", *flag, "x").stderr
    assert "-1 is not in the range 0<=x<=1000000" in told and "-n1" not in told

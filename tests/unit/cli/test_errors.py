"""How the command line fails: one line, an exit code, and JSON where it was asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click import Group

from runyard.cli.app import VERBS, root
from runyard.cli.lazy import LazyGroup
from runyard.errors import BY_NAME, InvalidSpec, RunyardError
from tests.unit.cli.fake import ENVIRON, Cli, FakeService, row


@pytest.mark.parametrize("kind", BY_NAME.values())
def test_each_error_is_one_line_and_its_exit_code(kind: type[RunyardError]) -> None:
    text = "first line\nsecond \x1b[31m"
    for args, stream in ((("clean",), "stderr"), (("clean", "--json"), "stdout")):
        service = FakeService()
        error = InvalidSpec(text) if kind is InvalidSpec else kind(text)
        service.clean = lambda dry=False, error=error: (_ for _ in ()).throw(error)  # type: ignore[method-assign, misc]
        result = Cli(service)(*args)
        assert result.exit_code == kind.exit_code
        if stream == "stderr":
            assert (result.stdout, result.stderr) == ("", "ry: first line second ?[31m\n")
        else:
            expected = {"kind": kind.__name__, "message": text, "exit_code": kind.exit_code}
            assert json.loads(result.stdout) == {"error": expected}
            assert result.stderr == ""


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["sbumit"], "there is no verb 'sbumit'; did you mean 'submit'?"),
        (["ls", "--frob"], "(see ry ls --help)"),
        (["stop"], "JOB"),
        (["queue", "frob"], "frob"),
    ],
)
def test_a_wrong_command_line(args: list[str], told: str) -> None:
    result = Cli()(*args)
    assert result.exit_code == 2
    assert result.stderr.startswith("ry: ") and told in result.stderr and result.stderr.count("\n") == 1
    error = json.loads(Cli()(*args, "--json").stdout)["error"]
    assert (error["kind"], error["exit_code"]) == ("UsageError", 2)


def test_json_behind_two_dashes_is_the_jobs_own() -> None:
    result = Cli()("submit", "--frob", "--", "x", "--json")
    assert result.stdout == ""


def test_a_wrong_selector_is_named() -> None:
    assert Cli(FakeService().add(row(1)))("ls", "state:done2").stderr.startswith("ry: state:done2")


def test_the_home_comes_from_flag_environment_or_account(tmp_path: Path) -> None:
    def home(*args: str, environ: dict[str, str]) -> str:
        told = Cli(environ=environ, runs=False)(*args, "server", "status", "--json").stdout
        return str(json.loads(told)["error"]["message"])

    assert "/home/ada/.runyard" in home(environ={"HOME": "/home/ada"})
    assert "/yard;" in home(environ=ENVIRON)
    assert f"{tmp_path};" in home("--home", str(tmp_path), environ=ENVIRON)


def test_version() -> None:
    assert Cli().ok("--version").startswith("runyard 0.")


def verbs(group: Group, path: str = "ry") -> list[tuple[str, str]]:
    """Every verb and its help."""
    cli = Cli()
    found = []
    import_context = root.make_context("ry", [], obj=None, resilient_parsing=True)
    for name in group.list_commands(import_context):
        command = group.get_command(import_context, name)
        assert command is not None
        found.append((f"{path} {name}", cli.ok(*path.split()[1:], name, "--help")))
        if isinstance(command, Group):
            found += verbs(command, f"{path} {name}")
    return found


def test_every_verb_has_help_with_an_example() -> None:
    for name, text in verbs(root):
        assert "Example" in text, name
        assert f"{name.removeprefix('ry ')}" in text, name


def test_the_table_of_verbs_says_what_the_verbs_say() -> None:
    assert isinstance(root, LazyGroup)
    context = root.make_context("ry", [], obj=None, resilient_parsing=True)
    for verb in VERBS:
        command = root.get_command(context, verb.name)
        assert command is not None and command.name == verb.name
        assert (command.help or "").partition("\n")[0].startswith(verb.help.rstrip(".")), verb.name
        for alias in verb.aliases:
            assert root.get_command(context, alias) is command

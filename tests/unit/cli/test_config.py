"""The settings: file < environment < flags."""

from __future__ import annotations

from pathlib import Path

import pytest

from runyard.config import load
from runyard.errors import UsageError
from runyard.service.controller import CONNECTED_S
from runyard.settings import BEAT_WAIT_MAX_S, BOUNDS


def test_defaults() -> None:
    settings = load({"HOME": "/home/ada"})
    assert settings.home == "/home/ada/.runyard"
    assert settings.warm_runners == 2


def test_file_environment_flags(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        'warm_runners = 3\nkeep_runs_days = 7\nbeat_wait_s = 1\nstore = "sqlite://"\n'
    )
    environ = {"RUNYARD_HOME": str(tmp_path), "RUNYARD_WARM_RUNNERS": "4", "RUNYARD_FOREIGN_MB": "1"}
    settings = load(environ, {"foreign_mb": 2, "min_free_mb": None})
    assert (settings.warm_runners, settings.keep_runs_days, settings.beat_wait_s) == (4, 7, 1.0)
    assert (settings.foreign_mb, settings.min_free_mb, settings.store) == (2, 50, "sqlite://")
    assert isinstance(settings.beat_wait_s, float)


def test_a_home_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load({"RUNYARD_HOME": "here/../there"}).home == str(tmp_path / "there")
    assert load({"RUNYARD_HOME": "~/x", "HOME": "/home/ada"}).home == "/home/ada/x"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("frob = 1", "frob"),
        ('warm_runners = "many"', "warm_runners"),
        ("warm_runners = -1", "warm_runners"),
        ("warm_runners = 1.5", "warm_runners"),
        ("warm_runners = true", "warm_runners"),
        ("store = 1", "store"),
        ("keep_runs_days = inf", "keep_runs_days"),
        ("keep_runs_days = nan", "keep_runs_days"),
        ("look_every_s = inf", "look_every_s"),
        ('home = "/x"', "home"),
        ("= 3", "config.toml"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(UsageError, match=named):
        load({"RUNYARD_HOME": str(tmp_path)})


def test_a_wrong_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="RUNYARD_WARM_RUNNERS"):
        load({"RUNYARD_HOME": str(tmp_path), "RUNYARD_WARM_RUNNERS": "x"})


@pytest.mark.parametrize("text", ["0", "0.99", "30.01", "3600", "-1", "nan", "inf", "x"])
def test_a_beat_waits_neither_too_long_nor_not_at_all(tmp_path: Path, text: str) -> None:
    """Too long and its agent is taken for silent; not at all and it burns a CPU."""
    with pytest.raises(UsageError, match=f"RUNYARD_BEAT_WAIT_S: a number from 1 to 30 was expected, not '{text}'"):
        load({"RUNYARD_HOME": str(tmp_path), "RUNYARD_BEAT_WAIT_S": text})
    for good in ("1", "30"):
        assert load({"RUNYARD_HOME": str(tmp_path), "RUNYARD_BEAT_WAIT_S": good}).beat_wait_s == float(good)


def test_the_longest_beat_is_shorter_than_the_silence_that_counts() -> None:
    assert BEAT_WAIT_MAX_S <= CONNECTED_S / 2
    assert BOUNDS["beat_wait_s"][1] == BEAT_WAIT_MAX_S


def test_variables_of_a_job_are_no_settings(tmp_path: Path) -> None:
    assert load({"RUNYARD_HOME": str(tmp_path), "RUNYARD_JOB_ID": "3"}).home == str(tmp_path)


def test_an_unknown_flag_is_named() -> None:
    with pytest.raises(UsageError, match="frob"):
        load({}, {"frob": 1})


def test_lists_and_tables(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        'public_prefixes = ["DQ_", "EXP_"]\n[defaults]\ntime = "2h"\n[hooks.desk]\ncommand = ["true"]\n'
    )
    settings = load({"RUNYARD_HOME": str(tmp_path)})
    assert settings.public_prefixes == ("DQ_", "EXP_")
    assert (settings.defaults, settings.hooks) == ({"time": "2h"}, {"desk": {"command": ["true"]}})
    environ = {"RUNYARD_HOME": str(tmp_path), "RUNYARD_PUBLIC_PREFIXES": "A_, B_", "RUNYARD_HOOKS": "x"}
    assert load(environ).public_prefixes == ("A_", "B_")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('public_prefixes = ["DQ_", ""]', "public_prefixes: a list of texts, none of them empty"),
        ("public_prefixes = 3", "public_prefixes"),
        ('defaults = "time=2h"', "defaults: a table was expected"),
        ('[hooks.desk]\ncommand = "true"', "hooks.desk: command is a list of words"),
        ('[hooks.desk]\nurl = "file:///etc/passwd"', "hooks.desk: url is http"),
        ('[hooks.desk]\ncommand = ["x"]\nurl = "http://x/"', "hooks.desk: exactly one of command, url and mail"),
        ('[hooks.desk]\ncommand = ["x"]\non = "burned"', "hooks.desk: there is no event 'burned'"),
        ('[hooks.desk]\ncommand = ["x"]\nfrob = 1', "hooks.desk: there is no 'frob' beside command"),
        ('[hooks."a b"]\ncommand = ["x"]', "hooks.a b: a hook's name"),
        ('[hooks.m]\nmail = "a@b\\nBcc: c"', "hooks.m: .* is no mail address"),
    ],
)
def test_wrong_lists_and_tables_are_named(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(UsageError, match=named):
        load({"RUNYARD_HOME": str(tmp_path)})

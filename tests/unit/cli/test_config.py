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

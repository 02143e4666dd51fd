"""The settings: file < environment < flags."""

from __future__ import annotations

from pathlib import Path

import pytest

from runyard.config import load
from runyard.errors import UsageError


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


def test_variables_of_a_job_are_no_settings(tmp_path: Path) -> None:
    assert load({"RUNYARD_HOME": str(tmp_path), "RUNYARD_JOB_ID": "3"}).home == str(tmp_path)


def test_an_unknown_flag_is_named() -> None:
    with pytest.raises(UsageError, match="frob"):
        load({}, {"frob": 1})

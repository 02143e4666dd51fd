"""A server that starts with the machine: units that systemd itself looks at, and a real crontab of an account's own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runyard.foreign import crontab, systemd
from runyard.foreign.systemd import Service
from tests.acceptance.typist import Typist

IS_ROOT = os.getuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root makes accounts")
needs_crontab = pytest.mark.skipif(not shutil.which("crontab"), reason="there is no crontab")
needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze")
AS = ("--as-root",) if IS_ROOT else ()


@needs_systemd
@pytest.mark.parametrize("account", ["", "root"])
@pytest.mark.parametrize("home", ["yard", 'a "b" %h $HOME \\ c', "größe"])
def test_systemd_takes_the_unit_as_it_is(tmp_path: Path, account: str, home: str) -> None:
    where = str(tmp_path / home)
    service = Service(where, shutil.which("python3") or "", systemd.service_name(where, "/none"), account)
    path = tmp_path / service.file
    path.write_text(systemd.unit(service))
    environ = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    argv = ["systemd-analyze", *service.scope, "verify", str(path)]
    ended = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")


def test_each_home_has_a_unit_of_its_own() -> None:
    names = {systemd.service_name(home, "/home/.runyard") for home in ("/home/.runyard", "/a", "/b")}
    assert len(names) == 3 and "runyard" in names


def test_a_unit_that_was_changed_is_known() -> None:
    text = systemd.unit(Service("/yard", "/usr/bin/python3"))
    assert systemd.is_ours(text) is True
    assert systemd.is_ours(text.replace("RestartSec=5", "RestartSec=9")) is False
    assert systemd.is_ours("[Unit]\n") is None
    for line in ("KillMode=process", "Delegate=yes", "Restart=on-failure", 'Environment="RUNYARD_HOME=/yard"'):
        assert f"\n{line}\n" in text


def test_a_dry_run_shows_all_of_it_and_writes_nothing(ry: Typist, tmp_path: Path) -> None:
    shown = ry.ok("server", "install", *AS, "--by", "systemd", "--dry-run", XDG_CONFIG_HOME=str(tmp_path / "config"))
    assert f'Environment="RUNYARD_HOME={ry.yard.home.root}"' in shown and "runyard.wiring.server" in shown
    assert ("User=root" in shown) == IS_ROOT
    assert not (tmp_path / "config").exists()
    assert "@reboot " in ry.ok("server", "install", *AS, "--by", "cron", "--dry-run")


def test_a_unit_is_removed_only_as_it_was_written(ry: Typist, tmp_path: Path) -> None:
    """The unit lies where `install` puts it (root's among the system's own), but is not enabled: nothing starts it."""
    home = ry.yard.home.root
    name = systemd.service_name(home, str(tmp_path / ".runyard"))
    service = Service(home, "/usr/bin/python3", name, "root" if IS_ROOT else "")
    path = Path(systemd.unit_path(service, str(tmp_path)))
    path.parent.mkdir(parents=True, exist_ok=True)
    words = ("server", "uninstall", *AS, "--by", "systemd")
    try:
        path.write_text(systemd.unit(service) + "# mine\n")
        assert "was changed; --force" in ry.refused(*words, code=1, XDG_CONFIG_HOME=str(tmp_path))
        path.write_text(systemd.unit(service))
        assert "would remove" in ry.ok(*words, "--dry-run", XDG_CONFIG_HOME=str(tmp_path))
        ry.ok(*words, XDG_CONFIG_HOME=str(tmp_path))
        assert not path.exists()
    finally:
        path.unlink(missing_ok=True)


@needs_root
def test_root_says_whose_server_it_is(ry: Typist) -> None:
    words = ("server", "install", "--dry-run", "--by", "systemd")
    assert "--account NAME, or --as-root" in ry.refused(*words, code=77)
    assert "there is no account 'nobody-there'" in ry.refused(*words, "--account", "nobody-there")
    assert "User=daemon\n" in ry.ok(*words, SUDO_USER="daemon")


def test_in_a_pipe_it_asks_nothing(ry: Typist) -> None:
    assert "say --now or --no-now" in ry.refused("server", "install", *AS, "--by", "cron")


@pytest.fixture
def account() -> Iterator[str]:
    """An account of the test's own, with no crontab yet."""
    name = f"ry-test-{os.getpid()}"
    subprocess.run(["useradd", "--no-create-home", "--", name], check=True)
    yield name
    subprocess.run(["crontab", "-u", name, "-r"], check=False, capture_output=True)
    subprocess.run(["userdel", "--", name], check=True, capture_output=True)


@needs_root
@needs_crontab
def test_a_line_in_a_crontab_comes_and_goes_alone(ry: Typist, account: str) -> None:
    others = "# mine\n\n5 4 * * * echo 100\\%\n"
    crontab.write(others.encode(), account)
    words = ("server", "install", "--account", account, "--by", "cron")
    shown = ry.ok(*words, "--no-now")
    line = crontab.line_of(ry.yard.home.root, shown.split("@reboot ")[1].split()[0])
    assert line in shown
    ry.ok(*words, "--no-now")
    assert crontab.read(account).decode() == f"{others}{line}\n"
    gone = ("server", "uninstall", "--account", account)
    assert "would remove" in ry.ok(*gone, "--dry-run")
    crontab.write(f"{others}{line.replace('@reboot', '@daily')}\n".encode(), account)
    assert "was changed; --force" in ry.refused(*gone, code=1)
    ry.ok(*gone, "--force")
    assert crontab.read(account).decode() == others
    assert "nothing is installed" in ry.refused(*gone)
    crontab.write(b"", account)
    assert crontab.read(account) == b""


@needs_root
@needs_crontab
def test_the_line_starts_a_server(ry: Typist, tmp_path: Path) -> None:
    """What cron would do at boot, with its shell and its bare environment."""
    home = tmp_path / "100% a home"
    shown = ry.ok("--home", str(home), "server", "install", "--as-root", "--by", "cron", "--dry-run")
    command = shown.split("@reboot ", 1)[1].strip().replace("\\%", "%")
    environ = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "LOGNAME": "root"}
    subprocess.run(["/bin/sh", "-c", command], env=environ, cwd=tmp_path, timeout=60, check=True)
    told = ry("--home", str(home), "server", "status", "--json")
    assert told.code == 0 and str(home) in told.out
    ry.ok("--home", str(home), "server", "stop")


def test_doctor_says_whether_it_is(ry: Typist) -> None:
    (boot,) = [verdict for verdict in ry.json("doctor") if verdict["check"] == "boot"]
    assert boot["verdict"] == "ok" and "ry server install" in boot["advice"]

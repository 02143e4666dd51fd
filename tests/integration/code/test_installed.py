"""Which interpreter a command uses, and what is installed for it: read off the disk, nothing is started."""

from __future__ import annotations

import os
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

from runyard.foreign.installed import listing, sources
from runyard.submitting.python import interpreter_called, interpreter_named, interpreter_of


def program(path: Path, text: str = "\x7fELF") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    root = tmp_path / "venv"
    program(root / "bin" / "python3")
    (root / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.4\n")
    site = root / "lib" / "python3.11" / "site-packages"
    for name in ("numpy-1.26.4.dist-info", "torch-2.4.0+cu121.dist-info", "old_one-0.1-py3.11.egg-info", "numpy"):
        (site / name).mkdir(parents=True)
    return root


def test_what_is_installed(venv: Path) -> None:
    first, *rest = listing(str(venv / "bin" / "python3")).splitlines()
    assert first.startswith("python 3.11.4 (")
    assert rest == ["numpy 1.26.4", "old_one 0.1", "torch 2.4.0+cu121"]


def test_our_own_environment_is_told_as_python_tells_it() -> None:
    told = {tuple(line.rsplit(" ", 1)) for line in listing(sys.executable).splitlines()[1:]}
    wanted = {
        (found.metadata["Name"].replace("-", "_").replace(".", "_").lower(), found.version)
        for found in distributions()
        if found.metadata["Name"] and "site-packages" in str(found.locate_file(""))
    }
    assert wanted - {(name.replace("-", "_").replace(".", "_").lower(), version) for name, version in told} == set()


def test_an_interpreter_that_is_gone() -> None:
    assert listing("/nowhere/python3") == "python is-missing (/nowhere/python3)\n"


def test_source_trees_that_are_imported_from(venv: Path) -> None:
    site = venv / "lib" / "python3.11" / "site-packages"
    (site / "__editable__.mine-0.1.pth").write_text("/home/ada/work/src\n")
    (site / "__editable___other_finder.py").write_text("MAPPING: dict = {'other': '/home/ada/other/src/other'}\n")
    (site / "distutils-precedence.pth").write_text("import os\n")
    assert sorted(sources(str(venv / "bin" / "python3"))) == ["/home/ada/other/src", "/home/ada/work/src"]


def test_the_interpreter_of_a_program(venv: Path, tmp_path: Path) -> None:
    path, python = f"{tmp_path}/bin:{venv}/bin", str(venv / "bin" / "python3")
    program(tmp_path / "bin" / "torchrun", f"#!{python}\n")
    program(tmp_path / "bin" / "tool", "#!/usr/bin/env -S python3 -u\n")
    program(tmp_path / "bin" / "shell", "#!/bin/sh\n")
    assert interpreter_of("python3", "/", path) == python
    assert interpreter_of(python, "/", "") == python
    assert interpreter_of("bin/python3", str(venv), "") == python
    assert interpreter_of("torchrun", "/", path) == python
    assert interpreter_of("tool", "/", path) == python
    for other in ("shell", "missing", "/bin", "true"):
        assert interpreter_of(other, "/", path) == ""


def test_the_interpreter_of_a_line(venv: Path) -> None:
    path, python = f"{venv}/bin", str(venv / "bin" / "python3")
    assert interpreter_called("cd x && python3 train.py | tee log", "/", path) == python
    assert interpreter_called(f"{python} train.py", "/", "") == python
    assert interpreter_called("echo python3.9", "/", path) == ""
    assert interpreter_called("", "/", path) == ""


def test_the_interpreter_of_a_script(venv: Path) -> None:
    assert interpreter_named(b"#!/usr/bin/env python3\nprint()\n", "/", f"{venv}/bin") == str(venv / "bin" / "python3")
    assert interpreter_named(b"#!/bin/bash\n", "/", f"{venv}/bin") == ""
    assert interpreter_named(b"", "/", f"{venv}/bin") == ""


def test_a_shim_of_pyenv(tmp_path: Path) -> None:
    pyenv = tmp_path / "pyenv"
    program(pyenv / "shims" / "python3", "#!/bin/bash\n")
    real = program(pyenv / "versions" / "3.12.1" / "bin" / "python3")
    (pyenv / "version").write_text("3.11.0\n")
    work = tmp_path / "work" / "deep"
    work.mkdir(parents=True)
    (tmp_path / "work" / ".python-version").write_text("3.12.1\n")
    assert interpreter_of("python3", str(work), str(pyenv / "shims")) == str(real)
    assert interpreter_of("python3", "/", str(pyenv / "shims")) == ""


def test_a_project_that_is_run_by_uv(tmp_path: Path) -> None:
    python = program(tmp_path / "project" / ".venv" / "bin" / "python")
    program(tmp_path / "bin" / "uv")
    inner = tmp_path / "project" / "src"
    inner.mkdir()
    assert interpreter_of("uv", str(inner), str(tmp_path / "bin")) == str(python)
    assert interpreter_of("uv", "/", str(tmp_path / "bin")) == ""


def test_names_of_any_bytes(tmp_path: Path) -> None:
    strange = os.fsdecode(b"caf\xe9")
    python = program(tmp_path / strange / "bin" / "python3")
    assert strange in listing(str(python))

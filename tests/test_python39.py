"""What is shipped to hosts works under Python 3.9: its syntax, what it uses of the library, and its unit tests.

The first two need no 3.9. Unit tests run where `tests/prerequisites.sh` found one and made `.venv39` for it; those in
SHIPPED_TESTS need pytest and hypothesis alone.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests import tidy

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "src" / "runyard"
SHIPPED = sorted(path for place in tidy.SHIPPED for path in SOURCES.glob(f"{place}**/*.py" if "/" in place else place))
IMPORT_EACH = """
import importlib, os, sys
sys.path.append(sys.argv[1])
for name in sys.argv[2:]:
    if not os.fork():
        importlib.import_module(name)
        os._exit(0)
    if os.wait()[1]:
        sys.exit(name + " is not imported")
"""
"""Each in a process that has imported none of the others."""

FEW_EXAMPLES = """
import sys, hypothesis, pytest
hypothesis.settings.register_profile("few", max_examples=10)
hypothesis.settings.load_profile("few")
sys.exit(pytest.main(sys.argv[1:]))
"""
"""The properties themselves are proven where all tests run; here it is whether the code runs."""

SHIPPED_TESTS = ("tests/unit/model", "tests/unit/runtime", "tests/unit/agent")


@cache
def python39() -> str:
    """A Python 3.9 that runs (a name on the PATH may be an empty shim), or a skip."""
    installed = Path.home().glob(".pyenv/versions/3.9*/bin/python3.9")
    for python in (shutil.which("python3.9"), *sorted(map(str, installed))):
        if python and run(python, "-c", "").returncode == 0:
            return python
    pytest.skip("no python3.9 on this machine")


def run(*argv: str, **environ: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT / "src"), **environ}
    return subprocess.run(argv, cwd=ROOT, env=environment, text=True, capture_output=True, timeout=250, check=False)


def dotted(path: Path) -> str:
    parts = path.relative_to(SOURCES.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", SHIPPED, ids=dotted)
def test_its_syntax_is_that_of_39(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=(3, 9))


def test_it_uses_only_what_39_has() -> None:
    vermin = str(Path(sys.executable).with_name("vermin"))
    found = run(vermin, "--target=3.9-", "--violations", "--no-tips", *map(str, SHIPPED))
    assert found.returncode == 0, found.stdout + found.stderr


def test_39_imports_each_alone(tmp_path: Path) -> None:
    pynvml = importlib.util.find_spec("pynvml")
    assert pynvml is not None and pynvml.origin is not None
    (tmp_path / "pynvml.py").symlink_to(pynvml.origin)
    copy = shutil.copytree(SOURCES, tmp_path / "src" / "runyard", ignore=shutil.ignore_patterns("__pycache__"))
    compiled = {"PYTHONPATH": str(copy.parent), "PYTHONDONTWRITEBYTECODE": ""}  # once, not by each
    imported = run(python39(), "-c", IMPORT_EACH, str(tmp_path), *map(dotted, SHIPPED), **compiled)
    if imported.returncode:
        pytest.fail(imported.stderr, pytrace=False)


def test_39_passes_its_unit_tests() -> None:
    python = ROOT / ".venv39" / "bin" / "python"
    directories = [directory for directory in SHIPPED_TESTS if any((ROOT / directory).rglob("test_*.py"))]
    if not directories:
        pytest.skip(f"nothing to run yet in {', '.join(SHIPPED_TESTS)}")
    if not python.exists():
        pytest.skip("no .venv39: tests/prerequisites.sh makes it where there is a python3.9")
    words = ("-p", "no:cacheprovider", "--confcutdir=tests/unit", *directories)
    passed = run(str(python), "-c", FEW_EXAMPLES, *words)
    assert passed.returncode == 0, passed.stdout + passed.stderr

"""cmd_queue's own tests and the examples of its README run on ours: only the import is changed.

`tests/prerequisites.sh` puts its source distribution beside a Python that has us and what its tests need. What is left
out has its reason in LEFT_OUT. The tests run once, all of them; home, cache, tmux server, yard and Slurm are their own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from xml.etree import ElementTree

import pytest

from tests.harness import processes
from tests.harness.airflow import Airflow
from tests.harness.nursery import ROOT
from tests.harness.slurm import Slurm

BIN = ROOT / ".venv-cmd_queue" / "bin"
SOURCE = ROOT / ".venv-cmd_queue" / "source"
RUN_S = 300

LEFT_OUT = {
    "test_block_timeout.py": "private functions; the variable that they read is tested beside this",
    "test_cleanup.py": "private functions that know sessions by their names; ours are known by a mark",
    "test_package_metadata.py": "skipped there always",
    "test_slurm_variants.py": "private functions: the words after --wrap, of which ours has none",
    "test_tmux_attach.py": "private functions, replaced one by one",
    "test_bash_variants.py::test_primary_bash_job_text_variants": "looks for variables of its script",
    "test_bash_variants.py::test_bash_job_variants_syntax_grided": "looks for variables of its script",
    "test_bash_variants.py::test_bashjob_exec_cwd_restores_worker_dir": "looks for a variable of its script",
    "test_bash_variants.py::test_bashjob_teardown_traps_hup": "looks for a trap that bash needs not",
}
"""Of its tests, why they cannot be run on anything else."""

PORTABLE = 49
"""So many tests are left, those for its four backends counted one by one."""

COMMANDS = re.compile(r"^(\s*)cmd_queue (new|submit|show|run) ", re.MULTILINE)
EXAMPLES = re.compile(r"^\.\. code:: (python|bash)\n\n((?:(?:[ ]{3}.*)?\n)+)", re.MULTILINE)

pytestmark = pytest.mark.skipif(not SOURCE.is_dir(), reason="takes .venv-cmd_queue (tests/prerequisites.sh)")


def ours(text: str) -> str:
    """The text with only the import changed (its classes may be imported from a private place), or the command."""
    text = COMMANDS.sub(r"\1ry pipeline \2 ", text)
    text = re.sub(r"\bcmd_queue\.backends\.(\w+) import", r"runyard.\1_queue import", text)
    return re.sub(r"\bcmd_queue\b", "runyard", text)


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Variables under which nothing of the user's is touched; who was born with them is gone afterwards."""
    place = tempfile.mkdtemp(prefix="ry-")  # a short path, for sockets
    yield {
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "RUNYARD_HOME": f"{place}/home",
        "TMUX_TMPDIR": place,
    }
    processes.end_marked(f"TMUX_TMPDIR={place}")
    shutil.rmtree(place)


@pytest.mark.timeout(RUN_S)
def test_its_own_tests(tmp_path: Path, environ: dict[str, str], slurm: Slurm, airflow: Airflow) -> None:
    directory = tmp_path / "tests"
    directory.mkdir()
    for path in SOURCE.joinpath("tests").glob("test*.py"):
        (directory / path.name).write_text(ours(path.read_text()))
    directory.joinpath("airflow.py").touch()  # it looks for one in its own Python; ours takes the one in PATH
    files = sorted(f"tests/{path.name}" for path in directory.glob("test*") if path.name not in LEFT_OUT)
    left_out = [f"--deselect=tests/{name}" for name in LEFT_OUT if "::" in name]
    argv = [
        "python",
        "-m",
        "pytest",
        "-q",
        "--junit-xml=told.xml",
        "-n2",
        "--dist=loadfile",
        "--timeout=120",
        *left_out,
        *files,
    ]
    ended = _run(argv, tmp_path, slurm.environ(airflow.environ(environ)))
    told = ElementTree.parse(tmp_path / "told.xml").getroot().iter("testcase")
    ran = {f"{case.get('classname')}::{case.get('name')}": [child.tag for child in case] for case in told}
    assert not ended.returncode and not any({"failure", "error", "skipped"} & {*tags} for tags in ran.values()), (
        ended.stdout
    )
    assert len(ran) == PORTABLE


def _examples(language: str) -> list[str]:
    """The README's code in this language, without its indentation."""
    if not SOURCE.is_dir():
        return []
    found = EXAMPLES.finditer(SOURCE.joinpath("README.rst").read_text())
    blocks = [match[2] for match in found if match[1] == language]
    even = [re.sub(r"^ {5}(?=\S)", " " * 4, block, flags=re.MULTILINE) for block in blocks]  # one is not
    return [dedent(block) for block in even if "cmd_queue" in block]


PYTHON = _examples("python")
BASH = [text for text in _examples("bash") if COMMANDS.search(text)]


def test_the_examples_are_found() -> None:
    assert (len(PYTHON), len(BASH)) == (7, 2)


@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_an_example_in_python(
    number: int, tmp_path: Path, environ: dict[str, str], request: pytest.FixtureRequest
) -> None:
    text = ours(PYTHON[number])
    if "backend='airflow'" in text:
        environ = request.getfixturevalue("airflow").environ(environ)
    if "backend='slurm'" in text:  # it is read, not run: its partition is none of everybody's
        text = text.replace("self.run(block=True)", "self.write()")
    (tmp_path / "example.py").write_text(text)
    ended = _run(["python", "example.py"], tmp_path, environ)
    assert not ended.returncode, ended.stdout + ended.stderr


@pytest.mark.parametrize("number", range(len(BASH)))
def test_an_example_in_bash(number: int, tmp_path: Path, environ: dict[str, str]) -> None:
    ended = _run(["bash", "-euc", ours(BASH[number])], tmp_path, environ)
    assert not ended.returncode, ended.stdout + ended.stderr


def _run(argv: list[str], directory: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, cwd=directory, env=environ, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=RUN_S
    )

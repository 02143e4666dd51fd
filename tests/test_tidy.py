"""The sources keep the rules of tests/tidy.py, and each rule notices what it is there for."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from tests import tidy
from tests.tidy import Module, Rule

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "src" / "runyard"


@cache
def sources() -> tuple[Module, ...]:
    files = sorted(SOURCES.rglob("*.py"))
    return tuple(Module(path.relative_to(SOURCES).as_posix(), path.read_text(encoding="utf-8")) for path in files)


def found(rule: Rule, modules: Iterable[Module]) -> list[str]:
    return [f"src/runyard/{module.path}:{bad.line}: {bad.message}" for module in modules for bad in rule(module)]


@pytest.mark.parametrize("rule", tidy.RULES, ids=lambda rule: rule.__name__)
def test_the_sources_keep(rule: Rule) -> None:
    if broken := found(rule, sources()):
        pytest.fail("\n".join([rule.__doc__ or "", *broken]), pytrace=False)


def test_the_linter_knows_what_is_shipped() -> None:
    targets = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["per-file-target-version"]
    linted = {path.removesuffix("**") for path in targets if path.startswith("src/")}
    assert linted == {f"src/runyard/{path}" for path in tidy.SHIPPED}


LONG_FUNCTION = "def long() -> None:\n" + "    step()\n" * 60
SEVEN = "def f(a, b, c, *, d, e, f, g): ..."
SWALLOW = "try:\n    work()\nexcept Exception:\n    log()\n"

BROKEN: dict[Rule, list[tuple[str, str, str]]] = {
    tidy.import_table: [
        (
            "planner/fit.py",
            "from runyard.store.base import Store",
            ":1: imports runyard.store.base.Store; planner may import: model (and errors, settings)",
        ),
        ("planner/fit.py", "import runyard.store", "planner may import: model"),
        ("planner/fit.py", "from runyard import store", "planner may import: model"),
        ("planner/fit.py", "from ..store import base", "imports runyard.store.base;"),
        ("planner/policies/pack.py", "from ...store.base import Store", "imports runyard.store.base.Store;"),
        ("planner/fit.py", "import runyard\nyard = runyard.connect()", ":2: imports runyard.connect;"),
        ("planner/fit.py", "if TYPE_CHECKING:\n    from runyard.api import Service", ":2: "),
        ("planner/fit.py", "def f():\n    importlib.import_module('runyard.store.sql')", ":2: "),
        ("model/job.py", "from runyard.config import load", "model may import: nothing of ours (and errors"),
        ("cli/submit.py", "from runyard.service.local import Local", "cli may import: model, api, foreign"),
        ("wiring/cli.py", "from runyard.store.sql import SqlStore", "wiring/cli may import: nothing of ours"),
        ("wiring/agent.py", "from runyard.service.local import Yard", "wiring/agent may import: foreign, runtime"),
        ("wiring/home.py", "from runyard.cli.main import main", "wiring may import: "),
        ("errors.py", "from runyard.settings import Settings", "errors may import: nothing of ours"),
        ("settings.py", "from runyard.errors import UsageError", "settings may import: model"),
        ("helpers/__init__.py", "", "helpers has no line in MAY_IMPORT"),
    ],
    tidy.wiring_only_at_entry_points: [
        ("cli/submit.py", "from runyard.wiring.cli import connect", "cli/main.py"),
        ("agent/main.py", "from runyard import wiring", "only entry points may"),
        ("wiring/agent.py", "from runyard.wiring.server import lock_of", "in a module beside them"),
    ],
    tidy.shipped_needs_only_the_standard_library: [
        ("runtime/runner.py", "import click", "imports click;"),
        ("model/spec.py", "from yaml import safe_load", "imports yaml.safe_load;"),
        ("client/remote.py", "import tomllib", "imports tomllib;"),
    ],
    tidy.pure: [
        ("model/job.py", "import os.path", "imports os.path;"),
        ("planner/retry.py", "from random import random", "take the value as an argument"),
        ("agent/reconcile.py", "import threading", "this module is pure"),
        ("planner/fit.py", "text = open('/proc/meminfo').read()", "calls open;"),
        ("model/job.py", "now = datetime.datetime.now()", "calls datetime.datetime.now;"),
    ],
    tidy.programs_run_in_one_place: [
        ("agent/probe.py", "import subprocess", "run programs through foreign/"),
        ("cli/doctor.py", "from subprocess import run", "imports subprocess.run;"),
        ("engines/process.py", "os.posix_spawn(path, argv, {})", "calls os.posix_spawn;"),
    ],
    tidy.async_stays_in_the_server: [
        ("client/remote.py", "import asyncio", "async stays in server/"),
        ("service/local.py", "async def changed(): ...", "changed is async;"),
    ],
    tidy.imports_at_the_top: [
        ("service/local.py", "def f():\n    import json", ":2: imports inside a function"),
        ("cli/submit.py", "class A:\n    def f(self):\n        from a import b", ":3: "),
    ],
    tidy.module_docstring: [
        ("store/sql.py", "import json", "opens without a docstring"),
    ],
    tidy.module_size: [
        ("store/sql.py", "x = 1\n" * 401, ":401: has 401 lines, 400 is the most"),
    ],
    tidy.function_size: [
        ("store/sql.py", LONG_FUNCTION, ":1: long has 61 lines, 60 is the most"),
    ],
    tidy.parameters: [
        ("store/sql.py", SEVEN, "f takes 7 parameters, 6 is the most"),
        ("cli/ls.py", SEVEN, "f takes 7 parameters"),
    ],
    tidy.broad_except: [
        ("store/sql.py", SWALLOW, ":3: catches everything; only the outermost loops may"),
        ("store/sql.py", "try: work()\nexcept (KeyError, BaseException): pass", ":2: catches everything;"),
        ("store/sql.py", "try: work()\nexcept: pass", ":2: catches everything;"),
        ("store/sql.py", "with contextlib.suppress(Exception): work()", "suppresses everything"),
        ("agent/main.py", SWALLOW, "without a comment that says why"),
        ("agent/main.py", SWALLOW.replace(":\n    log", ":  # noqa: BLE001\n    log"), "without a comment"),
    ],
    tidy.threads_last: [
        ("server/app.py", "threading.Thread(target=work).start()", "calls threading.Thread; use foreign.lasting"),
        ("agent/main.py", "from threading import Timer\nTimer(1.0, work)", ":2: calls Timer;"),
    ],
    tidy.prints: [
        ("cli/ls.py", "print('hello')", "only cli/render does"),
    ],
    tidy.never: [
        ("foreign/command.py", "subprocess.run(text, shell=True)", "says shell=True; never"),
        ("model/filter.py", "eval('1 + 1')", "calls eval; never"),
        ("service/results.py", "import pickle", "imports pickle; never"),
        ("cli/submit.py", "yaml.load(text)", "calls yaml.load; never (yaml.safe_load)"),
        ("cli/submit.py", "from yaml import load", "imports yaml.load; never"),
    ],
}
"""What breaks each rule: path, text, and what the finding says."""

KEPT: dict[Rule, list[tuple[str, str]]] = {
    tidy.import_table: [
        (
            "planner/fit.py",
            "from runyard.model.job import Job\nfrom runyard.errors import Conflict\nfrom . import order",
        ),
        ("cli/main.py", "from runyard import __version__\nfrom runyard.config import load"),
        ("agent/main.py", "import runyard\nversion = runyard.__version__"),
        ("errors.py", "import os"),
    ],
    tidy.wiring_only_at_entry_points: [
        ("cli/main.py", "from runyard.wiring.cli import connect"),
        ("wiring/server.py", "from runyard.wiring.home import prepare"),
    ],
    tidy.shipped_needs_only_the_standard_library: [
        ("agent/probe.py", "import pynvml\nimport json"),
        ("server/app.py", "import fastapi"),
    ],
    tidy.pure: [
        ("agent/main.py", "import time"),
    ],
    tidy.programs_run_in_one_place: [
        ("foreign/command.py", "import subprocess"),
    ],
    tidy.async_stays_in_the_server: [
        ("server/beat.py", "import asyncio\nasync def beat(): ..."),
    ],
    tidy.imports_at_the_top: [
        ("cli/main.py", "def group():\n    import runyard.cli.submit"),
    ],
    tidy.module_docstring: [
        ("store/__init__.py", ""),
    ],
    tidy.module_size: [
        ("store/sql.py", "x = 1\n" * 400),
    ],
    tidy.function_size: [
        ("store/sql.py", LONG_FUNCTION.replace("    step()\n", '    """Says\n    why.\n    """\n', 1)),
    ],
    tidy.parameters: [
        ("store/sql.py", "def f(self, a, b, c, d, e, f): ..."),
        ("cli/submit.py", "@click.command()\n" + SEVEN),
    ],
    tidy.broad_except: [
        ("store/sql.py", "try: work()\nexcept BaseException:\n    undo()\n    raise"),
        ("agent/main.py", SWALLOW.replace(":\n    log", ":  # A bad beat must not end the agent.\n    log")),
    ],
    tidy.threads_last: [
        ("wiring/server.py", "lasting('tidy', work).start()"),
        ("foreign/lasting.py", "return threading.Thread(target=run)"),
    ],
    tidy.prints: [
        ("cli/render/table.py", "print('hello')"),
    ],
    tidy.never: [
        ("cli/submit.py", "yaml.safe_load(text); re.compile('x'); run(shell=False)"),
    ],
}
"""What comes close and is right."""


@pytest.mark.parametrize(
    ("rule", "path", "text", "says"),
    [pytest.param(rule, *case, id=rule.__name__) for rule, cases in BROKEN.items() for case in cases],
)
def test_it_notices(rule: Rule, path: str, text: str, says: str) -> None:
    broken = found(rule, [Module(path, text)])
    assert len(broken) == 1
    assert says in broken[0]


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [pytest.param(rule, *case, id=rule.__name__) for rule, cases in KEPT.items() for case in cases],
)
def test_it_lets_pass(rule: Rule, path: str, text: str) -> None:
    assert found(rule, [Module(path, text)]) == []


def test_each_rule_is_proven() -> None:
    assert BROKEN.keys() == KEPT.keys() == set(tidy.RULES)

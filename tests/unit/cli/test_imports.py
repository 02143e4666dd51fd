"""What the verbs of every day import in a pipe, and how they end: each module is time that a user waits."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

HEAVY = {
    "alembic", "asyncio", "concurrent", "ctypes", "email", "fastapi", "html", "http", "httpx", "logging",
    "multiprocessing", "pydantic", "pynvml", "rich", "secrets", "shutil", "sqlalchemy", "sqlite3", "ssl",
    "starlette", "subprocess", "tempfile", "tomllib", "typing_extensions", "unittest", "urllib", "uuid", "uvicorn",
    "xml", "yaml", "zipfile",
}  # fmt: skip
EVERY = {
    "api", "cli", "cli.app", "cli.context", "cli.lazy", "cli.options", "cli.render", "cli.render.grid",
    "cli.render.json", "cli.render.output", "cli.render.text", "client", "client.duplex", "client.http",
    "client.remote", "client.transport", "config", "errors", "foreign", "foreign.filesystem", "foreign.locks",
    "foreign.sockets", "model", "model.attempt", "model.checkpoint", "model.code", "model.codec", "model.drift",
    "model.filter", "model.group", "model.host", "model.job", "model.label", "model.old_words", "model.outcome",
    "model.output", "model.nearest", "model.wording",
    "model.params", "model.queue", "model.record", "model.row", "model.rule", "model.spec", "model.spec_text",
    "model.template", "model.wish", "settings", "submitting", "wiring", "wiring.cli",
    "wiring.connect", "wiring.home",
}  # fmt: skip
"""What any verb needs that calls a server which runs."""
OURS = {
    "submit": EVERY | {
        "cli.contract", "cli.job_options", "cli.submit", "foreign.installed",
        "model.listing", "model.sizes", "model.spans",
        "submitting.arrays", "submitting.build", "submitting.checkpoints", "submitting.dependencies",
        "submitting.durations", "submitting.environment", "submitting.gpus", "submitting.ground",
        "submitting.job_options", "submitting.presence",
        "submitting.python", "submitting.pythons", "submitting.script", "submitting.spelling",
        "submitting.venv",
    },
    "ls": EVERY | {"cli.ls"},
    "show": EVERY | {
        "cli.code_facts", "cli.contract", "cli.ls", "cli.render.facts", "cli.selecting", "cli.show", "model.ending",
        "model.events", "model.listing", "model.metrics", "model.notice", "model.sizes",
        "model.spans", "submitting.arrays",
        "submitting.checkpoints", "submitting.dependencies", "submitting.durations", "submitting.job_options",
        "submitting.gpus", "submitting.ground", "submitting.spelling",
    },
    "wait": EVERY | {
        "cli.selecting", "cli.wait", "cli.waiting", "model.ending", "model.listing", "model.spans",
        "submitting.durations",
    },
}  # fmt: skip

PROBE = """
import sys
import click
before = set(sys.modules)
from runyard.cli.app import root
from runyard.cli.context import App
import json

class Service:
    def queues(self):
        from runyard.api import QueueRow
        from runyard.model.queue import Queue
        return (QueueRow(Queue()),)
    def jobs(self, query):
        from runyard.api import JobRow
        return (JobRow(1, "a", "done", "succeeded", "succeeded", 0, "", 1, "h", (), "q", "u", "true", "/", 0, 1, 2),)
    def job(self, job_id):
        from runyard.api import JobDetail
        from runyard.model.spec import JobSpec
        return JobDetail(self.jobs(None)[0], JobSpec(("true",)), (), ())
    def metrics(self, job_id): return ()
    def groups(self, query): return ()
    def put_blob(self, data): return "0" * 64
    def submit(self, submission):
        from runyard.api import Receipt
        return Receipt((1,))

class Wiring:
    def connect(self, settings):
        from runyard.wiring import cli
        assert cli.reach(settings) is None
        return Service()

app = App(Wiring)
try:
    root.main(sys.argv[1:], "ry", obj=app)
except SystemExit as end:
    assert not end.code, end.code
print("modules " + json.dumps(sorted(set(sys.modules) - before)))
"""


def modules(*args: str) -> set[str]:
    """What this command imports, in a process of its own, with output into a pipe."""
    environ = {**os.environ, "RUNYARD_HOME": "/does/not/exist"}
    ended = subprocess.run(
        [sys.executable, "-c", PROBE, *args], env=environ, capture_output=True, text=True, check=True
    )
    line = next(line for line in ended.stdout.splitlines() if line.startswith("modules "))
    return set(json.loads(line.removeprefix("modules ")))


@pytest.mark.parametrize("args", [("submit", "--", "true"), ("ls",), ("show", "1"), ("wait", "1")])
def test_nothing_heavy_is_imported(args: tuple[str, ...]) -> None:
    found = modules(*args)
    heavy = {name for name in found if name in HEAVY or name.partition(".")[0] in HEAVY}
    assert not heavy
    ours = {name.removeprefix("runyard.") for name in found if name.startswith("runyard.")}
    assert ours <= OURS[args[0]], "a new module on this path costs every call of it: is it needed?"


def test_a_command_that_has_spoken_is_gone() -> None:
    program = "import atexit; atexit.register(print, 'taken apart'); from runyard.cli.main import main; main()"
    ended = subprocess.run([sys.executable, "-c", program, "--version"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.split()[0], ended.stderr) == (0, "runyard", "")
    assert "taken apart" not in ended.stdout
    ended = subprocess.run([sys.executable, "-c", program, "no-verb"], capture_output=True, text=True, check=False)
    assert ended.returncode == 2 and "there is no verb" in ended.stderr

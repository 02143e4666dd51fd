"""What `submit` and `ls` import in a pipe: each module is time that a user waits."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

HEAVY = {
    "alembic", "asyncio", "concurrent", "ctypes", "email", "fastapi", "html", "http", "httpx", "logging",
    "multiprocessing", "pydantic", "pynvml", "rich", "secrets", "selectors", "sqlalchemy", "sqlite3", "ssl",
    "starlette", "subprocess", "tempfile", "tomllib", "typing_extensions", "unittest", "urllib", "uuid", "uvicorn",
    "xml", "yaml", "zipfile",
}  # fmt: skip
OURS = {
    "submit": {
        "api", "cli", "cli.app", "cli.context", "cli.contract", "cli.job_options", "cli.lazy", "cli.options",
        "cli.render", "cli.render.grid", "cli.render.json", "cli.render.output", "cli.render.text", "cli.submit",
        "config", "errors", "foreign", "foreign.installed", "model", "model.attaching", "model.attempt", "model.beat",
        "model.checkpoint", "model.code", "model.comparing", "model.drift", "model.editing", "model.events",
        "model.filter", "model.group", "model.host", "model.job", "model.label", "model.landing", "model.link",
        "model.metrics", "model.old_words", "model.output", "model.params", "model.queue", "model.record", "model.rule",
        "model.spans", "model.spec", "model.template", "model.usage", "model.wish",
        "model.notice", "model.row", "model.transfer", "settings", "submitting",
        "submitting.arrays", "submitting.build", "submitting.checkpoints", "submitting.dependencies",
        "submitting.durations", "submitting.environment", "submitting.fields", "submitting.gpus", "submitting.ground",
        "submitting.nearest", "submitting.presence", "submitting.python", "submitting.pythons", "submitting.script",
        "submitting.sizes", "submitting.venv",
    },
    "ls": {
        "api", "cli", "cli.app", "cli.context", "cli.lazy", "cli.ls", "cli.options", "cli.render", "cli.render.grid",
        "cli.render.json", "cli.render.output", "cli.render.text", "config", "errors", "model", "model.attaching",
        "model.attempt", "model.beat", "model.checkpoint", "model.code", "model.comparing", "model.drift",
        "model.editing", "model.events", "model.filter", "model.group", "model.host", "model.job", "model.label",
        "model.landing", "model.link", "model.metrics", "model.old_words", "model.output", "model.params",
        "model.queue", "model.record", "model.rule", "model.spec", "model.template", "model.usage", "model.wish",
        "model.notice", "model.row", "model.transfer",
        "settings", "submitting", "submitting.nearest",
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
    def jobs(self, query): return ()
    def groups(self, query): return ()
    def put_blob(self, data): return "0" * 64
    def submit(self, submission):
        from runyard.api import Receipt
        return Receipt((1,))

class Wiring:
    def connect(self, settings): return Service()

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


@pytest.mark.parametrize("args", [("submit", "--", "true"), ("ls",)])
def test_nothing_heavy_is_imported(args: tuple[str, ...]) -> None:
    found = modules(*args)
    heavy = {name for name in found if name in HEAVY or name.partition(".")[0] in HEAVY}
    assert not heavy
    ours = {name.removeprefix("runyard.") for name in found if name.startswith("runyard.")}
    assert ours <= OURS[args[0]], "a new module on this path costs every call of it: is it needed?"

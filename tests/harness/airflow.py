"""A real Airflow in an environment of its own (`.venv-airflow`), and an `airflow` in PATH that is quick.

`airflow db migrate` and `airflow dags test DAG` take 6 s and 13 s of processor time, nearly all of it before the first
task: imports, and a server within the process that is made of some hundred classes. So a process that has done all this
(`airflow_nursery`) forks one for each `dags test`, which then takes 1 s and 70 ms a task; in a DAG of 1,000 tasks each
takes 170 ms, so that it lasts three minutes. A database is a copy of one that is made once. All other commands are the
real ones.

What differs: the command is no child of who calls it. It dies with its caller, and all that it has started with it; so
whether a kill finds everything is to be tested with `real`. And an airflow.cfg in AIRFLOW_HOME is not read, variables
are.

`dags test` runs one task at a time. Tasks beside each other take its `--use-executor`, the LocalExecutor
(AIRFLOW__CORE__EXECUTOR), and an `airflow api-server --apps execution` (up after 10 s) with the same
AIRFLOW__API_AUTH__JWT_SECRET, which AIRFLOW__CORE__EXECUTION_API_SERVER_URL (`http://127.0.0.1:PORT/execution/`) leads
to; without it every task fails, and the command never ends. How tasks ended is best read in the database (`outcomes`):
each call of the real `airflow` takes 2 s or more of processor time.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from tests.harness import processes
from tests.harness.processes import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / ".venv-airflow"
INSTALLED = (ENVIRONMENT / "ready").exists()
CALLERS = 64

COMMAND = """#!{python} -IS
import json, os, shutil, socket, sys

words, home = sys.argv[1:], os.environ.get("AIRFLOW_HOME", "")
database = home + "/airflow.db"
own = os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "sqlite:///" + database) == "sqlite:///" + database
if not (home and own and words[:2] in (["db", "migrate"], ["dags", "test"])):
    os.execv({real!r}, ["airflow", *words])
with socket.socket(socket.AF_UNIX) as nursery:
    nursery.connect({socket!r})
    wish = {{"words": words, "environ": dict(os.environ), "cwd": os.getcwd()}}
    socket.send_fds(nursery, [b"!"], [0, 1, 2])
    nursery.sendall(json.dumps(wish).encode() + b"\\n")
    code = nursery.recv(64)
if code == b"copy":
    os.makedirs(home, exist_ok=True)
    shutil.copyfile({template!r}, database)
    code = b"0"
sys.exit(int(code or 1))
"""


class Airflow:
    """The installed Airflow. `real` is its command, `environ` has the quick one first in PATH."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.real = ENVIRONMENT / "bin" / "airflow"
        (root / "bin").mkdir(parents=True)
        place = root / "nursery.sock"
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(place))
        listening.listen(CALLERS)
        template = root / "home" / "airflow.db"
        values = {"python": sys.executable, "real": str(self.real), "socket": str(place), "template": str(template)}
        command = root / "bin" / "airflow"
        command.write_text(COMMAND.format(**values))
        command.chmod(0o755)
        self._start(listening)
        listening.close()

    def environ(self, environ: Mapping[str, str]) -> dict[str, str]:
        """These variables, with the quick `airflow`, and without what leads to any other."""
        kept = {name: value for name, value in environ.items() if not name.startswith("AIRFLOW")}
        return {**kept, "PATH": f"{self.root / 'bin'}:{environ['PATH']}"}

    def end(self) -> None:
        """End what is still running."""
        for pid in (*processes.below(self._nursery.pid), self._nursery.pid):
            processes.send(pid)
        self._nursery.wait(PATIENCE_S)

    def _start(self, listening: socket.socket) -> None:
        environ = {
            **self.environ(os.environ),
            "AIRFLOW_HOME": str(self.root / "home"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "HOME": str(self.root),
            "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}",
            "_AIRFLOW__AS_LIBRARY": "1",
        }
        python, number = str(ENVIRONMENT / "bin" / "python"), str(listening.fileno())
        with open(self.root / "nursery.log", "ab") as log:
            self._nursery = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", python, "-m", "tests.harness.airflow_nursery", number],
                pass_fds=[listening.fileno()],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def outcomes(home: Path) -> dict[str, str]:
    """How the tasks of the last run in this AIRFLOW_HOME ended: success, failed, upstream_failed, skipped ..."""
    with closing(sqlite3.connect(f"file:{home / 'airflow.db'}?mode=ro", uri=True)) as database:
        last = "SELECT run_id FROM dag_run ORDER BY id DESC LIMIT 1"
        return dict(database.execute(f"SELECT task_id, state FROM task_instance WHERE run_id = ({last})"))

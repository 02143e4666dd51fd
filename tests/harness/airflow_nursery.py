"""Runs in Airflow's own environment: has done all that Airflow does before its first task, and forks one per wish.

Started by `tests.harness.airflow`, which says what it is for. A wish is a line of JSON after the three descriptors of
its caller; the answer is the exit code, or `copy` once there is a database to copy.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import socket
import sys
import traceback
from importlib import import_module
from typing import Any

from tests.harness import processes
from tests.harness.nursery import die_with_parent

STREAMS = 3
OF_ITS_HOME = {
    "AIRFLOW__CORE__DAGS_FOLDER": "dags",
    "AIRFLOW__CORE__PLUGINS_FOLDER": "plugins",
    "AIRFLOW__LOGGING__BASE_LOG_FOLDER": "logs",
    "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": "logs/dag_processor",
}
"""Settings that Airflow has read already, for another home than that of the caller."""

MODULES = (
    "airflow.__main__",
    "airflow.settings",
    "airflow.cli.commands.dag_command",
    "airflow.dag_processing.dagbag",
    "airflow.sdk.definitions.dag",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.api_fastapi.execution_api.app",
    "airflow.providers.standard.operators.bash",
    "starlette.testclient",
)


def main() -> None:
    """Be warm, then serve until the test run ends."""
    listening = socket.socket(fileno=int(sys.argv[1]))
    for module in MODULES:
        import_module(module)
    import_module("airflow.models").import_all_models()
    import_module("sqlalchemy.orm").configure_mappers()
    asyncio.run(_ask_in_process())
    pid = _fork(["db", "migrate"], dict(os.environ), os.getcwd(), [])
    os.waitpid(pid, 0)
    serve(listening)


def serve(listening: socket.socket) -> None:
    """Fork for each caller; tell it the end, and kill what it has started when the caller is gone."""
    running: dict[int, tuple[int, socket.socket]] = {}  # by its pidfd, each command's pid and who called it
    while True:
        callers = {caller.fileno(): pid for pid, caller in running.values()}
        for ready in select.select([listening.fileno(), *running, *callers], [], [])[0]:
            if ready in running:
                pid, caller = running.pop(ready)
                callers.pop(caller.fileno())
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                _tell(caller, str(code if code >= 0 else 128 - code).encode("ascii"))
                os.close(ready)
            elif ready in callers:
                for pid in (*processes.below(callers[ready]), callers[ready]):
                    processes.send(pid)
            elif ready == listening.fileno():
                _answer(listening.accept()[0], running)


def _answer(caller: socket.socket, running: dict[int, tuple[int, socket.socket]]) -> None:
    _, streams, _, _ = socket.recv_fds(caller, 1, STREAMS)
    with caller.makefile("rb") as lines:
        wish = json.loads(lines.readline())
    if wish["words"][:2] == ["db", "migrate"]:
        _tell(caller, b"copy")
    else:
        pid = _fork(wish["words"], wish["environ"], wish["cwd"], streams)
        running[os.pidfd_open(pid)] = (pid, caller)
    for stream in streams:
        os.close(stream)


def _tell(caller: socket.socket, text: bytes) -> None:
    with caller:
        try:
            caller.sendall(text)
        except BrokenPipeError:
            return  # it has been killed


def _fork(words: list[str], environ: dict[str, str], cwd: str, streams: list[int]) -> int:
    pid = os.fork()
    if not pid:
        code = 1
        try:
            code = _become(words, environ, cwd, streams)
        except BaseException:  # noqa: BLE001  # a forked child must not come back
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return pid


def _become(words: list[str], environ: dict[str, str], cwd: str, streams: list[int]) -> int:
    """Be the command `airflow` with these words; its exit code."""
    die_with_parent()
    os.setsid()
    os.chdir(cwd)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    home = environ["AIRFLOW_HOME"]
    os.environ.clear()
    os.environ.update({name: f"{home}/{place}" for name, place in OF_ITS_HOME.items()})
    os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{home}/airflow.db"
    os.environ.update(environ)
    os.environ.pop("_AIRFLOW__AS_LIBRARY", None)
    os.makedirs(home, exist_ok=True)
    sys.argv = ["airflow", *words]
    settings = import_module("airflow.settings")
    settings.initialize()
    try:
        import_module("airflow.__main__").main()
    except SystemExit as end:
        if isinstance(end.code, int):
            return end.code
        sys.stderr.write(f"{end.code or ''}\n")  # as Python does
        return 1 if end.code else 0
    finally:
        settings.dispose_orm(do_log=False)  # puts what is still in its journal into the database
    return 0


async def _ask_in_process() -> None:
    """One request to the server within the process: the first one makes all of it."""
    httpx: Any = import_module("httpx")
    version = import_module("airflow.sdk.api.datamodels._generated").API_VERSION
    app = import_module("airflow.sdk.execution_time.supervisor").in_process_api_server().app
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://in-process") as client:
        answer = await client.get("/health", headers={"airflow-api-version": version})
        answer.raise_for_status()


if __name__ == "__main__":
    main()

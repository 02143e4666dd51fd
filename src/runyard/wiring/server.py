"""The server process: the store, the yard thread, HTTP on the home's socket, and an agent beside it."""

from __future__ import annotations

import logging
import os
import secrets
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import closing, suppress

import runyard
from runyard.api import Service
from runyard.config import load
from runyard.errors import Conflict, RunyardError, Unavailable
from runyard.foreign.daemon import settle
from runyard.foreign.filesystem import free_mb, is_network
from runyard.runtime.cgroup import leave
from runyard.runtime.logs import LocalFiles
from runyard.runtime.native import name_process
from runyard.runtime.rundir import RunDirs
from runyard.server.app import Backend, make_app
from runyard.server.run import Moments, bind, run
from runyard.service.blobs import Blobs
from runyard.service.controller import Controller, Surroundings
from runyard.service.local import About, Caller, LocalService, Yard
from runyard.settings import Home, Settings
from runyard.store.sql import SqlStore
from runyard.store.sqlite import sqlite_url
from runyard.wiring.home import home_at, pid_of, prepare, server_lock, user_name
from runyard.wiring.host import host_id
from runyard.wiring.keeper import Keeper

SWITCH_S = 0.0005
"""A busy thread beside others costs milliseconds a hop with Python's default of 5 ms."""

COLLECT_EVERY_S = 3_600.0

log = logging.getLogger("runyard.server")


def build(settings: Settings, home: Home) -> Yard:
    """The yard of this home, with its controller started."""
    runs = RunDirs(home.runs, host_id(home))
    store = open_store(settings, home)
    controller = Controller(store, Surroundings(time.time, lambda: secrets.token_hex(16), settings.foreign_mb))
    if store.rolled_back:
        controller.halt(store.rolled_back)
    controller.start()

    def collect() -> tuple[int, ...]:
        return tuple(sorted({gone.job for gone in runs.collect(settings.keep_runs_days, settings.keep_runs_mb)}))

    return Yard(
        controller=controller,
        files=LocalFiles(home, host_id(home)),
        blobs=Blobs(home.blobs),
        about=About(runyard.__version__, home.root, settings.store or home.database, home.config, time.time()),
        now=time.time,
        free_mb=lambda: free_mb(home.root),
        collect=collect,
        min_free_mb=settings.min_free_mb,
    )


def open_store(settings: Settings, home: Home) -> SqlStore:
    """The store of the settings, or the home's own database."""
    if settings.store:
        return SqlStore(settings.store)
    if is_network(os.path.dirname(home.database)):
        raise Conflict(f"{home.database} is on a network file system, where SQLite is not safe; see `ry doctor`")
    seen_job = RunDirs(home.runs, host_id(home)).highest()
    return SqlStore(sqlite_url(home.database), high_water=home.high_water, seen_job=seen_job)


def serve(environ: Mapping[str, str], ready_fd: int = -1, accept_older_store: bool = False) -> None:
    """Be the server until a signal ends it. `ready_fd` gets one byte when calls are answered."""
    home = prepare(home_at(load(environ).home))
    settings = load(environ)
    lock = server_lock(home)
    if not lock.take(version=runyard.__version__):
        holder = lock.holder() or {}
        raise Conflict(f"a server runs on {home.root} already (pid {holder.get('pid', 'unknown')})")
    sys.setswitchinterval(SWITCH_S)
    if accept_older_store:
        with closing(open_store(settings, home)) as store:
            store.accept()
    yard = build(settings, home)
    yard.controller.accepted = accept_older_store
    listener = bind(home.server_socket)
    own = Caller(user_name(os.getuid()), os.getuid())

    def service_for(uid: int) -> Service:
        return LocalService(yard, own if uid == own.uid else Caller(user_name(uid), uid))

    backend = Backend(service_for, yard.controller.changes, lambda uid: uid in (own.uid, 0), runyard.__version__)
    ended = threading.Event()
    keeper = Keeper(home, environ)
    agent = threading.Thread(target=keeper.run, name="agent", daemon=True)
    collector = threading.Thread(target=keep_collecting, args=(yard, ended), name="collect", daemon=True)
    agent.start()
    collector.start()
    log.info("serving %s (pid %d, epoch %d)", home.root, os.getpid(), yard.controller.yard.epoch)
    try:
        run(make_app(backend), listener, Moments(lambda: tell_ready(ready_fd), yard.controller.changes.end))
    finally:
        ended.set()
        keeper.end()
        agent.join()
        if pid_of(lock) == os.getpid():
            with suppress(FileNotFoundError):
                os.unlink(home.server_socket)
        yard.controller.stop()
        yard.controller.store.close()
        log.info("ended")


def tell_ready(descriptor: int) -> None:
    """Whoever started us waits for this byte."""
    if descriptor >= 0:
        os.write(descriptor, b"1")
        os.close(descriptor)


def keep_collecting(yard: Yard, ended: threading.Event) -> None:
    """Collect old output now and then."""
    while not ended.wait(COLLECT_EVERY_S):
        try:
            yard.collect()
        except (OSError, RunyardError) as error:
            log.warning("old output could not be collected: %s", error)


def main() -> None:
    """Entry point of the daemon: `python -m runyard.wiring.server [--ready-fd N] [--accept-older-store]`."""
    settle()
    leave()
    name_process("ry-server")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    arguments = sys.argv[1:]
    ready_fd = int(arguments[arguments.index("--ready-fd") + 1]) if "--ready-fd" in arguments else -1
    try:
        serve(dict(os.environ), ready_fd, "--accept-older-store" in arguments)
    except RunyardError as error:
        log.error("%s", error.message)
        sys.exit(Unavailable.exit_code if isinstance(error, Conflict) else error.exit_code)


if __name__ == "__main__":
    main()

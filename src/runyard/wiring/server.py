"""The server process: the store, the yard thread, HTTP on the home's socket, and an agent beside it."""

from __future__ import annotations

import logging
import os
import secrets
import sys
import threading
import time
from collections.abc import Collection, Mapping
from contextlib import suppress

import runyard
from runyard.api import Service
from runyard.config import load
from runyard.errors import Conflict, RunyardError, Unavailable
from runyard.foreign import interpreter
from runyard.foreign.daemon import settle
from runyard.foreign.delivery import Delivery
from runyard.foreign.filesystem import free_mb, is_network
from runyard.foreign.lasting import lasting
from runyard.model.hook import hooks_of
from runyard.model.job import JobState
from runyard.runtime.cgroup import leave
from runyard.runtime.checkpoints import Checkpoints
from runyard.runtime.logs import LocalFiles
from runyard.runtime.native import name_process, return_memory
from runyard.runtime.repositories import LocalRepositories
from runyard.runtime.rundir import RunDirs
from runyard.runtime.tracking import Tracking
from runyard.runtime.trees import Trees
from runyard.server.app import Backend, make_app
from runyard.server.run import Moments, run
from runyard.server.streams import Streams
from runyard.service.blobs import Blobs
from runyard.service.coding import CodeDesk
from runyard.service.controller import Controller, Surroundings
from runyard.service.local import LocalService
from runyard.service.postman import Postman
from runyard.service.verbs import About, Caller, Yard
from runyard.settings import Home, Settings
from runyard.store.base import Store
from runyard.store.sql import SqlStore
from runyard.store.sqlite import sqlite_url
from runyard.wiring.door import Door
from runyard.wiring.home import READY, TAKEN, home_at, prepare, server_lock, user_name
from runyard.wiring.host import host_id
from runyard.wiring.keeper import Keeper
from runyard.wiring.logs import cap_all

TIDY_EVERY_S = 3_600.0

log = logging.getLogger("runyard.server")


def build(settings: Settings, home: Home, accept_older_store: bool = False) -> Yard:
    """The yard of this home, with its controller started."""
    host = host_id(home)
    runs = RunDirs(home.runs, host)
    store = open_store(settings, home, runs.highest())
    if accept_older_store:
        store.accept()
    surroundings = Surroundings(
        time.time,
        lambda: secrets.token_hex(16),
        settings.foreign_mb,
        store_problem=lambda: store.problem,
        hooks=hooks_of(settings.hooks),
    )
    controller = Controller(store, surroundings)
    controller.accepted = accept_older_store
    if store.rolled_back:
        controller.halt(store.rolled_back)
    controller.start()

    checkpoints = Checkpoints(home.checkpoints)
    files = LocalFiles(home, host)
    trees = Trees(home.code, controller.yard.id)
    blobs = Blobs(home.blobs)
    repositories = LocalRepositories(trees, home.code_scratch, settings.snapshot_max_mb)
    desk = CodeDesk(repositories, blobs, controller, time.time)

    def collect(dry: bool) -> tuple[int, ...]:
        gone = {gone.job for gone in runs.collect(settings.keep_runs_days, settings.keep_runs_mb, dry)}
        if not controller.halted:  # a store that has gone back does not know whose they are
            checkpoints.collect(lambda job: runs.has(job) or is_open(store, job), dry)
            trees.collect(store.snapshots(only_open=True), store.snapshots(), settings.keep_runs_days, dry)
        return tuple(sorted(gone))

    def remove_output(jobs: Collection[int]) -> None:
        runs.remove(frozenset(jobs))
        checkpoints.remove(jobs)

    return Yard(
        controller=controller,
        files=files,
        blobs=blobs,
        about=About(runyard.__version__, home.root, settings.store or home.database, home.config, time.time()),
        now=time.time,
        free_mb=lambda: free_mb(home.root),
        collect=collect,
        remove_output=remove_output,
        adopt_output=runs.adopt,
        code=desk,
        links=Tracking(files, trees).links,
        min_free_mb=settings.min_free_mb,
    )


def open_store(settings: Settings, home: Home, seen_job: int) -> SqlStore:
    """The store of the settings, or the home's own database. How far it had come is remembered in the home."""
    url = settings.store or sqlite_url(home.database)
    return SqlStore(url, local_only, home.high_water, seen_job)


def local_only(directory: str) -> None:
    """Refuse what other machines may have as well."""
    if is_network(directory):
        raise Conflict(
            f"{directory} is on a network file system, where a database is not safe; take one of this machine's"
            " (`store` in config.toml, RUNYARD_STORE)"
        )


def serve(environ: Mapping[str, str], ready_fd: int = -1, accept_older_store: bool = False) -> None:
    """Be the server until a signal ends it. `ready_fd` gets one byte when calls are answered."""
    settings = load(environ)
    home = prepare(home_at(settings.home))
    lock = server_lock(home)
    if not lock.take(version=runyard.__version__):
        tell(ready_fd, TAKEN)
        holder = lock.holder() or {}
        raise Conflict(f"a server runs on {home.root} already (pid {holder.get('pid', 'unknown')})")
    interpreter.tune()
    cap_all(home)
    yard = build(settings, home, accept_older_store)
    door = Door(home)
    own = Caller(user_name(os.getuid()), os.getuid())

    def service_for(uid: int) -> Service:
        return LocalService(yard, own if uid == own.uid else Caller(user_name(uid), uid))

    streams = Streams(yard.tickets)
    backend = Backend(
        service_for, yard.controller.changes, lambda uid: uid in (own.uid, 0), runyard.__version__,
        return_memory=return_memory, streams=streams,
    )  # fmt: skip

    def ending() -> None:
        yard.controller.changes.end()
        streams.end()

    ended = threading.Event()
    keeper = Keeper(home, environ)
    agent = lasting("agent", keeper.run)
    delivery = Delivery(home.root, yard.controller.yard.id, environ)
    postmen = [Postman(yard.controller, hook, delivery, time.time) for hook in yard.controller.hooks.values()]
    threads = [
        agent,
        lasting("code", yard.code.run),
        lasting("tidy", lambda: keep_tidy(yard, home, ended)),
        *(lasting(f"hook {postman.hook.name}", postman.run) for postman in postmen),
    ]
    for thread in threads:
        thread.start()
    log.info("serving %s (pid %d, epoch %d)", home.root, os.getpid(), yard.controller.yard.epoch)
    try:
        run(
            make_app(backend),
            door.listener,
            Moments(lambda: tell(ready_fd, READY), ending, door.renewed),
        )
    finally:
        ended.set()
        for postman in postmen:
            postman.end()
        keeper.end()
        agent.join()
        yard.code.end()
        door.close()
        yard.controller.stop()
        yard.controller.store.close()
        log.info("ended")


def tell(descriptor: int, word: bytes) -> None:
    """Whoever started us waits for this; it may have lost its patience. One that cannot serve is waited for until it
    has ended: only that closes its descriptor."""
    if descriptor >= 0:
        with suppress(BrokenPipeError):
            os.write(descriptor, word)
        if word == READY:
            os.close(descriptor)


def is_open(store: Store, job_id: int) -> bool:
    """Whether there is such a job that has not ended."""
    return any(job.state is not JobState.DONE for job in store.load([job_id]).values())


def keep_tidy(yard: Yard, home: Home, ended: threading.Event) -> None:
    """Collect old output and cut long logs now and then."""
    while not ended.wait(TIDY_EVERY_S):
        cap_all(home)
        try:
            yard.collect(False)
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
    interpreter.leave(0)  # at once: a thread whose git hangs would hold process and lock for a minute


if __name__ == "__main__":
    main()

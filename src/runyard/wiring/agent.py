"""The agent process of this account on this host."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from typing import Any

import runyard
from runyard.agent.gpus import AttemptOwner
from runyard.agent.identity import Identity
from runyard.agent.link import ServerLink
from runyard.agent.look import Looker
from runyard.agent.main import Agent
from runyard.agent.prepare import Preparer
from runyard.agent.probe import Machine
from runyard.config import load
from runyard.engines.process import ProcessEngine
from runyard.foreign import interpreter
from runyard.foreign.daemon import settle
from runyard.foreign.process import boot_id
from runyard.runtime.cgroup import leave
from runyard.runtime.native import name_process
from runyard.runtime.rundir import RunDirs
from runyard.runtime.trees import Trees
from runyard.wiring.home import agent_lock, home_at, prepare, user_name
from runyard.wiring.host import host_id


def main() -> None:
    """Entry point: `python -m runyard.wiring.agent`. Ends at once where another agent of this account is alive."""
    settle()
    leave()
    interpreter.tune()
    name_process("ry-agent")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = load(os.environ)
    home = prepare(home_at(settings.home))
    lock = agent_lock(home)
    if not lock.take(version=runyard.__version__):
        logging.info("another agent of this account is alive; ending")
        sys.exit(0)
    host = host_id(home)
    identity = Identity(
        agent=f"{host}-{os.getuid()}",
        host=host,
        user=user_name(os.getuid()),
        uid=os.getuid(),
        version=runyard.__version__,
        beat_wait_s=settings.beat_wait_s,
        foreign_mb=settings.foreign_mb,
        ports=(settings.ports_from, settings.ports_to),
    )
    engine = ProcessEngine(home, host, boot_id(), settings.warm_runners)
    machine = Machine(host, AttemptOwner(RunDirs(home.runs, host)))
    looker = Looker(machine.look, time.monotonic, settings.look_every_s)
    preparer = Preparer(Trees(home.code).prepare)
    agent = Agent(identity, home, engine, looker, preparer, ServerLink(home.server_socket))

    def end(number: int, frame: Any) -> None:
        agent.end()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    agent.run()


if __name__ == "__main__":
    main()

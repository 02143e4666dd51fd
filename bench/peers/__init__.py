"""The peers: other queues, measured in the same run where they are installed (`bench/peers.sh` installs them)."""

from __future__ import annotations

from bench.peers import cmd_queue, gnu_parallel, hyperqueue, task_spooler
from bench.peers.base import Peer

PEERS: tuple[Peer, ...] = (
    task_spooler.PEER,
    gnu_parallel.PEER,
    hyperqueue.PEER,
    cmd_queue.TMUX,
    cmd_queue.SERIAL,
)

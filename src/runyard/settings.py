"""The frozen settings of one process. `config.py` and the wiring build them; nothing is read at import."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from runyard.model.record import dataclass

LOCAL = "local"
"""The name of this machine, as a host."""

OF_A_CLIENT = (
    "host",
    "ssh_user",
    "ssh_key",
    "ssh_command",
    "ssh_retries",
    "ssh_retry_delay_s",
    "ssh_keep_s",
    "far_home",
)
"""Settings that say which yard somebody uses: nothing that a job should inherit."""

BEAT_WAIT_MAX_S = 30.0
"""The longest that a beat may wait on the server, whatever it asks for: well below the silence (60 s) after which its
agent gets nothing new."""

BOUNDS: dict[str, tuple[float, float]] = {
    "beat_wait_s": (1.0, BEAT_WAIT_MAX_S),
    "look_every_s": (0.1, 3_600.0),
    "ssh_retries": (1, 1_000),
    "ssh_keep_s": (1, 86_400),
    "ports_from": (1_024, 65_535),
    "ports_to": (1_024, 65_535),
}
"""The least and the most of settings that are no good everywhere from 0."""


@dataclass(frozen=True)
class Settings:
    """Where a yard keeps its things, and its defaults. Times in seconds, sizes in MB.

    `home` moves everything: database, sockets, logs, runs, config.
    """

    home: str
    store: str = ""
    """URL of the database; empty: SQLite below the home."""
    warm_runners: int = 2
    """Runners that wait ready for the next attempt."""
    beat_wait_s: float = 20.0
    """How long a beat may wait on the server when there is nothing to order (1 to 30)."""
    look_every_s: float = 5.0
    """How often an agent looks at its devices while something waits or runs (0.1 to 3600)."""
    foreign_mb: int = 500
    """A device with more memory than this in use and no visible process is not given out."""
    keep_runs_days: int = 30
    """Run directories of ended jobs are collected after this time ..."""
    keep_runs_mb: int = 20_000
    """... or when all of them together are larger, oldest first."""
    min_free_mb: int = 50
    """With less free space than this on the home's file system no new job is accepted."""
    ports_from: int = 20_000
    """The ports that jobs are granted begin here ..."""
    ports_to: int = 29_399
    """... and end here: below those that the kernel gives to whoever asks for any."""
    environment_max_kb: int = 1_280
    """The largest environment that is accepted with a job. With the arguments it has to fit into what a program can be
    handed (2 MB by default)."""
    public_prefixes: tuple[str, ...] = ("DQ_",)
    """What the names of public variables begin with: their values are shown."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Options of jobs whose submitter and queue say nothing, by long flag (a table in the file)."""
    hooks: Mapping[str, Any] = field(default_factory=dict)
    """Whom to tell what happens to jobs (tables in the file)."""
    host: str = ""
    """The machine whose yard is used, over SSH, if no `--host` says so and none is remembered (`ry use`)."""
    ssh_user: str = ""
    """The account there; empty: as ssh's configuration has it."""
    ssh_key: str = ""
    """The file of the key to log in with; empty: as ssh's configuration has it."""
    ssh_command: str = "ry"
    """How `ry` is called there, if a login shell does not find it by its name."""
    ssh_retries: int = 5
    """How often a connection is tried to be made where the network is at fault ..."""
    ssh_retry_delay_s: float = 2.0
    """... and the pause between two tries."""
    ssh_keep_s: int = 600
    """How long a connection that nobody uses is kept for the next command."""
    far_home: str = ""
    """The home of the yard there (with `--host`, `--home` says so); empty: as that account has it."""
    detach_keys: str = "ctrl-\\"
    """What leaves an attached terminal: ctrl-\\, or several keys as in `ctrl-a d`; none: no key does."""

    @property
    def is_far(self) -> bool:
        """Whether the yard is that of another machine."""
        return self.host not in ("", LOCAL)

    snapshot_max_mb: int = 500
    """The largest snapshot, and the most of changed and untracked files in one."""


@dataclass(frozen=True)
class Home:
    """Every file and directory of a yard, by name. Nothing else in the code joins paths to the home.

    `local` holds what must lie on a local file system (database, sockets, locks); usually it is `root` itself.
    """

    root: str
    local: str = ""

    @property
    def _local(self) -> str:
        return self.local or self.root

    @property
    def config(self) -> str:
        return os.path.join(self.root, "config.toml")

    @property
    def database(self) -> str:
        return os.path.join(self._local, "store", "yard.sqlite")

    @property
    def high_water(self) -> str:
        """The highest feed number that was ever committed, kept beside the database."""
        return os.path.join(self._local, "store", "high-water")

    @property
    def sockets(self) -> str:
        return os.path.join(self._local, "run")

    @property
    def server_socket(self) -> str:
        return os.path.join(self.sockets, "server.sock")

    @property
    def runner_sockets(self) -> str:
        return os.path.join(self.sockets, "runners")

    @property
    def far(self) -> str:
        """Connections to other machines, each in a directory of its own: ssh's sockets, and what was found there."""
        return os.path.join(self.sockets, "far")

    @property
    def remembered(self) -> str:
        """The machine that `ry use` remembers, as settings in JSON."""
        return os.path.join(self.root, "use.json")

    @property
    def history(self) -> str:
        """The latest lines that were typed into `ry shell`."""
        return os.path.join(self.root, "history")

    @property
    def locks(self) -> str:
        return os.path.join(self._local, "locks")

    @property
    def server_lock(self) -> str:
        """Held by the one server of this home."""
        return os.path.join(self.locks, "server.lock")

    @property
    def agent_lock(self) -> str:
        """Held by the one agent of this account and host."""
        return os.path.join(self.locks, "agent.lock")

    @property
    def blobs(self) -> str:
        """Environments and scripts of the server, by hash."""
        return os.path.join(self.root, "blobs")

    @property
    def blob_cache(self) -> str:
        """The agent's copies of blobs."""
        return os.path.join(self.root, "agent", "blobs")

    @property
    def agent_state(self) -> str:
        return os.path.join(self.root, "agent", "state.json")

    @property
    def code(self) -> str:
        """Frozen code, a directory for each snapshot, and a place for what is written for a moment."""
        return os.path.join(self.root, "code")

    @property
    def code_scratch(self) -> str:
        return os.path.join(self.root, "code", "scratch")

    @property
    def runs(self) -> str:
        return os.path.join(self.root, "runs")

    @property
    def checkpoints(self) -> str:
        """What jobs keep from one attempt to the next."""
        return os.path.join(self.root, "checkpoints")

    @property
    def pipelines(self) -> str:
        """A directory for each run of a pipeline."""
        return os.path.join(self.root, "pipelines")

    @property
    def drafts(self) -> str:
        """Pipelines that the command line puts together, a file for each."""
        return os.path.join(self.root, "drafts")

    @property
    def drafts_lock(self) -> str:
        """Held by whoever changes one of them."""
        return os.path.join(self.locks, "drafts.lock")

    @property
    def logs(self) -> str:
        return os.path.join(self.root, "logs")

    def log(self, process: str) -> str:
        """The log of one of our processes: server, agent, zygote."""
        return os.path.join(self.logs, process + ".log")

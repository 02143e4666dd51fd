"""Some jobs at a time, each worker in a tmux session that people can look at.

Which sessions are a run's says their mark, the path of its manifest; no other one is ever touched.
"""

from __future__ import annotations

import os
import shutil

from runyard.errors import Conflict
from runyard.foreign import command, filesystem, script
from runyard.foreign import tmux as foreign
from runyard.pipeline.backends import scripted
from runyard.pipeline.backends.base import Start
from runyard.pipeline.backends.scripted import Scripted
from runyard.pipeline.layout import MANIFEST, Layout, Rendering
from runyard.pipeline.render.recording import RUN
from runyard.pipeline.render.tmux import driver
from runyard.pipeline.runs import Run, read_json
from runyard.pipeline.state import FAILED, RUNNING

GRACE_S = script.GRACE_S
START_S = 120.0
"""How long all sessions may take to start."""

TEXT_MAX = 64 * 1024
"""So many bytes of a file of the run are read at most."""


class Tmux(Scripted):
    name = "tmux"

    def lacks(self) -> str:
        missing = [program for program in ("tmux", "bash") if not shutil.which(program)]
        return f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed here" if missing else ""

    def render(self, layout: Layout) -> Rendering:
        return driver.render(layout)

    def start(self, run: Run, how: Start) -> None:
        self.kill(run)
        scripted.forget(run)
        argv = ["bash", run.layout.script(), f"onfail={how.onfail}", f"onexit={how.onexit}"]
        done = command.run(argv, START_S, env=how.environ)
        if done.returncode != 0:
            raise Conflict(f"tmux: {command.complaint(done.stderr)}")

    def kill(self, run: Run) -> None:
        """Also what an earlier run has left to look at."""
        socket, name = _server(run)
        if not socket:
            return
        mark = f"{RUN}={name}"
        coordinator = scripted.process_of(read_json(run.layout.state))
        script.end([coordinator] if coordinator is not None else [], mark, GRACE_S)
        sessions = _sessions(run, socket)
        left = [pid for session in sessions for pid in foreign.processes(socket, session)]
        for session in sessions:
            foreign.end(socket, session)
        script.end(left, mark, GRACE_S)

    def screens(self, run: Run) -> dict[str, str]:
        """What stands on the screens of its sessions, by their names."""
        socket, _ = _server(run)
        return {one: foreign.screen(socket, one) for one in sorted(_sessions(run, socket))} if socket else {}

    def attach(self, run: Run, job: str = "") -> tuple[str, ...]:
        """Where the job runs, or has failed; without a job where one runs, or has failed."""
        socket, _ = _server(run)
        there = _sessions(run, socket) if socket else []
        names = [job] if job else [one.name for one in self.state(run).of(RUNNING, FAILED)]
        for session in filter(None, (_read(run.layout.session(name)) for name in names)):
            if session in there:
                return foreign.attaching(socket, session, os.environ)
        return ()


def _server(run: Run) -> tuple[str, str]:
    """The socket of the tmux server that the last run is in, and the name that its sessions begin with."""
    socket, _, name = _read(run.layout.server).partition("\n")
    return socket, name


def _sessions(run: Run, socket: str) -> list[str]:
    mark = os.path.join(os.path.realpath(run.layout.directory), MANIFEST)
    return [name for name, found in foreign.sessions(socket, driver.MARK).items() if found == mark]


def _read(path: str) -> str:
    try:
        return filesystem.last_bytes(path, TEXT_MAX).decode("utf-8", "surrogateescape").strip("\n")
    except OSError:
        return ""

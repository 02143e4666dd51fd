"""The zygote: a small warm process that runners are forked from, so that a runner costs no interpreter start.

An engine starts it as a daemon (`start`) and keeps one end of a socket pair: each message on it is one wish for a
runner and carries the runner's connection. The zygote is single-threaded, loads everything before the first fork, and
lets a collector touch none of it. It is parent and subreaper of its runners. Another child that it gets belonged to a
dead runner: it is killed. When its agent goes it stays until its last runner is gone; if it dies itself, only warm
starts are lost.
"""

from __future__ import annotations

import gc
import json
import operator
import os
import select
import signal
import socket
import sys
from functools import partial
from types import FrameType
from typing import Optional

from runyard.foreign import daemon
from runyard.runtime import family, native
from runyard.runtime.cgroup import CgroupTree, leave
from runyard.runtime.family import Member
from runyard.runtime.groups import end_groups
from runyard.runtime.rundir import RunDirs
from runyard.runtime.runner import DEAF_TO, Place, become_runner, wake_by_signals
from runyard.settings import Home

_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from runyard.runtime.zygote import main; main()"
_REQUEST = b"runner"


class Zygote:
    """The loop: fork on request, reap, kill who does not belong here."""

    def __init__(self, place: Place, requests: socket.socket, tree: Optional[CgroupTree]) -> None:
        self._place = place
        self._tree = tree
        self._dirs = RunDirs(place.runs, place.host_id)
        self._ending: list[Member] = []
        self._requests: Optional[socket.socket] = requests
        self._runners: dict[int, Member] = {}
        self._wakeup = wake_by_signals()

    def run(self) -> None:
        poll = select.poll()
        poll.register(self._wakeup, select.POLLIN)
        if self._requests is not None:
            poll.register(self._requests, select.POLLIN)
        while self._requests is not None or self._runners or self._left():
            for fd, _ in poll.poll():
                if fd == self._wakeup:
                    os.read(fd, 4096)
                    self._reap()
                elif not self._serve():
                    poll.unregister(fd)

    def _serve(self) -> bool:
        """Fork one runner. False: the agent is gone."""
        if self._requests is None:
            return False
        wish, fds, _, _ = socket.recv_fds(self._requests, 64, 1)
        for fd in fds:
            connection = socket.socket(fileno=fd)
            self._fork(connection)
            connection.close()
        if not wish:
            self._requests.close()
            self._requests = None
        return bool(wish)

    def _fork(self, connection: socket.socket) -> None:
        """A child that is a runner for the rest of its life. Without one the engine sees its connection closed."""
        try:
            pid = os.fork()
        except OSError as error:
            sys.stderr.write(f"no runner could be forked: {error}\n")
            return
        if pid:
            self._runners[pid] = Member(pid, family.start_time(pid))
            return
        status = 1
        try:
            os.close(self._wakeup)
            if self._requests is not None:
                self._requests.close()
            become_runner(self._place, connection, self._tree)
            status = 0
        except BaseException:  # noqa: BLE001  # whatever it is, it must not come back as a second zygote
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)

    def _reap(self) -> None:
        """Collect the dead. If one of them was a runner, what it left is now ours to kill."""
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                break
            runner = self._runners.pop(pid, None)
            if runner is not None:
                self._ending.append(runner)
                self._dirs.drop_slates(partial(operator.ne, runner))
        family.send(self._left(), signal.SIGKILL)

    def _left(self) -> list[Member]:
        """Who is left of dead runners' families."""
        self._ending = [runner for runner in self._ending if end_groups(self._tree, runner)]
        return family.strangers(Member(self._place.zygote, self._place.zygote_start), self._runners.values())


def start(home: Home, place: Place) -> tuple[int, socket.socket]:
    """Start a zygote as a daemon: its pid (our child, to be waited for when it is gone) and the socket that takes
    requests. `place` says where it works; the zygote fills in itself."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    argv = [sys.executable, "-I", "-S", "-c", _BOOT, package, str(its.fileno()), json.dumps(place)]
    try:
        pid = daemon.spawn(argv, home.log("zygote"), {**os.environ, "RUNYARD_HOME": home.root}, [its.fileno()])
    except OSError:
        ours.close()
        raise
    finally:
        its.close()
    ours.setblocking(False)
    return pid, ours


def request(zygote: socket.socket, connection: socket.socket) -> None:
    """Ask for one runner at the other end of this connection. Raises OSError when the zygote is gone or busy."""
    socket.send_fds(zygote, [_REQUEST], [connection.fileno()])


def main() -> None:
    """What runs in the new interpreter; its arguments are the package's directory, the descriptor of the requests,
    and the place."""
    requests = socket.socket(fileno=int(sys.argv[2]))
    requests.set_inheritable(False)
    _be_born()
    place = Place(*json.loads(sys.argv[3]))._replace(zygote=os.getpid(), zygote_start=family.start_time(os.getpid()))
    native.name_process("ry-zygote")
    native.become_subreaper()
    leave()
    zygote = Zygote(place, requests, CgroupTree.find())
    gc.collect()
    gc.freeze()
    zygote.run()


def _be_born() -> None:
    """Nothing of who started us may reach the jobs: every signal as at boot, but those that we are deaf to."""
    daemon.settle()
    for number in signal.valid_signals() - {signal.SIGXFSZ, signal.SIGPIPE}:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    for number in (*DEAF_TO, signal.SIGCHLD):
        signal.signal(number, _hear_nothing)


def _hear_nothing(number: int, frame: Optional[FrameType]) -> None:
    """A handler is reset by exec; SIG_IGN would be inherited by every command."""

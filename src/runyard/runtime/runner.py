"""A runner: a small process that holds one attempt after the other, and outlives the agent.

It is forked from the zygote, with a connection to the agent, and listens on a socket of its own, named after its pid
and start time, where a new agent finds it. While an agent is connected it takes one attempt after the other; when the
last agent goes it finishes what it has, then exits. It claims the attempt (see `runfile`), starts the command, records
start and end, and keeps time limit, grace and kill itself.

It is deaf to HUP, INT, TERM and PIPE by handlers that do nothing (a SIG_IGN would be inherited by the command), leader
of its own session, and child subreaper: whatever the command leaves behind becomes its child, so it has no child
exactly when the family is empty. It takes another attempt only then.

While it holds an attempt nothing ends it: what an order or a message wants and cannot be done, and every other failure,
goes to its error output (the zygote's log), and it goes on.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
import traceback
from typing import NamedTuple, Optional

from runyard.foreign import sockets
from runyard.runtime import family, native, runfile
from runyard.runtime.aftermath import before
from runyard.runtime.attempt import Attempt, ended_message, names
from runyard.runtime.cgroup import CgroupTree
from runyard.runtime.family import Member
from runyard.runtime.groups import RunnerGroups
from runyard.runtime.protocol import VERSION, Channel, Message, Start, read_start
from runyard.runtime.rundir import RunDir, RunDirs
from runyard.runtime.runfile import Claim, Ended, Slate, Slates
from runyard.runtime.spawn import NotStarted, Spawner
from runyard.runtime.standstill import NEVER
from runyard.runtime.terminals import Terminals

ANNOUNCE_S = 0.002
"""A start is told this much later: if the command has ended by then, that message says it all."""
RETRY_S = 1.0
"""How soon what has failed (a record that cannot be written, a turn of the loop) is tried again."""
BACKLOG = 16
POLL_MAX_S = 3600.0
"""A time limit or a grace may be years; the kernel takes a wait of some weeks at most."""
DEAF_TO = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)


class Place(NamedTuple):
    """Where a runner works: what all runners of one zygote have in common."""

    runs: str
    sockets: str
    host_id: str
    boot_id: str
    pid_namespace: int
    zygote: int
    zygote_start: int


class Runner:
    """The loop of one runner, over its connections, its children and its clock."""

    def __init__(self, place: Place, connection: socket.socket, wakeup: int, tree: Optional[CgroupTree] = None) -> None:
        self._place = place
        self._dirs = RunDirs(place.runs, place.host_id)
        self._me = Member(os.getpid(), family.start_time(os.getpid()))
        self._groups = RunnerGroups(tree, self._me)
        self._slates = Slates(self._dirs.slate_prefix(self._me))
        self._spawner = Spawner()
        self._wakeup = wakeup
        self._listener = sockets.bind(os.path.join(place.sockets, socket_name(self._me)))
        self._listener.setblocking(False)
        self._listener.listen(BACKLOG)
        self._channels: dict[int, Channel] = {}
        self._attempt: Optional[Attempt] = None
        self._announce_at = NEVER
        self._unwritten: Optional[tuple[Slate, Ended]] = None
        self._childless = True
        self._retired = False
        self._detached = False
        self._poll = select.poll()
        self._terminals = Terminals(self._poll)
        self._poll.register(wakeup, select.POLLIN)
        self._poll.register(self._listener, select.POLLIN)
        self._connect(connection)

    def run(self) -> None:
        """Serve until nobody wants anything of us any more."""
        while self._wanted() or self._accept():
            try:
                self._turn()
            except Exception:  # a machine that has run out of something must not end what we hold
                if not self._holds():
                    raise
                traceback.print_exc()
                time.sleep(RETRY_S)
                signal.raise_signal(signal.SIGCHLD)  # the one that was heard of in this turn may have been missed
        self._tidy()

    def _turn(self) -> None:
        for fd, _ in self._poll.poll(self._timeout_ms()):
            self._ready(fd)
        self._tick()

    def _wanted(self) -> bool:
        """Whether there is an agent, or what we hold, or a viewer who still reads."""
        return bool(self._channels or self._terminals.read) or self._holds()

    def _holds(self) -> bool:
        """Whether there is an attempt, or what one has detached (the zygote would kill it)."""
        return bool(self._attempt or self._unwritten or (self._detached and not self._childless))

    def _timeout_ms(self) -> Optional[float]:
        due = min(self._announce_at, self._attempt.due if self._attempt else NEVER, self._terminals.due)
        if self._unwritten:
            due = min(due, time.monotonic() + RETRY_S)
        return None if due == NEVER else max(0.0, min(due - time.monotonic(), POLL_MAX_S)) * 1000

    def _ready(self, fd: int) -> None:
        if fd == self._wakeup:
            os.read(fd, 4096)
            self._reap()
        elif fd == self._listener.fileno():
            self._accept()
        elif fd in self._channels:
            self._hear(self._channels[fd])
        else:
            self._terminals.ready(fd)

    def _tick(self) -> None:
        now = time.monotonic()
        if now >= self._announce_at:
            self._announce()
        if self._attempt is not None and now >= self._attempt.due:
            self._tick_attempt(self._attempt, now)
        if self._unwritten:
            self._record_end(*self._unwritten)
        if now >= self._terminals.due:
            self._terminals.tick(now)

    def _tick_attempt(self, attempt: Attempt, now: float) -> None:
        told = attempt.unkillable
        attempt.tick(now)
        if attempt.unkillable and not told:
            self._tell({"is": "unkillable", **names(attempt.start)})

    # connections

    def _accept(self) -> bool:
        """Whether somebody was let in."""
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return False
        allowed = sockets.peer_uid(connection) in (0, os.getuid())
        if allowed:
            self._connect(connection)
        else:
            connection.close()
        return allowed

    def _connect(self, connection: socket.socket) -> None:
        channel = Channel(connection)
        self._channels[channel.fd] = channel
        self._poll.register(channel.fd, select.POLLIN)
        self._send(channel, self._state())

    def _hear(self, channel: Channel) -> None:
        messages = channel.receive()
        if messages is None:
            self._drop(channel)
            return
        for message in messages:
            try:
                self._obey(channel, message)
            except Exception:  # noqa: BLE001  # nobody's words, however wrong, must end what we hold
                traceback.print_exc()

    def _obey(self, channel: Channel, message: Message) -> None:
        wanted = message.get("do")
        if wanted == "start":
            self._start(read_start(message))
        elif wanted == "stop":
            self._stop(message)
        elif wanted in ("limit", "pause", "resume"):
            self._adjust(message)
        elif wanted == "state":
            self._send(channel, self._state())
        elif wanted == "attach":
            self._attach(channel, message)

    def _meant(self, message: Message) -> Optional[Attempt]:
        """The attempt that a message is about, if we still have it."""
        self._reap()
        attempt = self._attempt
        mine = attempt is not None and message.get("token", attempt.start.token) == attempt.start.token
        return attempt if mine else None

    def _adjust(self, message: Message) -> None:
        attempt = self._meant(message)
        if attempt is None:
            return
        if message["do"] == "limit":
            attempt.limit(message["seconds"])
        elif message["do"] == "pause":
            attempt.pause()
        else:
            attempt.resume()

    def _stop(self, message: Message) -> None:
        attempt = self._meant(message)
        if attempt is None:
            return
        grace_s = message.get("grace_s")
        number = message.get("signal", signal.SIGTERM)
        attempt.stop(str(message["why"]), number, attempt.start.grace_s if grace_s is None else grace_s)

    def _attach(self, channel: Channel, message: Message) -> None:
        """From an agent's connection to a viewer's."""
        refused = self._terminals.refusal if self._meant(message) is not None else ""
        if refused is not None:
            self._send(channel, {"is": "not-attached", "reason": refused})
            return
        self._send(channel, {"is": "attached"})
        if self._channels.pop(channel.fd, None) is not None:
            self._poll.unregister(channel.fd)
            self._terminals.attach(channel.release(), message)

    def _state(self) -> Message:
        attempt = self._attempt.started_message() if self._attempt else None
        return {
            "is": "state",
            "v": VERSION,
            "pid": self._me.pid,
            "start_time": self._me.start_time,
            "zygote": self._place.zygote,
            "zygote_start": self._place.zygote_start,
            "pid_namespace": self._place.pid_namespace,
            "attempt": attempt,
            "retired": self._retired,
        }

    def _tell(self, message: Message) -> None:
        for channel in list(self._channels.values()):
            self._send(channel, message)

    def _send(self, channel: Channel, message: Message) -> None:
        """What an agent does not take at once is not worth waiting for: it can read the run file."""
        if not channel.send(message) or channel.unsent:
            self._drop(channel)

    def _drop(self, channel: Channel) -> None:
        if self._channels.pop(channel.fd, None) is not None:
            self._poll.unregister(channel.fd)
            channel.close()

    def _tidy(self) -> None:
        self._slates.close()
        path = os.path.join(self._place.sockets, socket_name(self._me))
        if os.path.lexists(path):
            os.unlink(path)

    # the attempt

    def _start(self, start: Start) -> None:
        if self._attempt is not None or self._retired or not self._childless:
            self._tell({"is": "refused", **names(start), "reason": "busy"})
            return
        run_dir = self._dirs.live(start.job, start.number)
        try:
            slate = self._slates.claim(run_dir.run, self._claim(start))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            self._tell({"is": "refused", **names(start), "reason": f"the run file: {reason}"})
            return
        if slate is None:
            self._tell({"is": "refused", **names(start), "reason": "claimed"})
            return
        self._spawn(start, run_dir, slate)

    def _claim(self, start: Start) -> Claim:
        place = self._place
        return Claim(
            start.job,
            start.number,
            start.token,
            place.host_id,
            place.boot_id,
            place.pid_namespace,
            self._me.pid,
            self._me.start_time,
            time.time(),
            "runner",
            place.zygote,
            place.zygote_start,
            start.rank,
            tuple(start.ports),
        )

    def _spawn(self, start: Start, run_dir: RunDir, slate: Slate) -> None:
        try:
            self._groups.limit(start.cpus, start.memory_mb)
            then = before(start, run_dir)
            child = self._spawner.spawn(start, run_dir, self._terminals.open(start, run_dir))
        except NotStarted as reason:
            self._not_started(start, slate, str(reason))
        except Exception as error:  # noqa: BLE001  # whatever it is, nothing has begun: that has to be known
            traceback.print_exc()
            self._not_started(start, slate, f"{type(error).__name__}: {error}")
        else:
            self._childless = False
            self._attempt = Attempt(start, slate, child, self._groups, then)
            self._announce_at = time.monotonic() + ANNOUNCE_S
            self._record_start(self._attempt)
            self._groups.take(child.pid)

    def _record_start(self, attempt: Attempt) -> None:
        """Without this record the attempt goes on as well: we know."""
        try:
            attempt.record()
        except OSError:
            traceback.print_exc()

    def _not_started(self, start: Start, slate: Slate, reason: str) -> None:
        self._groups.finish()
        self._terminals.finish("not-started", None)
        ended = Ended(None, "not-started", reason, "runner", 0.0, 0.0, time.time(), 0.0)
        self._record_end(slate, ended)
        self._tell(ended_message(start, ended, None, self._retired))

    def _announce(self) -> None:
        self._announce_at = NEVER
        if self._attempt is not None:
            self._tell(self._attempt.started_message())

    def _reap(self) -> None:
        """Collect dead children. No child left: the family is empty."""
        while not self._childless:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                self._childless = True
                break
            if pid == 0:
                break
            if self._attempt is not None:
                self._attempt.reaped(pid, status, usage)
        attempt = self._attempt
        if attempt is None or attempt.status is None:
            return
        if self._childless or attempt.start.detach or attempt.is_over():
            self._detached = attempt.start.detach
            self._end(attempt)

    def _end(self, attempt: Attempt) -> None:
        ended = attempt.ended(self._groups.finish())
        self._terminals.finish(ended.why, ended.wait_status)
        self._attempt = None
        self._retired = self._retired or not self._childless
        self._record_end(attempt.slate, ended)
        self._announce_at = NEVER
        self._tell(ended_message(attempt.start, ended, attempt, self._retired))

    def _record_end(self, slate: Slate, ended: Ended) -> None:
        """Write the last record. While it cannot be written we stay: the lock says that somebody knows."""
        try:
            runfile.write_ended(slate.fd, ended)
        except OSError:
            self._unwritten = (slate, ended)
            self._retired = True
            return
        self._unwritten = None
        self._slates.give_back(slate)


def socket_name(runner: Member) -> str:
    """The name of a runner's own socket."""
    return f"{runner.pid}.{runner.start_time}.sock"


def become_runner(place: Place, connection: socket.socket, tree: Optional[CgroupTree]) -> None:
    """The life of a runner, in a process that was just forked from the zygote."""
    native.name_process("ry-runner")
    native.become_subreaper()
    runner = Runner(place, connection, wake_by_signals(), tree)
    os.setsid()  # after the socket is there: who looks at a zygote's children knows a runner by one of the two
    runner.run()


def wake_by_signals() -> int:
    """A descriptor that becomes readable with each signal that has a handler."""
    read_end, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    if before >= 0:
        os.close(before)
    return read_end

"""An attempt that an engine answers for: what is known of it, and who has it now."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from typing import Any, Optional

from runyard.model.attempt import AttemptKey, Result
from runyard.model.beat import Observed, Terms
from runyard.model.record import changed
from runyard.runtime import family, verdict
from runyard.runtime.family import Member
from runyard.runtime.funeral import Funeral
from runyard.runtime.link import RunnerLink
from runyard.runtime.protocol import PAUSES, Message, terms_messages
from runyard.runtime.rundir import RunDir
from runyard.runtime.runfile import Claim, Records, Started
from runyard.runtime.verdict import Here

FINAL = ("ended", "revoked")
TOO_OLD = "its runner is of an older version, which cannot pause it"


class Held:
    """`order` waits for a runner; `link` is the runner that has it, `last_link` the last that may have; `started` is
    what is known of the command; `stop` and `terms` are kept for a runner that is not reached yet; a `funeral` is held
    where the runner is dead. Every change of `observed` is published. Not `own`: the directory is another attempt's,
    or the attempt is done already."""

    def __init__(self, observed: Observed, run_dir: RunDir, publish: Callable[[Observed], None]) -> None:
        self.observed = observed
        self.run_dir = run_dir
        self.assigned_boot_id = ""
        self.order: Optional[Message] = None
        self.stop: Optional[Message] = None
        self.terms: Optional[Terms] = None
        self.link: Optional[RunnerLink] = None
        self.last_link: Optional[RunnerLink] = None
        self.started: Optional[Started] = None
        self.funeral: Optional[Funeral] = None
        self.forgotten = False
        self.own = True
        self._publish = publish

    @property
    def key(self) -> AttemptKey:
        return self.observed.key

    @property
    def names(self) -> tuple[int, int, str]:
        """How messages name it."""
        return self.key.job_id, self.key.number, self.key.token

    @property
    def final(self) -> bool:
        return self.observed.stage in FINAL

    @property
    def touched(self) -> bool:
        """Somebody has tried to start it, or to give it up."""
        return os.path.lexists(self.run_dir.run)

    def tell(self, **changes: Any) -> None:
        """Something is known that was not."""
        self.observed = changed(self.observed, **changes)
        self._publish(self.observed)

    def learn_start(self, started: Optional[Started]) -> None:
        """What the run file or the runner says of the start, if that is news."""
        if started is None:
            return
        self.started = started
        if self.observed.stage == "claimed":
            self.tell(stage="started", pid=started.pid, started_at=started.at)

    def bind(self, link: RunnerLink) -> None:
        """This runner has it."""
        self.link = self.last_link = link
        if self.stop is not None:
            link.send(self.stop)

    def adjust(self, terms: Terms) -> None:
        """It is to go on like this: what starts later starts so."""
        self.terms = terms
        if self.order is not None:
            self.order["time_limit_s"] = terms.time_limit_s
        self.tell_terms()

    def tell_terms(self) -> None:
        """Its runner hears how it is to go on, once it has greeted."""
        if self.terms is None or self.link is None or not self.link.version:
            return
        limit, stands = terms_messages(self.terms)
        self.link.send(limit)
        if self.link.version >= PAUSES:
            self.link.send(stands)
        elif self.terms.paused:
            self.tell(why=TOO_OLD)
        self.terms = None

    def wake_runner(self) -> None:
        """One that was stopped (by its own job, perhaps) hears nothing."""
        if self.last_link is not None and self.last_link.member is not None:
            family.wake(self.last_link.member)

    @property
    def vanished(self) -> bool:
        """It may well have been started, and its run file is gone: a runner has told of the start, or it was handed to
        one and the whole directory is gone."""
        if self.touched:
            return False
        return self.started is not None or (self.last_link is not None and not os.path.isdir(self.run_dir.path))

    def last_runner(self) -> Optional[Member]:
        """The runner that had it last, if that lives."""
        member = self.last_link.member if self.last_link is not None else None
        return member if member is not None and family.identity(member.pid) == member else None

    def told(self, here: Here) -> Optional[Records]:
        """What was in its run file, as far as we were told; None where the file itself can tell."""
        if not self.vanished:
            return None
        runner, zygote, namespace = Member(0, 0), Member(0, 0), here.pid_namespace
        if self.last_link is not None:
            runner, zygote = self.last_link.member or runner, self.last_link.zygote
            namespace = self.last_link.pid_namespace or namespace
        at = self.started.at if self.started is not None else time.time()
        claim = Claim(*self.names, here.host_id, here.boot_id, namespace, *runner, at, "runner", *zygote)
        return Records(claim, self.started)

    def end(self, message: Message) -> None:
        """It has ended, as its runner says."""
        result = Result(
            message["source"],
            message["wait_status"],
            message["why"],
            message["detail"],
            message["cpu_s"],
            message["max_rss_mb"],
        )
        started_at, pid = message["started_at"], message["pid"]
        self.tell(stage="ended", pid=pid, started_at=started_at, ended_at=message["at"], result=result)

    def lose(self, reason: str) -> None:
        """Nobody knows how it ended; the run file says so from now on."""
        with contextlib.suppress(OSError):  # if it cannot be written, the next look finds the same
            verdict.record_lost(self.run_dir, reason)
        self.over(Result("inferred", None, verdict.LOST, reason))

    def over(self, result: Result) -> None:
        """It is over, as far as we can tell, now."""
        self.tell(stage="ended", ended_at=time.time(), result=result)

    def explain(self, reason: str) -> None:
        """Say why it was never started."""
        if reason and self.observed.stage == "revoked":
            self.over(Result("inferred", None, "not-started", reason))


def names_in(message: Message) -> tuple[int, int, str]:
    """Which attempt a message is about."""
    return message["job"], message["number"], message["token"]


def started_in(message: Message) -> Started:
    """The command that a message tells of (an old runner does not tell when it was started)."""
    return Started(message["pid"], message.get("start_time", 0), message["at"])


def end_message(records: Records) -> Message:
    """What the runner would have told of an end that is found in its file."""
    started, ended = records.started, records.ended
    if ended is None:
        raise ValueError("there is no record of an end")
    began = (started.pid, started.at) if started is not None else (None, None)
    return {**ended._asdict(), "pid": began[0], "started_at": began[1]}

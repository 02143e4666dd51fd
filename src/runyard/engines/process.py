"""The engine that starts attempts as processes on this machine, each held by a runner (see `runtime`).

Driven by one thread and one descriptor: `start` hands an order to a warm runner, `poll` takes what the runners say,
and what is found dead is judged by its run file (`runtime/verdict`). All that this engine knows it could read again
from the run directories: attempts outlive it, and `adopt` finds them.
"""

from __future__ import annotations

import os
from collections import deque
from dataclasses import replace
from typing import Any, NamedTuple, Optional

from runyard.engines.base import Capabilities
from runyard.foreign import process
from runyard.model.attempt import AttemptKey, Result
from runyard.model.beat import Observed, Order, StopOrder
from runyard.runtime import verdict
from runyard.runtime.funeral import Funeral
from runyard.runtime.link import Link
from runyard.runtime.pool import Pool
from runyard.runtime.protocol import Message, start_message
from runyard.runtime.rundir import RunDir, RunDirs
from runyard.runtime.runfile import Claim, Ended, Records
from runyard.runtime.runner import Place
from runyard.runtime.verdict import ADOPT, ENDED, LOST, NEVER_STARTED, Here, Verdict
from runyard.runtime.watch import Watch
from runyard.settings import Home

LOOK_AGAIN_S = 0.1
REFILL_S = 0.002
"""A runner that was taken is replaced this much later, when the start is out of the way."""
FINAL = ("ended", "revoked")
GIVEN_BACK = "no runner could be started; the zygote's log says why"
OTHER_TOKEN = "another attempt has this number on this host: the store is older than it"
PUT_AWAY = "its files are put away already"


class Identity(NamedTuple):
    """Which machine this is, and which boot of it."""

    host_id: str
    boot_id: str
    pid_namespace: int


class _Held:
    """An attempt that this engine answers for. `order` waits for a runner; `link` is the runner that has it."""

    def __init__(self, observed: Observed, run_dir: RunDir) -> None:
        self.observed = observed
        self.run_dir = run_dir
        self.assigned_boot_id = ""
        self.order: Optional[Message] = None
        self.stop: Optional[Message] = None
        self.link: Optional[Link] = None
        self.funeral: Optional[Funeral] = None
        self.forgotten = False
        self.own = True

    @property
    def key(self) -> AttemptKey:
        return self.observed.key

    @property
    def final(self) -> bool:
        return self.observed.stage in FINAL


class ProcessEngine:
    """See `engines.base.Engine`."""

    capabilities = Capabilities("process")

    def __init__(self, home: Home, host_id: str, boot_id: str, warm: int = 2) -> None:
        own = process.read_stat(os.getpid())
        assert own is not None
        self._here = Here(host_id, boot_id, process.pid_namespace(), os.getpid(), own.start_time)
        self._dirs = RunDirs(home.runs, host_id)
        self._dirs.prepare()
        self._watch = Watch()
        place = Place(home.runs, home.runner_sockets, host_id, boot_id, self._here.pid_namespace, 0, 0)
        self._pool = Pool(home, place, warm, self._watch, self._on_message, self._on_end)
        self._held: dict[AttemptKey, _Held] = {}
        self._by_link: dict[Link, _Held] = {}
        self._waiting: deque[_Held] = deque()
        self._unsettled: set[_Held] = set()
        self._news: list[Observed] = []
        self._polling = False
        self._pool.fill(0)

    # what an agent calls

    def fileno(self) -> int:
        return self._watch.fileno()

    def adopt(self) -> list[Observed]:
        for run_dir in self._dirs.scan():
            seen = verdict.look(run_dir, self._here)
            claim = seen.records.claim if seen is not None else None
            if seen is None or claim is None:
                continue  # nobody has begun: the order comes again, or a revoke
            held = self._hold(AttemptKey(claim.job, claim.number, claim.token), claim.rank, run_dir)
            self._conclude(held, seen)
        reached = {name for name in map(self._runner_name, self._by_link.values()) if name}
        for name in set(self._pool.sockets()) - reached:
            self._pool.reach(name)
        self._news.clear()
        return [held.observed for held in self._held.values()]

    def start(self, order: Order, environment: str, script: str) -> None:
        key = order.key
        if key in self._held:
            return
        run_dir = self._dirs.live(key.job_id, key.number)
        fresh = self._dirs.make(key.job_id, key.number)
        held = self._hold(key, order.rank, run_dir)
        held.assigned_boot_id = order.assigned_boot_id
        rebooted = order.assigned_boot_id not in ("", self._here.boot_id)
        if not fresh and os.path.lexists(self._dirs.done(key.job_id, key.number).path):
            held.own = False
            self._lost(held, PUT_AWAY)
        elif rebooted or (not fresh and os.path.lexists(run_dir.run)):
            self._judge(held)
        else:
            held.order = start_message(order, environment, script)
            self._hand_over(held)

    def stop(self, order: StopOrder) -> None:
        held = self._held.get(order.key)
        if held is None:
            self._tell_now(self.revoke(order.key))
            held = self._held[order.key]
        elif held.observed.stage == "claimed":
            self._revoke(held)
        if not held.final:
            held.stop = {"do": "stop", "why": order.why, "signal": order.signal, "grace_s": order.grace_s}
            if held.link is not None:
                held.link.send(held.stop)

    def revoke(self, key: AttemptKey) -> Observed:
        held = self._held.get(key)
        if held is None:
            held = self._hold(key, 0, self._dirs.live(key.job_id, key.number))
            if os.path.lexists(self._dirs.done(key.job_id, key.number).path):
                held.own = False
                self._lost(held, PUT_AWAY)
            else:
                self._judge(held)
        elif held.observed.stage == "claimed":
            self._revoke(held)
        return held.observed

    def poll(self) -> list[Observed]:
        self._polling = True
        self._watch.dispatch()
        for held in list(self._unsettled):
            self._settle(held)
        self._polling = False
        if self._pool.hopeless:
            self._give_back_orders()
        self._pool.fill(len(self._waiting))
        self._pool.trim()
        news, self._news = self._news, []
        return news

    def forget(self, key: AttemptKey) -> None:
        held = self._held.get(key)
        if held is None or not held.final:
            return
        held.forgotten = True
        if held.link is None:
            self._put_away(held)

    def attach_hint(self, key: AttemptKey) -> str:
        return ""

    def close(self) -> None:
        for held in self._held.values():
            if held.funeral is not None:
                held.funeral.close()
            if held.link is not None:
                held.link.close()
        self._pool.close()
        self._watch.close()

    # orders on their way to a runner

    def _hold(self, key: AttemptKey, rank: int, run_dir: RunDir) -> _Held:
        held = self._held[key] = _Held(Observed(key, "claimed", rank), run_dir)
        return held

    def _hand_over(self, held: _Held) -> None:
        """Give the order to an idle runner, or let it wait for one."""
        link = self._pool.take()
        if link is None or held.order is None:
            self._waiting.append(held)
            self._watch.wake(0.0)
            return
        self._bind(held, link)
        link.send(held.order)
        if self._pool.short:
            self._watch.wake(REFILL_S)

    def _bind(self, held: _Held, link: Link) -> None:
        held.link = link
        self._by_link[link] = held

    def _free(self, link: Link) -> None:
        """The runner has nothing to do: the next order, or a place among the idle."""
        held = self._by_link.pop(link, None)
        if held is not None:
            held.link = None
            if held.forgotten:
                self._put_away(held)
        self._pool.give_back(link)
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.final:
                self._hand_over(waiting)
                return

    def _give_back_orders(self) -> None:
        while self._waiting:
            held = self._waiting.popleft()
            if not held.final:
                self._judge(held)
                self._explain(held, GIVEN_BACK)

    # what runners say

    def _on_message(self, link: Link, message: Message) -> None:
        word = message.get("is")
        if word == "state":
            self._greeted(link, message)
            return
        held = self._by_link.get(link)
        if held is None or (message["job"], message["number"], message["token"]) != _names(held.key):
            return
        if word == "started":
            self._tell(held, stage="started", pid=message["pid"], started_at=message["at"])
        elif word == "unkillable":
            self._tell(held, stage="unkillable")
        elif word == "ended":
            link.usable = link.usable and not message["retired"]
            self._ended(held, message)
            self._free(link)
        elif word == "refused":
            self._refused(held, link, message["reason"])

    def _greeted(self, link: Link, message: Message) -> None:
        """A runner that was just born, or one that was found: idle, or with the attempt that we found it by."""
        self._pool.born(link)
        attempt = message["attempt"]
        held = self._by_link.get(link)
        if attempt is None and held is None:
            self._free(link)
        elif attempt is not None and held is None:
            held = self._held.get(AttemptKey(attempt["job"], attempt["number"], attempt["token"]))
            if held is not None:
                self._bind(held, link)
        elif attempt is None and held is not None:
            self._unsettled.add(held)  # it ended before we came
            self._by_link.pop(link)
            held.link = None
            self._free(link)

    def _refused(self, held: _Held, link: Link, reason: str) -> None:
        """Nothing was started: the claim was there, or could not be written."""
        if reason == "busy":
            link.usable = False
            self._waiting.append(held)
        elif not held.final:
            self._judge(held)
            self._explain(held, "" if reason == "claimed" else reason)
        self._free(link)

    def _on_end(self, link: Link) -> None:
        """A runner is dead."""
        self._pool.forget(link)
        held = self._by_link.pop(link, None)
        if held is None:
            return
        held.link = None
        if held.forgotten:
            self._put_away(held)
        elif not held.final:
            self._unsettled.add(held)
            self._watch.wake(0.0)

    # verdicts

    def _settle(self, held: _Held) -> None:
        """Go on with what could not be concluded at once."""
        self._unsettled.discard(held)
        if held.funeral is not None:
            self._attend(held, held.funeral)
        elif held.order is not None and held.link is None and not os.path.lexists(held.run_dir.run):
            self._hand_over(held)  # the runner died before it claimed anything
        else:
            self._judge(held)

    def _judge(self, held: _Held) -> None:
        try:
            found = verdict.judge(held.run_dir, held.key.token, self._here, held.assigned_boot_id)
        except OSError:  # no space for our claim
            self._later(held)
            return
        self._conclude(held, found)

    def _revoke(self, held: _Held) -> None:
        """Take the claim before the runner does, if it has not."""
        held.order = None
        try:
            found = verdict.judge(held.run_dir, held.key.token, self._here, held.assigned_boot_id)
        except OSError:
            return
        if found.word == NEVER_STARTED:
            self._conclude(held, found)

    def _conclude(self, held: _Held, found: Verdict) -> None:
        claim = found.records.claim
        if claim is not None and claim.token != held.key.token:
            held.own = False
            self._over(held, Result("inferred", None, "not-started", OTHER_TOKEN))
        elif found.word == ADOPT:
            self._adopt(held, found.records)
        elif found.word == ENDED and found.records.ended is not None:
            self._ended(held, _message_of(found.records, found.records.ended))
        elif found.word == NEVER_STARTED:
            self._tell(held, stage="revoked", why="not-started")
        elif found.family_may_live:
            held.funeral = Funeral(found.records, self._pool.pids, self._watch)
            self._attend(held, held.funeral)
        else:
            verdict.record_lost(held.run_dir, found.reason)
            self._lost(held, found.reason)

    def _adopt(self, held: _Held, records: Records) -> None:
        """Its runner lives: listen to it."""
        started = records.started
        if started is not None and held.observed.stage == "claimed":
            self._tell(held, stage="started", pid=started.pid, started_at=started.at)
        if held.link is None and records.claim is not None:
            link = self._pool.reach(_socket_name(records.claim))
            if link is not None:
                self._bind(held, link)
                if held.stop is not None:
                    link.send(held.stop)
                return
        if held.link is None:
            self._later(held)

    def _attend(self, held: _Held, funeral: Funeral) -> None:
        """End what is left of the family; then it is lost, for good."""
        funeral.attend()
        if funeral.over:
            held.funeral = None
            verdict.record_lost(held.run_dir, verdict.RUNNER_DIED)
            self._lost(held, verdict.RUNNER_DIED)
            return
        if funeral.unkillable and held.observed.stage != "unkillable":
            self._tell(held, stage="unkillable")
        self._unsettled.add(held)

    def _later(self, held: _Held) -> None:
        self._unsettled.add(held)
        self._watch.wake(LOOK_AGAIN_S)

    # what we know

    def _ended(self, held: _Held, message: Message) -> None:
        result = Result(
            message["source"],
            message["wait_status"],
            message["why"],
            message["detail"],
            message["cpu_s"],
            message["max_rss_mb"],
        )
        started_at, pid = message["started_at"], message["pid"]
        self._tell(held, stage="ended", pid=pid, started_at=started_at, ended_at=message["at"], result=result)

    def _lost(self, held: _Held, reason: str) -> None:
        self._over(held, Result("inferred", None, LOST, reason))

    def _over(self, held: _Held, result: Result) -> None:
        self._tell(held, stage="ended", result=result)

    def _explain(self, held: _Held, reason: str) -> None:
        """Say why it was never started."""
        if reason and held.observed.stage == "revoked":
            self._over(held, Result("inferred", None, "not-started", reason))

    def _tell(self, held: _Held, **changes: Any) -> None:
        held.observed = replace(held.observed, **changes)
        self._tell_now(held.observed)

    def _tell_now(self, observed: Observed) -> None:
        self._news.append(observed)
        if not self._polling:
            self._watch.wake(0.0)

    def _put_away(self, held: _Held) -> None:
        del self._held[held.key]
        if held.own:
            self._dirs.retire(held.key.job_id, held.key.number)

    def _runner_name(self, held: _Held) -> str:
        member = held.link.member if held.link is not None else None
        return f"{member.pid}.{member.start_time}.sock" if member is not None else ""


def _names(key: AttemptKey) -> tuple[int, int, str]:
    return key.job_id, key.number, key.token


def _socket_name(claim: Claim) -> str:
    return f"{claim.pid}.{claim.start_time}.sock"


def _message_of(records: Records, ended: Ended) -> Message:
    """What the runner would have told of an end that is found in its file."""
    started = records.started
    began = (started.pid, started.at) if started is not None else (None, None)
    return {**ended._asdict(), "pid": began[0], "started_at": began[1]}

"""The engine that starts attempts as processes on this machine, each held by a runner (see `runtime`).

Driven by one thread and one descriptor: `start` hands an order to a warm runner, `poll` takes what the runners say,
and what is found dead is judged by its run file (`runtime/verdict`). All that this engine knows it could learn again:
attempts outlive it, and `adopt` finds them by their run directories and by what living runners say that they hold. A
job may have removed any directory: what a runner says counts as much.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from typing import Optional

from runyard.engines.base import Capabilities
from runyard.foreign import process
from runyard.model.attempt import AttemptKey, Result
from runyard.model.beat import Observed, Order, StopOrder, Terms
from runyard.runtime import family, verdict
from runyard.runtime.cgroup import CgroupTree
from runyard.runtime.family import Member
from runyard.runtime.funeral import Funeral, Mourners
from runyard.runtime.groups import sweep
from runyard.runtime.held import Held, end_message, names_in, started_in
from runyard.runtime.link import RunnerLink
from runyard.runtime.pool import Pool
from runyard.runtime.protocol import STATE, Message, start_message, stop_message
from runyard.runtime.rundir import RunDir, RunDirs
from runyard.runtime.runfile import Records
from runyard.runtime.runner import Place
from runyard.runtime.verdict import ADOPT, ENDED, LOST, NEVER_STARTED, Here, Verdict
from runyard.runtime.waking import Waker
from runyard.runtime.watch import Watch
from runyard.settings import Home

LOOK_AGAIN_S = 0.1
REFILL_S = 0.002
"""A runner that was taken is replaced this much later, when the start is out of the way."""
GIVEN_BACK = "no runner could be started; the zygote's log says why"
OTHER_TOKEN = "another attempt has this number on this host: the store is older than it"
PUT_AWAY = "its files are put away already"


class ProcessEngine:
    """See `engines.base.Engine`."""

    capabilities = Capabilities("process", attachable=True)

    def __init__(self, home: Home, host_id: str, boot_id: str, warm: int = 2) -> None:
        own = process.read_stat(os.getpid())
        assert own is not None
        self._here = Here(host_id, boot_id, process.pid_namespace(), os.getpid(), own.start_time)
        self._dirs = RunDirs(home.runs, host_id)
        self._dirs.prepare()
        self._watch = Watch()
        place = Place(home.runs, home.runner_sockets, host_id, boot_id, self._here.pid_namespace, 0, 0)
        self._pool = Pool(home, place, warm, self._watch, self._on_message, self._on_end)
        self._mourners = Mourners(self._watch, self._here.pid_namespace, self._pool.runners, CgroupTree.find())
        self._held: dict[AttemptKey, Held] = {}
        self._by_link: dict[RunnerLink, Held] = {}
        self._waiting: deque[Held] = deque()
        self._unsettled: set[Held] = set()
        self._waker = Waker(self._watch)
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
            key = AttemptKey(claim.job, claim.number, claim.token)
            held = self._hold(Observed(key, "claimed", claim.rank, ports=tuple(claim.ports)), run_dir)
            self._conclude(held, seen)
        self._pool.ask(self._pool.runners() - {link.member for link in self._by_link})
        sweep(self._mourners.tree)
        self._dirs.drop_slates(lambda runner: family.identity(runner.pid) == runner)
        self._news.clear()
        self._watch.wake(0.0)
        return [held.observed for held in self._held.values()]

    def start(self, order: Order, environment: str, script: str) -> None:
        key = order.key
        if key in self._held:
            return
        observed = Observed(key, "claimed", order.rank, ports=order.granted)
        held = self._hold(observed, self._dirs.live(key.job_id, key.number))
        held.assigned_boot_id = order.assigned_boot_id
        try:
            fresh = self._dirs.make(key.job_id, key.number)
        except OSError as error:
            held.over(Result("inferred", None, "not-started", f"the run directory: {error.strerror}"))
            return
        if not fresh and self._dirs.is_done(key.job_id, key.number):
            held.own = False
            held.over(Result("inferred", None, LOST, PUT_AWAY))
        elif order.assigned_boot_id not in ("", self._here.boot_id) or (not fresh and held.touched):
            self._judge(held)
        else:
            held.order = start_message(order, environment, script)
            self._waiting.append(held)
            self._hand_out()

    def stop(self, order: StopOrder) -> None:
        self.revoke(order.key)
        held = self._held[order.key]
        if not held.final:
            held.stop = stop_message(order.key.token, order.why, order.signal, order.grace_s)
            self._waker.add(held)
            if held.link is not None:
                held.link.send(held.stop)

    def adjust(self, terms: Terms) -> None:
        held = self._held.get(terms.key)
        if held is not None and not held.final:
            held.adjust(terms)

    def revoke(self, key: AttemptKey) -> Observed:
        held = self._held.get(key)
        if held is None:
            held = self._hold(Observed(key, "claimed"), self._dirs.live(key.job_id, key.number))
            if self._dirs.is_done(key.job_id, key.number):
                held.own = False
                held.over(Result("inferred", None, LOST, PUT_AWAY))
            else:
                self._judge(held)
        elif held.observed.stage == "claimed":
            held.order = None
            self._judge(held)  # takes the claim before the runner does, if it has not
        return held.observed

    def poll(self) -> list[Observed]:
        self._polling = True
        self._watch.dispatch()
        for held in list(self._unsettled):
            self._settle(held)
        self._polling = False
        self._waker.attend()
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
        runner = self._held[key].last_runner() if key in self._held else None
        return self._pool.socket_path(runner) if runner is not None else ""

    def close(self) -> None:
        for held in self._held.values():
            if held.funeral is not None:
                held.funeral.close()
        self._pool.close()
        self._watch.close()

    # orders on their way to a runner

    def _hold(self, observed: Observed, run_dir: RunDir) -> Held:
        held = self._held[observed.key] = Held(observed, run_dir, self._publish)
        return held

    def _hand_out(self) -> None:
        """Give the orders that wait to idle runners, as far as there are some."""
        while self._waiting:
            held = self._waiting[0]
            if held.order is not None and not held.final:
                link = self._pool.take()
                if link is None:
                    break
                self._bind(held, link)
                link.send(held.order)
            self._waiting.popleft()
        if self._waiting or self._pool.short:
            self._watch.wake(REFILL_S)

    def _bind(self, held: Held, link: RunnerLink) -> None:
        held.bind(link)
        self._by_link[link] = held

    def _free(self, link: RunnerLink) -> None:
        """The runner has nothing to do: the next order, or a place among the idle."""
        self._unbind(link)
        self._pool.give_back(link)
        self._hand_out()

    def _unbind(self, link: RunnerLink) -> Optional[Held]:
        held = self._by_link.pop(link, None)
        if held is not None:
            held.link = None
            if held.forgotten:
                self._put_away(held)
        return held

    def _give_back_orders(self) -> None:
        while self._waiting:
            held = self._waiting.popleft()
            if held.order is not None and not held.final:
                self._judge(held)
                held.explain(GIVEN_BACK)

    # what runners say

    def _on_message(self, link: RunnerLink, message: Message) -> None:
        word = message.get("is")
        if word == "state":
            self._greeted(link, message)
            return
        held = self._by_link.get(link)
        if held is not None and names_in(message) != held.names:
            return
        if word == "started":
            self._has(link, message)
        elif held is None:
            return
        elif word == "unkillable":
            held.tell(stage="unkillable")
        elif word == "ended":
            link.usable = link.usable and not message["retired"]
            if not held.final:
                held.end(message)
            self._free(link)
        elif word == "refused":
            self._refused(held, link, message["reason"])

    def _greeted(self, link: RunnerLink, message: Message) -> None:
        """A runner that was just born, or one that was found: idle, or with the attempt that we found it by."""
        self._pool.born(link)
        attempt = message["attempt"]
        held = self._by_link.get(link)
        if held is not None and (attempt is None or names_in(attempt) != held.names):
            self._unbind(link)
            held.last_link = None
            self._later(held)  # it ended before we came
            held = None
        if attempt is not None:
            self._has(link, attempt)
        elif held is None:
            self._free(link)

    def _has(self, link: RunnerLink, attempt: Message) -> None:
        """A runner holds this attempt, whatever we have found of it. What is over already must not live on."""
        key = AttemptKey(*names_in(attempt))
        held = self._held.get(key)
        if held is None:
            ports = tuple(attempt.get("ports", ()))
            observed = Observed(key, "claimed", attempt.get("rank", 0), ports=ports)
            held = self._hold(observed, self._dirs.live(key.job_id, key.number))
        if held.link is None:
            held.order = None
            self._pool.busy(link)
            self._bind(held, link)
        if held.final or (held.link is not link and held.started is not None):
            link.send(stop_message(key.token, "killed", signal.SIGKILL, 0.0))
        elif held.link is link:
            held.learn_start(started_in(attempt))
            held.tell_terms()

    def _refused(self, held: Held, link: RunnerLink, reason: str) -> None:
        """Nothing was started: the claim was there, or could not be written."""
        self._unbind(link)
        held.last_link = None
        if reason == "busy":
            self._waiting.appendleft(held)
            link.send(STATE)  # with what?
            self._hand_out()
            return
        if reason != "claimed":
            held.over(Result("runner", None, "not-started", reason))
        elif not held.final:
            self._judge(held)
        self._free(link)

    def _on_end(self, link: RunnerLink) -> None:
        """A runner says no more."""
        self._pool.forget(link)
        held = self._unbind(link)
        if held is not None and not held.final:
            self._unsettled.add(held)

    # verdicts

    def _settle(self, held: Held) -> None:
        """Go on with what could not be concluded at once."""
        self._unsettled.discard(held)
        if held.forgotten:
            self._put_away(held)
        elif held.final:
            return
        elif held.funeral is not None:
            self._attend(held, held.funeral)
        elif held.order is not None and held.link is None and not (held.touched or held.vanished):
            self._waiting.append(held)  # the runner died before it claimed anything
            self._hand_out()
        elif held.link is None:
            self._judge(held)

    def _judge(self, held: Held) -> None:
        runner = held.last_runner() if held.vanished else None
        if runner is not None:
            self._reach(held, runner)
            return
        try:
            told = held.told(self._here)
            found = verdict.judge(held.run_dir, held.key.token, self._here, held.assigned_boot_id, told)
        except OSError:  # no space for our claim: nothing is known
            self._later(held)
            return
        self._conclude(held, found)

    def _conclude(self, held: Held, found: Verdict) -> None:
        claim = found.records.claim
        if claim is not None and claim.token != held.key.token:
            held.own = False
            held.over(Result("inferred", None, "not-started", OTHER_TOKEN))
        elif found.word == ADOPT:
            self._adopt(held, found.records)
        elif found.word == ENDED:
            held.end(end_message(found.records))
        elif found.word == NEVER_STARTED:
            held.tell(stage="revoked", why="not-started")
        elif found.family_may_live:
            held.learn_start(found.records.started)
            held.funeral = Funeral(found.records, self._mourners)
            self._attend(held, held.funeral)
        else:
            held.learn_start(found.records.started)
            held.lose(found.reason)

    def _adopt(self, held: Held, records: Records) -> None:
        """Its runner lives: listen to it."""
        held.learn_start(records.started)
        if records.claim is not None:
            self._reach(held, records.claim.runner)

    def _reach(self, held: Held, runner: Member) -> None:
        if held.link is None:
            link = self._pool.reach(runner)
            if link is not None and link not in self._by_link:
                self._bind(held, link)
        if held.link is None:
            self._later(held)

    def _attend(self, held: Held, funeral: Funeral) -> None:
        """End what is left of the family; then it is lost, for good."""
        funeral.attend()
        if funeral.over:
            held.funeral = None
            held.lose(verdict.RUNNER_DIED)
            return
        if funeral.unkillable and held.observed.stage != "unkillable":
            held.tell(stage="unkillable")
        self._unsettled.add(held)

    def _later(self, held: Held) -> None:
        self._unsettled.add(held)
        self._watch.wake(LOOK_AGAIN_S)

    def _publish(self, observed: Observed) -> None:
        self._news.append(observed)
        if not self._polling:
            self._watch.wake(0.0)

    def _put_away(self, held: Held) -> None:
        try:
            if held.own:
                self._dirs.retire(held.key.job_id, held.key.number)
        except OSError:  # a full disk: again later
            self._later(held)
            return
        del self._held[held.key]

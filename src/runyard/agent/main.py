"""The agent's loop: wait, observe, hear, look, act, tell. One thread; engines and the link never block it.

It starts as one incarnation: says hello, adopts what an earlier one left, and then beats. While the server is away it
goes on watching its attempts and tries again and again; it starts and stops nothing that no server ordered.
"""

from __future__ import annotations

import logging
import os
import select
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Optional

from runyard.agent.attach import Attachments
from runyard.agent.blobs import BlobCache
from runyard.agent.devices import Devices
from runyard.agent.identity import Identity
from runyard.agent.link import Arrived, ServerLink
from runyard.agent.look import Looker, is_news
from runyard.agent.news import News
from runyard.agent.ports import Ports
from runyard.agent.prepare import Preparer
from runyard.agent.reconcile import (
    Action,
    Adjust,
    Attach,
    Desired,
    Forget,
    Lose,
    Revoke,
    Start,
    Stop,
    put_off,
    reconcile,
    wanted,
)
from runyard.agent.starting import NotNow, Ready, Starter
from runyard.agent.state import Seen, distrust, hello, load, save
from runyard.agent.watch import Watcher
from runyard.engines.base import Engine
from runyard.errors import Conflict, RunyardError, Unavailable
from runyard.model.attempt import AttemptKey, Result
from runyard.model.beat import OVER, Answer, Observed, Order, Report, StopOrder
from runyard.model.code import Note
from runyard.model.host import Host
from runyard.model.record import changed
from runyard.runtime.rundir import RunDirs
from runyard.settings import Home

AGAIN_FIRST_S = 0.05
AGAIN_MOST_S = 2.0
"""Pauses between tries to reach a server that is away."""

REMEMBER_EVERY_S = 2.0
"""How often what was seen of the yard is kept, while it changes."""

log = logging.getLogger("runyard.agent")


class Agent:
    """One account on one host."""

    def __init__(
        self, identity: Identity, home: Home, engine: Engine, looker: Looker, preparer: Preparer, link: ServerLink
    ) -> None:
        self._identity = identity
        self._monotonic = looker.monotonic
        self._home = home
        self._engine = engine
        self._looker = looker
        self._preparer = preparer
        self._link = link
        self._attachments = Attachments(home.server_socket)
        self._watcher = Watcher(RunDirs(home.runs, identity.host), time.time, looker.monotonic)
        ports = Ports(*identity.ports, begin=identity.uid)
        self._starter = Starter(home, BlobCache(home.blob_cache, link.blob), ports, self._watcher.path)
        self._seen = self._remembered = load(home.agent_state)
        self._remember_at = 0.0
        self._desired = Desired()
        self._observed: dict[AttemptKey, Observed] = {}
        self._news = News()
        self._host_news: Optional[Host] = None
        self._devices = Devices(looker, identity.foreign_mb)
        self._notes: dict[AttemptKey, tuple[Note, ...]] = {}
        self._incarnation = 0
        self._applied = 0
        self._reports = 0
        self._whole = True
        self._problem = ""
        self._again_at = 0.0
        self._pause_s = AGAIN_FIRST_S
        self._ending = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._poll = select.poll()
        for woken_by in (engine, link, looker, preparer, self._watcher):
            self._poll.register(woken_by.fileno(), select.POLLIN)
        self._poll.register(self._wake_read, select.POLLIN)

    @property
    def seen(self) -> Seen:
        """The yard that is served, and how far it had come."""
        return self._seen

    def end(self) -> None:
        """Leave the loop soon; attempts run on. Safe in a signal handler."""
        self._ending = True
        os.write(self._wake_write, b"\0")

    def run(self) -> None:
        """Until `end`."""
        self.begin()
        while not self._ending:
            try:
                self.turn()
            except Exception:  # attempts must be watched on; what this turn has lost comes again with the next hello
                log.exception("a turn of the loop failed")
                self._desired = replace(self._desired, stopped={})
                self._begin_anew()
                time.sleep(self._pause_s)
            self._poll.poll(max(0.0, self._pause()) * 1000.0)
        self._remember()
        self.close()

    def begin(self) -> None:
        """Take over what an earlier agent left."""
        self._note(self._engine.adopt())
        self._looker.ask()

    def turn(self) -> None:
        """Once around the loop, without the wait."""
        self._observe()
        self._hear()
        self._look()
        self._start_prepared()
        self._act()
        self._tell()
        if self._seen != self._remembered and self._monotonic() >= self._remember_at:
            self._remember()

    def close(self) -> None:
        """Let go of everything; attempts run on."""
        self._link.close()
        self._preparer.close()
        self._watcher.close()
        self._engine.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _pause(self) -> float:
        """Seconds until something is due even if nothing happens."""
        now = self._monotonic()
        pauses = [self._looker.due_s(now, self._busy()), self._watcher.look_due_s(now)]
        if self._incarnation:
            pauses.append(self._watcher.tell_due_s(now))
        if not self._incarnation and self._looker.host is not None:
            pauses.append(self._again_at - now)
        elif self._incarnation:
            pauses.append(self._beat_at() - now)
        if self._seen != self._remembered:
            pauses.append(self._remember_at - now)
        return min(pauses)

    def _observe(self) -> None:
        self._note(self._engine.poll())
        for key in self._watcher.look():
            self._keep(self._observed[key])

    def _note(self, observed: list[Observed]) -> None:
        for seen in observed:
            before = self._observed.get(seen.key)
            if before is not None and before.stage in OVER:
                continue
            seen = changed(seen, notes=self._notes[seen.key]) if seen.key in self._notes else seen
            self._observed[seen.key] = seen
            if not self._watcher.see(seen):
                self._keep(seen)
            if seen.stage in OVER:
                self._devices.release(seen.key)
                self._starter.ports.release(seen.key)
            elif seen.ports:
                self._starter.ports.keep(seen.key, seen.ports)

    def _keep(self, seen: Observed) -> None:
        """The server is to know this."""
        notes = self._watcher.notes(seen.key) if seen.stage in OVER else ()
        if notes:
            seen = self._observed[seen.key] = changed(seen, notes=seen.notes + notes)
        self._news.add(seen, self._monotonic(), self._desired)

    def _hear(self) -> None:
        for arrived in self._link.receive():
            if arrived.error is not None:
                self._lost_touch(arrived)
            elif arrived.answer is not None:
                self._pause_s = AGAIN_FIRST_S
                self._news.touched(self._monotonic())
                self._obey(arrived.answer)

    def _lost_touch(self, arrived: Arrived) -> None:
        told = (seen.key for seen in arrived.report.observed)
        self._news.again(self._observed[key] for key in told if key in self._observed)
        self._watcher.again(reading.key for reading in arrived.report.readings)
        if self._incarnation:
            log.info("the link broke: %s", arrived.error)
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Say hello again, after a pause that grows with each try."""
        self._incarnation = 0
        self._again_at = self._monotonic() + self._pause_s
        self._pause_s = min(AGAIN_MOST_S, self._pause_s * 2)

    def _obey(self, answer: Answer) -> None:
        """Take the orders; a late answer has none, and a yard that is not trusted gives none."""
        if answer.number <= self._applied or self._problem:
            return
        self._applied = answer.number
        self._whole = self._whole or answer.whole
        self._seen = replace(self._seen, feed=max(self._seen.feed, answer.feed))
        self._desired = wanted(self._desired, answer)

    def _remember(self) -> None:
        """Keep how far the yard had come, as well as the disk allows."""
        self._remembered, self._remember_at = self._seen, self._monotonic() + REMEMBER_EVERY_S
        save(self._home.agent_state, self._seen)

    def _look(self) -> None:
        before, host = self._looker.host, self._looker.take()
        if host is not None:
            if is_news(before, host):
                self._host_news = host
            for order, why in self._devices.looked(host):
                if why:
                    self._note([replace(self._engine.revoke(order.key), why=why)])
                else:
                    self._start(order)
        if self._looker.due_s(self._monotonic(), self._busy()) <= 0:
            self._looker.ask()

    def _busy(self) -> bool:
        """Whether what is seen on the devices may soon matter: to attempts here, or to a job that waits for one."""
        return self._devices.withheld or bool(self._observed or self._desired.start)

    def _act(self) -> None:
        here: Mapping[AttemptKey, Observed] = self._observed
        if self._devices.keys or self._preparer.keys:
            here = {**here, **{key: Observed(key, "claimed") for key in (*self._devices.keys, *self._preparer.keys)}}
        actions, self._desired = reconcile(self._desired, here, self._looker.boot_id)
        for action in actions:
            self._carry_out(action)

    def _carry_out(self, action: Action) -> None:
        if isinstance(action, Start):
            if action.order.devices:
                self._devices.ask(action.order)
            else:
                self._start(action.order)
        elif isinstance(action, Stop):
            self._stop(action.order)
        elif isinstance(action, Adjust):
            if not (self._devices.adjust(action.terms) or self._preparer.adjust(action.terms)):
                self._engine.adjust(action.terms)
        elif isinstance(action, Revoke):
            seen = self._engine.revoke(action.key)
            self._note([changed(seen, why="") if seen.stage == "revoked" else seen])  # nothing kept it from starting
        elif isinstance(action, Lose):
            why = "the host was rebooted; it may have started before"
            self._end_unstarted(action.order, Result("inferred", None, "lost", why))
        elif isinstance(action, Forget):
            self._engine.forget(action.key)
            self._observed.pop(action.key, None)
            self._notes.pop(action.key, None)
            self._news.drop(action.key)
            self._watcher.forget(action.key)
        elif isinstance(action, Attach):
            self._attachments.begin(action.order, self._engine.attach_hint(action.order.key))

    def _start(self, order: Order) -> None:
        try:
            ready = self._starter.prepare(order)
            if order.code is not None or order.python is not None:
                self._preparer.ask(ready)
            else:
                self._launch(ready)
        except Exception as error:  # noqa: BLE001  # whatever is wrong with one order, the others must be started
            self._not_started(order, error)

    def _start_prepared(self) -> None:
        """Start what has been prepared, or give it back for a person to decide."""
        for one in self._preparer.take():
            order = one.ready.order
            if one.why:
                self._note([replace(self._engine.revoke(order.key), why=one.why, hold=True)])
                continue
            if one.notes:
                self._notes[order.key] = one.notes
            try:
                self._launch(one.ready)
            except Exception as error:  # noqa: BLE001  # as above
                self._not_started(order, error)

    def _launch(self, ready: Ready) -> None:
        ready = self._starter.with_ports(ready)
        self._observed[ready.order.key] = Observed(ready.order.key, "claimed", ready.order.rank)
        self._watcher.begin(ready.order.key)
        self._engine.start(ready.order, ready.environment, ready.script)

    def _not_started(self, order: Order, error: Exception) -> None:
        """It waits for another time, or for the server, or it can never be started."""
        if isinstance(error, NotNow):
            self._note([replace(self._engine.revoke(order.key), why=str(error))])
        elif isinstance(error, Unavailable):
            self._desired = put_off(self._desired, [order])
        else:
            log.warning("%s cannot be started", order.key, exc_info=error)
            why = f"what it needs to start cannot be had: {error}"
            self._end_unstarted(order, Result("runner", None, "not-started", why))

    def _stop(self, order: StopOrder) -> None:
        if self._devices.drop(order.key) or self._preparer.drop(order.key):
            self._note([self._engine.revoke(order.key)])
        else:
            self._engine.stop(order)

    def _end_unstarted(self, order: Order, result: Result) -> None:
        """It is over with this result, unless it has been started here."""
        seen = self._engine.revoke(order.key)
        if seen.stage == "revoked":
            seen = Observed(order.key, "ended", order.rank, result=result)
        self._note([seen])

    def _tell(self) -> None:
        if not self._incarnation and not self._say_hello():
            return
        now = self._monotonic()
        if self._host_news or self._whole or self._watcher.tell_due_s(now) <= 0 or self._beat_at() <= now:
            self._news.touched(now)
            self._beat()

    def _beat_at(self) -> float:
        """When the next beat goes out, with what is known of attempts or only to wait on the server."""
        due = self._news.due
        if due is not None:
            return due
        return float("inf") if self._link.in_flight else self._news.waits_at(self._desired, self._observed)

    def _beat(self) -> None:
        self._reports += 1
        report = Report(
            agent=self._identity.agent,
            incarnation=self._incarnation,
            applied=self._applied,
            number=self._reports,
            observed=self._news.take(),
            all=tuple(self._observed) if self._whole else None,
            host=self._host_news,
            wait_s=self._identity.beat_wait_s,
            problem=self._problem,
            readings=self._watcher.readings(),
        )
        self._host_news, self._whole = None, False
        try:
            self._link.send(report)
        except RunyardError as error:
            self._lost_touch(Arrived(report, error=error))

    def _say_hello(self) -> bool:
        host = self._looker.host
        if host is None or self._monotonic() < self._again_at:
            return False
        me = self._identity
        try:
            welcome = self._link.hello(hello(me, host, self._seen))
        except (RunyardError, OSError) as error:
            self._begin_anew()
            log.log(logging.WARNING if isinstance(error, Conflict) else logging.DEBUG, "no hello: %s", error)
            return False
        self._incarnation, self._applied, self._reports, self._whole = welcome.incarnation, 0, 0, True
        self._problem = distrust(self._seen, welcome, bool(self._observed or self._desired.start))
        if self._problem:
            log.warning("%s: nothing is done", self._problem)
        else:
            self._seen = Seen(welcome.yard, welcome.epoch, welcome.feed)
            self._remember()
        self._news.again(self._observed.values())
        self._watcher.again()
        log.info("incarnation %d of agent %s in yard %s", welcome.incarnation, me.agent, welcome.yard)
        return True

"""The small tables: queues, hosts, agents, documents, leases; the yard itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runyard.errors import Conflict, NotFound
from runyard.model.queue import Queue
from runyard.store.base import Store
from tests.contract.store.support import AGENT, HOST, add, assign, commit, run, spec, stop


def save(store: Store, queue: Queue) -> Queue:
    with store.transaction():
        return store.save_queue(queue)


def remove(store: Store, name: str) -> None:
    with store.transaction():
        store.remove_queue(name)


class TestYard:
    def test_the_epoch_rises_and_the_id_stays(self, store: Store) -> None:
        before = store.yard()
        with store.transaction():
            raised = store.raise_epoch()
            assert store.yard() == raised
        assert store.yard() == raised == replace(before, epoch=before.epoch + 1)
        assert raised.id

    def test_the_feed_counts_every_event_that_was_committed(self, store: Store) -> None:
        assert store.feed() == 0
        add(store, spec(), spec(-1))
        assert store.feed() == 2
        run(store, 1)
        assert store.feed() == 6
        commit(store, assign(1))
        assert store.feed() == 6
        with store.transaction():
            store.prune(99.0)
        assert store.feed() == 6


class TestQueues:
    def test_the_default_always_exists(self, store: Store) -> None:
        assert store.queues() == [Queue("default", version=1)]
        with pytest.raises(Conflict, match="queue default always exists"):
            remove(store, "default")

    def test_make_and_change(self, store: Store) -> None:
        made = save(store, Queue("fast", parallel=2, defaults={"gpus": "1"}))
        assert made == Queue("fast", parallel=2, defaults={"gpus": "1"}, version=1)
        changed = save(store, replace(made, paused=True, reason="by ann"))
        assert changed.version == 2
        assert store.queues() == [Queue("default", version=1), changed]

    def test_who_read_an_older_one_is_refused(self, store: Store) -> None:
        made = save(store, Queue("fast"))
        save(store, replace(made, parallel=1))
        with pytest.raises(Conflict, match="queue fast has been changed since you read it"):
            save(store, replace(made, parallel=2))
        with pytest.raises(Conflict, match="queue fast exists already"):
            save(store, Queue("fast"))
        with pytest.raises(Conflict, match="queue gone has been removed since you read it"):
            save(store, Queue("gone", version=3))
        assert store.queues()[1].parallel == 1

    def test_only_an_empty_one_is_removed(self, store: Store) -> None:
        save(store, Queue("fast"))
        with pytest.raises(NotFound, match="there is no queue slow"):
            remove(store, "slow")
        add(store, spec(queue="fast"), spec(queue="fast"))
        run(store, 1)
        with pytest.raises(Conflict, match="1 jobs in queue fast are not done"):
            remove(store, "fast")
        commit(store, stop(2))
        remove(store, "fast")
        assert [queue.name for queue in store.queues()] == ["default"]
        assert save(store, Queue("fast")).version == 1


class TestHosts:
    def test_save_and_replace(self, store: Store) -> None:
        assert (store.hosts(), store.agents()) == ([], [])
        with store.transaction():
            store.save_host(HOST)
            store.save_host(replace(HOST, id="0", name="zero"))
            store.save_agent(AGENT)
        with store.transaction():
            store.save_host(replace(HOST, cpus=1))
            store.save_agent(replace(AGENT, last_beat_at=9.0))
        assert store.hosts() == [replace(HOST, id="0", name="zero"), replace(HOST, cpus=1)]
        assert store.agents() == [replace(AGENT, last_beat_at=9.0)]


class TestDocuments:
    def test_save_and_replace(self, store: Store) -> None:
        assert store.document("notes", "1") is None
        value = {"text": "é\udce9\0", "list": [1, 2.5, None, {"a": True}]}
        with store.transaction():
            store.save_document("notes", "1", value)
            store.save_document("notes", "0", "zero")
            store.save_document("templates", "1", [])
            assert store.document("notes", "1") == value
        with store.transaction():
            store.save_document("notes", "0", (1, 2))
        assert store.documents("notes") == {"0": [1, 2], "1": value}
        assert list(store.documents("notes")) == ["0", "1"]
        assert store.document("templates", "1") == []
        assert store.documents("none") == {}
        with store.transaction():
            store.save_document("notes", "2", 2)
        assert list(store.documents("notes", most=2)) == ["0", "1"]
        assert list(store.documents("notes", after="1", most=2)) == ["2"]
        assert store.documents("notes", after="2", most=2) == {}

    def test_what_was_handed_out_is_the_callers(self, store: Store) -> None:
        given = [1]
        with store.transaction():
            store.save_document("notes", "1", given)
        given.append(2)
        store.document("notes", "1").append(3)  # type: ignore[union-attr]
        assert store.document("notes", "1") == [1]


class TestLeases:
    def take(self, store: Store, holder: str, token: int, name: str = "controller") -> bool:
        with store.transaction():
            return store.lease(name, holder, token)

    def test_the_first_to_come_has_it_and_keeps_it(self, store: Store) -> None:
        assert self.take(store, "a", 1)
        assert self.take(store, "a", 1)
        assert self.take(store, "a", 2)

    def test_another_needs_a_higher_token(self, store: Store) -> None:
        assert self.take(store, "a", 3)
        assert not self.take(store, "b", 2)
        assert not self.take(store, "b", 3)
        assert self.take(store, "b", 4)
        assert not self.take(store, "a", 4)

    def test_the_token_never_falls(self, store: Store) -> None:
        assert self.take(store, "a", 3)
        assert self.take(store, "a", 1)
        assert not self.take(store, "b", 2)

    def test_each_name_is_a_lease_of_its_own(self, store: Store) -> None:
        assert self.take(store, "a", 3)
        assert self.take(store, "b", 1, "other")

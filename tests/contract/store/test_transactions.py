"""Transactions and savepoints: all or nothing, and who sees what when."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from runyard.errors import InvalidSpec, NotFound
from runyard.model.queue import Queue
from runyard.store.base import Criteria, Store
from tests.contract.store.support import (
    AGENT,
    HOST,
    add,
    assign,
    check_stories,
    end,
    ids,
    new,
    run,
    spec,
    start,
    stop,
    visible,
)


class Undo(Exception):
    """Something goes wrong."""


def write_everything(store: Store) -> None:
    """One of each kind of change."""
    store.raise_epoch()
    store.add(new(spec(), spec(-1), spec(queue="fast"), key="k", group_kind="array", parallel=1))
    store.commit([assign(1), start(1), end(1), assign(2, 2)])
    store.save_host(HOST)
    store.save_agent(AGENT)
    store.save_queue(Queue("fast"))
    store.save_document("notes", "1", 1)
    store.lease("controller", "a", 5)


def elsewhere(ask: Callable[[], Any]) -> Any:
    """What another thread is told."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(ask).result()


def test_a_transaction_that_raises_leaves_nothing(store: Store) -> None:
    add(store, spec(), spec())
    before = visible(store)
    with pytest.raises(Undo), store.transaction():
        write_everything(store)
        raise Undo
    assert visible(store) == before
    with store.transaction():
        assert store.lease("controller", "b", 1)
        write_everything(store)
    assert ids(store.jobs(Criteria())) == [1, 2, 3, 4, 5]
    check_stories(store)


def test_a_savepoint_that_raises_is_undone_alone(store: Store) -> None:
    with store.transaction():
        store.add(new(spec(), spec()))
        inside = visible(store)
        with pytest.raises(Undo), store.savepoint():
            write_everything(store)
            raise Undo
        assert visible(store) == inside
        assert store.add(new(spec())).ids == (3,)
        assert store.groups([1]) == []
        store.commit([stop(3)])
    assert [job.word for job in store.jobs(Criteria())] == ["queued", "queued", "cancelled"]
    assert store.feed() == 4
    check_stories(store)


def test_jobs_are_as_before_after_a_part_was_undone(store: Store) -> None:
    add(store, spec(), spec(-1))
    before = store.load([1, 2])
    with store.transaction():
        with pytest.raises(Undo), store.savepoint():
            store.commit([assign(1, version=1), start(1), end(1)])
            assert store.load([1, 2]) != before
            store.view(1.0)
            raise Undo
        assert store.load([1, 2]) == before
        assert store.view(1.0) == elsewhere(lambda: store.view(1.0))
        assert not store.commit([assign(1, version=1)]).refused
    assert [job.word for job in store.load([1, 2]).values()] == ["starting", "waiting"]
    check_stories(store)


def test_savepoints_nest(store: Store) -> None:
    with store.transaction():
        with store.savepoint():
            store.add(new(spec(name="a")))
            with pytest.raises(Undo), store.savepoint():
                store.add(new(spec(name="b")))
                with store.savepoint():
                    store.add(new(spec(name="c")))
                raise Undo
            store.add(new(spec(name="d")))
        store.add(new(spec(name="e")))
    assert [job.spec.name for job in store.jobs(Criteria())] == ["a", "d", "e"]


def test_errors_of_the_store_itself_undo_too(store: Store) -> None:
    with store.transaction():
        with pytest.raises(InvalidSpec), store.savepoint():
            store.add(new(spec(), spec(unique="u"), spec(99)))
        store.add(new(spec(name="only")))
    assert [job.spec.name for job in store.jobs(Criteria())] == ["only"]


def test_others_see_what_is_committed_and_the_writer_its_own_changes(store: Store) -> None:
    add(store, spec())
    with store.transaction():
        write_everything(store)
        assert len(store.jobs(Criteria())) == 4
        assert (store.job(1).word, store.feed(), store.yard().epoch) == ("succeeded", 7, 1)
        assert store.view(1.0).hosts
        outside = elsewhere(lambda: visible(store))
        assert [job.word for job in outside["jobs"]] == ["queued"]
        assert (outside["feed"], outside["yard"], outside["hosts"], outside["documents"]["notes"]) == (1, 0, [], {})
        assert outside["view"].shapes[0].waiting == 1
    assert len(elsewhere(lambda: store.jobs(Criteria()))) == 4


def test_nothing_is_written_outside(store: Store) -> None:
    for write in (
        lambda: store.add(new(spec())),
        lambda: store.raise_epoch(),
        lambda: store.save_host(HOST),
        lambda: store.save_document("notes", "1", 1),
        lambda: store.lease("controller", "a", 1),
    ):
        with pytest.raises(RuntimeError, match="inside transaction"):
            write()
    assert store.feed() == 0


def test_one_transaction_at_a_time(store: Store) -> None:
    with store.transaction():
        with pytest.raises(RuntimeError, match="inside another"), store.transaction():
            pass
        store.add(new(spec()))
    assert store.feed() == 1


def test_nor_by_another_thread(store: Store) -> None:
    with store.transaction(), pytest.raises(RuntimeError, match="inside transaction"):
        elsewhere(lambda: store.save_host(HOST))


def test_readers_go_on_while_the_writer_writes(store: Store) -> None:
    """Each read is of one moment: a job's row, its events and the counts agree whatever is written meanwhile."""
    add(store, *[spec()] * 30)
    done, faults = threading.Event(), list[object]()

    def read() -> None:
        while not done.is_set():
            view, counts = store.view(1.0), store.counts()
            waiting = sum(shape.waiting for shape in view.shapes)
            if waiting + len(view.occupied) > 30 or sum(counts.get("default", {}).values()) > 30:
                faults.append((view, counts))
            try:
                job = store.job(30)
                if len(store.events(30)) < job.version:
                    faults.append(job)
            except NotFound:
                faults.append("gone")

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    run(store, *range(1, 31))
    done.set()
    for reader in readers:
        reader.join()
    assert not faults
    assert store.counts().get("default", {}) == {}


def test_a_writer_in_another_thread_takes_its_turn(store: Store) -> None:
    def submit(number: int) -> tuple[int, ...]:
        return add(store, spec(name=str(number)), key=str(number))

    with ThreadPoolExecutor(4) as threads:
        given = [job_id for made in threads.map(submit, range(20)) for job_id in made]
    assert sorted(given) == list(range(1, 21))
    assert store.feed() == 20

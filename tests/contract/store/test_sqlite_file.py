"""SQLite: how the file is opened and who may read it, a full or failing disk, and a row that is damaged."""

from __future__ import annotations

import os
import resource
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from runyard.errors import Conflict, StorageFull, Unavailable, UsageError
from runyard.model.events import Change, Woken
from runyard.model.job import JobState
from runyard.store import sqlite
from runyard.store.base import Criteria
from runyard.store.sql import SqlStore
from runyard.store.sqlite import sqlite_url
from tests.contract.store.support import (
    add,
    assign,
    check_stories,
    commit,
    end,
    ids,
    new,
    place,
    run,
    spec,
    start,
    stop,
    visible,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "yard.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqlStore]:
    made = opened(path)
    yield made
    made.close()


def opened(path: Path) -> SqlStore:
    return SqlStore(sqlite_url(str(path)))


def execute(path: Path, statement: str, *values: Any) -> list[Any]:
    """With a program of its own."""
    connection = sqlite3.connect(path)
    with connection:
        rows = connection.execute(statement, values).fetchall()
    connection.close()
    return rows


class TestOpening:
    def test_only_the_owner_may_read_it(self, path: Path) -> None:
        before = os.umask(0)
        try:
            store = opened(path)
            add(store, spec())
        finally:
            os.umask(before)
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in path.parent.iterdir()}
        assert modes == dict.fromkeys(("yard.sqlite", "yard.sqlite-wal", "yard.sqlite-shm"), 0o600)
        store.close()

    def test_settings_of_every_connection(self, store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
        found: list[Any] = []
        names = ("journal_mode", "synchronous", "foreign_keys")

        def look(connection: Any, *_: object) -> None:
            found.append([connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names])

        with listening("checkout", look):
            add(store, spec())
            store.jobs(Criteria())
        assert found
        assert all(settings == ["wal", 2, 1] for settings in found)

    def test_a_place_may_be_refused_before_anything_is_written(self, path: Path) -> None:
        def refuse(directory: str) -> None:
            assert directory == str(path.parent)
            raise UsageError("this is a network file system")

        with pytest.raises(UsageError, match="network file system"):
            SqlStore(sqlite_url(str(path)), refuse)
        assert not path.exists()

    def test_any_path_will_do(self, tmp_path: Path) -> None:
        store = opened(tmp_path / "a?b=c#d%20 é" / "yard.sqlite")
        add(store, spec())
        store.close()
        assert (tmp_path / "a?b=c#d%20 é" / "yard.sqlite").exists()

    @pytest.mark.parametrize(
        "url",
        ["sqlite://", "sqlite:///:memory:", "sqlite:///yard.sqlite", "postgresql://host/yard", "yard.sqlite", "x"],
    )
    def test_what_is_no_file_is_no_place(self, url: str) -> None:
        with pytest.raises(UsageError, match="needs the path of a file"):
            SqlStore(url)

    def test_a_newer_schema_is_not_touched(self, path: Path) -> None:
        opened(path).close()
        execute(path, "UPDATE yard SET schema_version = 99")
        before = path.read_bytes()
        with pytest.raises(Conflict, match=r"was made by a newer Runyard \(schema 99"):
            opened(path)
        assert path.read_bytes() == before

    def test_what_is_no_database_is_not_touched(self, path: Path) -> None:
        path.parent.mkdir()
        path.write_text("something of mine" * 100)
        with pytest.raises(Unavailable, match="file is not a database"):
            opened(path)
        assert path.read_text() == "something of mine" * 100

    def test_a_directory_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(Unavailable, match="cannot be opened"):
            opened(tmp_path / "file" / "yard.sqlite")

    def test_two_that_open_a_new_one_at_once_make_one_yard(self, path: Path) -> None:
        made: list[SqlStore] = []
        threads = [threading.Thread(target=lambda: made.append(opened(path))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({store.yard().id for store in made}) == 1
        for store in made:
            store.close()

    def test_closing_twice(self, tmp_path: Path, path: Path) -> None:
        store = SqlStore(sqlite_url(str(path)), high_water=str(tmp_path / "mark"))
        store.close()
        store.close()


class TestTwoWriters:
    """Another program may write as well (a server that is being replaced)."""

    def test_each_sees_what_the_other_wrote(self, store: SqlStore, path: Path) -> None:
        other = opened(path)
        add(store, spec(), spec(-1))
        assert not commit(other, assign(1)).refused
        assert not commit(store, start(1)).refused
        assert add(other, spec(unique="u")) == add(store, spec(unique="u")) == (3,)
        assert not commit(other, end(1)).refused
        with store.transaction():
            assert store.view(1.0) == other.view(1.0)
            assert [head.job_id for head in store.view(1.0).shapes[0].heads] == [2, 3]
        assert commit(store, end(1)).refused
        assert visible(store) == visible(other)
        check_stories(store)
        other.close()

    def test_one_waits_for_the_other_only_so_long(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sqlite, "BUSY_S", 0.1)
        store, other = opened(path), opened(path)
        with store.transaction():
            store.raise_epoch()
            with pytest.raises(Unavailable, match="another program keeps the database locked"):
                add(other, spec())
        assert add(other, spec()) == (1,)
        for each in (store, other):
            each.close()


@contextmanager
def listening(name: str, function: Any) -> Iterator[None]:
    """Call this at that event of every database, or of its pool."""
    event.listen(Engine, name, function)
    try:
        yield
    finally:
        event.remove(Engine, name, function)


class TestFullDisk:
    pages = 120

    def limited(self, connection: Any, *_: object) -> None:
        """So many pages are all the space there is."""
        connection.execute(f"PRAGMA max_page_count={self.pages}")

    def test_nothing_more_is_accepted_until_there_is_space(self, path: Path) -> None:
        with listening("checkout", self.limited):
            store = opened(path)
            add(store, spec())
            before = visible(store)
            for _ in range(2):
                with pytest.raises(StorageFull):
                    add(store, *[spec(name="x" * 200)] * 2_000)
                assert visible(store) == before
            run(store, 1)
            self.pages = 1_000_000
            with pytest.raises(StorageFull):
                add(store, *[spec(name="x" * 200)] * 2_000)
            assert len(add(store, *[spec(name="x" * 200)] * 2_000)) == 2_000
        check_stories(store)
        store.close()

    def test_inside_a_savepoint_the_whole_is_given_up(self, path: Path) -> None:
        with listening("checkout", self.limited):
            store = opened(path)
            with pytest.raises(StorageFull), store.transaction():
                store.save_document("notes", "1", 1)
                with pytest.raises(StorageFull), store.savepoint():
                    store.save_document("notes", "2", "x" * 1_000_000)
            assert store.documents("notes") == {}
            with store.transaction():
                store.save_document("notes", "3", 3)
            assert store.documents("notes") == {"3": 3}
            store.close()

    def test_a_write_that_fails(self, store: SqlStore, path: Path) -> None:
        add(store, spec())
        before = visible(store)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        log = Path(f"{path}-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (log + 50_000, hard))
        try:
            with pytest.raises(Unavailable, match="disk I/O error"):
                add(store, *[spec(name="x" * 200)] * 2_000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert visible(store) == before
        assert "disk I/O error" in store.problem
        assert len(add(store, *[spec(name="x" * 200)] * 2_000)) == 2_000
        assert store.problem == ""
        run(store, 1)
        check_stories(store)

    def test_it_is_remembered_until_something_is_written(self, path: Path) -> None:
        """A transaction without changes shows nothing, so the next one makes one."""
        with listening("checkout", self.limited):
            store = opened(path)
            with pytest.raises(StorageFull):
                add(store, *[spec(name="x" * 200)] * 2_000)
            assert store.problem == StorageFull().message
            before, feed = visible(store), store.feed()
            with store.transaction():
                pass
            assert store.problem == ""
            assert (visible(store), store.feed()) == (before, feed)
            store.close()


class TestFileThatWasOpened:
    """Whoever takes it away under a running server must not have jobs accepted into nothing."""

    @pytest.mark.parametrize("gone", ["", "-wal"])
    @pytest.mark.parametrize("how", ["removed", "replaced", "all replaced"])
    def test_nothing_is_begun_without_it(self, store: SqlStore, path: Path, gone: str, how: str) -> None:
        add(store, spec())
        before = visible(store)
        victim, aside = Path(f"{path}{gone}"), path.parent / "aside"
        victim.rename(aside)
        if how != "removed":
            victim.write_bytes(aside.read_bytes())
        with pytest.raises(Unavailable, match="was removed or replaced"):
            add(store, spec())
        assert "was removed or replaced" in store.problem
        assert victim.exists() == (how != "removed"), "nothing is made in its place"
        os.replace(aside, victim)
        assert visible(store) == before
        assert add(store, spec()) == (2,)
        assert store.problem == ""
        check_stories(store)

    def test_what_has_begun_is_not_committed_without_it(self, store: SqlStore, path: Path) -> None:
        add(store, spec())
        with pytest.raises(Unavailable, match="was removed or replaced"), store.transaction():
            store.add(new(spec()))
            path.rename(path.parent / "aside")
        os.replace(path.parent / "aside", path)
        assert ids(store.jobs(Criteria())) == [1]
        assert add(store, spec()) == (2,)

    def test_no_reader_opens_another_one(self, store: SqlStore, path: Path) -> None:
        add(store, spec())
        aside = path.parent / "aside"
        path.rename(aside)
        with ExitStack() as readers, pytest.raises(Unavailable, match="was removed or replaced"):
            for _ in range(100):
                readers.enter_context(store._db._engine.connect())
        assert not path.exists()
        os.replace(aside, path)

    def test_a_log_that_sqlite_makes_anew_is_no_other_file(self, path: Path) -> None:
        """Where a failure has closed the writer, and nobody else had the database open."""
        store = opened(path)
        add(store, spec())
        store._db._drop_writer()
        store._db._engine.dispose()
        assert not Path(f"{path}-wal").exists()
        assert add(store, spec()) == (2,)
        assert store.problem == ""
        store.close()


class TestDamage:
    """Pages of the file are overwritten."""

    def damage(self, path: Path) -> None:
        """All pages but the first two."""
        with path.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(8_192)
            file.write(b"\xa5" * (size - 8_192))

    def test_it_is_not_opened(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        store = opened(path)
        add(store, *[spec(name="x" * 200)] * 500)
        store.close()
        self.damage(path)
        before = path.read_bytes()
        with pytest.raises(Unavailable, match=r"is damaged \(.*\): stop the server and put a copy back"):
            opened(path)
        assert path.read_bytes() == before

    def test_one_page_is_found(self, path: Path) -> None:
        """Of a table that nobody needs at the start."""
        store = opened(path)
        add(store, *[spec(name="x" * 200)] * 500)
        store.close()
        (root,) = execute(path, "SELECT rootpage FROM sqlite_master WHERE name = 'events'")[0]
        with path.open("r+b") as file:
            file.seek((root - 1) * 4_096)
            file.write(b"\xa5" * 4_096)
        with pytest.raises(Unavailable, match=r"yard.sqlite is damaged"):
            opened(path)

    def test_a_large_one_is_not_looked_through(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        store = opened(path)
        add(store, *[spec(name="x" * 200)] * 500)
        store.close()
        (root,) = execute(path, "SELECT rootpage FROM sqlite_master WHERE name = 'events'")[0]
        with path.open("r+b") as file:
            file.seek((root - 1) * 4_096)
            file.write(b"\xa5" * 4_096)
        monkeypatch.setattr(sqlite, "CHECK_MAX_BYTES", 1_000)
        store = opened(path)
        assert store.problem == ""
        with pytest.raises(Unavailable, match="the database is damaged"):
            store.events(1)
        assert "the database is damaged" in store.problem
        with store.transaction():
            store.save_document("notes", "1", 1)
        assert "the database is damaged" in store.problem, "no other try mends it"
        store.close()


class TestQuarantine:
    """One damaged row is set aside; everybody else goes on."""

    DAMAGE = (
        "spec = '{\"command\":'",
        "spec = '{\"command\":[]}'",
        "state = 'limbo'",
        "attempt = '[7]'",
        "wake_at = NULL, spec = 7",
    )

    @pytest.mark.parametrize("damage", DAMAGE)
    def test_a_waiting_job(self, path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
        store = opened(path)
        add(store, spec(), spec(), spec(-1))
        store.close()
        execute(path, f"UPDATE jobs SET {damage} WHERE id = 1")
        store = opened(path)
        assert ids(store.jobs(Criteria())) == [2, 3]
        with pytest.raises(Conflict, match="job 1 cannot be read"):
            store.job(1)
        told = commit(store, assign(1), assign(2))
        assert ["job 1 cannot be read" in refused.why for refused in told.refused] == [True]
        assert "job 1 cannot be read" in caplog.text
        assert list(store.documents("quarantine")) == ["1"]
        assert [shape.heads for shape in store.view(1.0).shapes] == []
        assert store.counts() == {"default": {"pending": 2, "assigned": 1}}
        run_to_end(store)
        assert store.job(3).state is JobState.PENDING
        store.close()

    def test_heads_leave_it_out_once_it_is_known(self, path: Path) -> None:
        store = opened(path)
        add(store, spec(), spec())
        execute(path, "UPDATE jobs SET spec = '' WHERE id = 1")
        assert [head.job_id for head in store.view(1.0).shapes[0].heads] == [1, 2]
        commit(store, assign(1))
        (shape,) = store.view(1.0).shapes
        assert ([head.job_id for head in shape.heads], shape.waiting) == ([2], 1)
        store.close()

    def test_nobody_wakes_it(self, path: Path) -> None:
        """Otherwise it would be due in every round, for ever."""
        store = opened(path)
        add(store, spec(begin_at=50.0), spec(begin_at=60.0))
        execute(path, "UPDATE jobs SET spec = '' WHERE id = 1")
        store.close()
        store = opened(path)
        assert (store.due(55.0), store.next_due()) == ([1], 50.0)
        assert commit(store, Change(1, Woken(55.0))).refused
        assert (store.due(55.0), store.next_due()) == ([], 60.0)
        store.close()

    def test_what_a_running_job_holds_stays_held(self, path: Path) -> None:
        store = opened(path)
        add(store, spec(), spec(), group_kind="array")
        commit(store, assign(1, 1, place(devices=("GPU-1",))), start(1), assign(2))
        store.close()
        execute(path, "UPDATE jobs SET attempt = 'x' WHERE id = 1")
        store = opened(path)
        first, second = store.view(9.0).occupied
        assert (first.job_id, first.number, first.placement.devices, first.group) == (1, 1, ("GPU-1",), 1)
        assert second.job_id == 2
        assert ids(store.active()) == [2]
        assert commit(store, end(1), end(2)).refused
        assert store.job(2).word == "succeeded"
        store.close()


def run_to_end(store: SqlStore) -> None:
    commit(store, start(2), end(2), stop(9))
    assert store.job(2).word == "succeeded"

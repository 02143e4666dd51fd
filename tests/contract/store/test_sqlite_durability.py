"""SQLite: what was acknowledged is there after a kill, and what a lost end of the log takes away is noticed."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runyard.store.base import Criteria
from runyard.store.highwater import HighWater, Level
from runyard.store.sql import SqlStore
from runyard.store.sqlite import sqlite_url
from tests.contract.store.support import add, assign, check_stories, commit, run, spec, start, visible

ROUNDS = 4


def opened(directory: Path) -> SqlStore:
    return SqlStore(sqlite_url(str(directory / "yard.sqlite")), high_water=str(directory / "mark"))


def test_everything_is_there_after_closing_and_opening(tmp_path: Path) -> None:
    store = opened(tmp_path)
    add(store, spec(), spec(-1), spec(name="é\udce9", begin_at=50.0), key="k", group_kind="array", parallel=2)
    run(store, 1)
    commit(store, assign(2), start(2))
    before, yard = visible(store), store.yard()
    store.close()
    store = opened(tmp_path)
    assert visible(store) == before
    assert store.yard() == yard
    assert not store.rolled_back
    assert add(store, spec()) == (4,)
    assert add(store, spec(), key="k") == (1, 2, 3)
    store.close()


WRITER = """
import sys
from tests.contract.store.support import add, assign, commit, end, spec, start
from tests.contract.store.test_sqlite_durability import opened
from pathlib import Path
store = opened(Path(sys.argv[1]))
while True:
    made = add(store, *[spec() for _ in range(5)])
    print("added", *made, flush=True)
    for job_id in made:
        commit(store, assign(job_id), start(job_id))
        print("started", job_id, flush=True)
    commit(store, *[end(job_id) for job_id in made])
    print("ended", *made, flush=True)
"""


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    chance = random.Random(4)
    told: dict[int, str] = {}
    for _ in range(ROUNDS):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout
        for _ in range(chance.randrange(2, 60)):
            what, *numbers = writer.stdout.readline().split()
            told.update(dict.fromkeys(map(int, numbers), what))
        writer.send_signal(signal.SIGKILL)
        for line in writer.stdout:
            what, *numbers = line.split()
            told.update(dict.fromkeys(map(int, numbers), what))
        writer.wait()
        store = opened(tmp_path)
        assert not store.rolled_back
        at_least = {"added": 1, "started": 3, "ended": 4}
        jobs = store.load(told)
        assert all(jobs[job_id].version >= at_least[what] for job_id, what in told.items())
        check_stories(store)
        store.close()


class TestLostEnd:
    """The log of the database loses its end, as a power cut or a bad disk may do it: no error comes from SQLite."""

    def image(self, directory: Path) -> Path:
        """The files of a yard as a crash leaves them."""
        live, crashed = directory / "live", directory / "crashed"
        live.mkdir()
        store = opened(live)
        for _ in range(12):
            run(store, *add(store, spec(name="x" * 100)))
        crashed.mkdir()
        for name in ("yard.sqlite", "yard.sqlite-wal", "mark"):
            shutil.copy(live / name, crashed / name)
        store.close()
        return crashed

    def test_an_image_of_everything_is_whole(self, tmp_path: Path) -> None:
        store = opened(self.image(tmp_path))
        assert (store.rolled_back, store.feed()) == ("", 48)
        store.close()

    @pytest.mark.parametrize("damage", ["cut", "hole"])
    def test_a_lost_end_is_noticed_and_the_rest_is_whole(self, tmp_path: Path, damage: str) -> None:
        image = self.image(tmp_path)
        size = (image / "yard.sqlite-wal").stat().st_size
        chance = random.Random(7)
        noticed = 0
        for round_ in range(12):
            copy = tmp_path / f"copy-{round_}"
            shutil.copytree(image, copy)
            where = chance.randrange(32, size - 5_000)
            with open(copy / "yard.sqlite-wal", "r+b") as log:
                if damage == "cut":
                    log.truncate(where)
                else:
                    log.seek(where)
                    log.write(bytes(8_192))
            store = opened(copy)
            check_stories(store)
            feed = store.feed()
            assert sum(len(store.events(job.id)) for job in store.jobs(Criteria())) == feed
            assert bool(store.rolled_back) == (feed < 48)
            noticed += bool(store.rolled_back)
            store.close()
        assert noticed > 6

    def test_ids_that_were_lost_are_not_given_again(self, tmp_path: Path) -> None:
        image = self.image(tmp_path)
        with open(image / "yard.sqlite-wal", "r+b") as log:
            log.truncate(log.seek(0, 2) * 3 // 4)
        store = opened(image)
        assert "the store has lost its end: 48 events were committed" in store.rolled_back
        kept = [job.id for job in store.jobs(Criteria())]
        assert len(kept) < 12
        store.accept()
        assert not store.rolled_back
        assert min(add(store, spec())) > 12
        check_stories(store)
        store.close()
        assert opened(image).rolled_back == ""

    def test_a_lost_start_of_a_controller_is_noticed_and_its_epoch_is_not_given_again(self, tmp_path: Path) -> None:
        """Agents have seen that epoch already."""
        store = opened(tmp_path)
        add(store, spec())
        store.close()
        shutil.copy(tmp_path / "yard.sqlite", tmp_path / "older")
        store = opened(tmp_path)
        with store.transaction():
            store.raise_epoch()
        store.close()
        shutil.copy(tmp_path / "older", tmp_path / "yard.sqlite")
        store = opened(tmp_path)
        assert "2 transactions were committed, 1 are there" in store.rolled_back
        store.accept()
        with store.transaction():
            assert store.raise_epoch().epoch == 2
        assert add(store, spec()) == (2,)
        store.close()

    def test_it_is_said_again_until_it_is_accepted(self, tmp_path: Path) -> None:
        image = self.image(tmp_path)
        (image / "yard.sqlite-wal").write_bytes(b"")
        store = opened(image)
        said = store.rolled_back
        with store.transaction():
            store.raise_epoch()
        store.close()
        assert said
        again = opened(image)
        assert again.rolled_back == said
        again.close()

    def test_another_store_in_its_place_is_noticed(self, tmp_path: Path) -> None:
        image = self.image(tmp_path)
        for path in image.glob("yard.sqlite*"):
            path.unlink()
        store = opened(image)
        assert store.rolled_back.startswith("this is another store than before")
        store.accept()
        assert min(add(store, spec())) > 12
        store.close()


class TestMark:
    def test_it_rises_with_each_commit(self, tmp_path: Path) -> None:
        store = opened(tmp_path)

        def written() -> list[str]:
            return (tmp_path / "mark").read_text().split()

        add(store, spec(), spec())
        feed, serial, epoch, _, _, yard, _ = written()
        assert (int(feed), int(serial), int(epoch), yard) == (2, 1, 0, store.yard().id)
        with store.transaction():
            store.raise_epoch()
        assert [int(number) for number in written()[:3]] == [2, 2, 1]
        run(store, 1)
        assert [int(number) for number in written()[:3]] == [5, 3, 1]
        store.close()

    def test_it_is_flushed_at_most_once_a_second(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        now, flushed = [0.0], list[int]()
        monkeypatch.setattr("os.fdatasync", flushed.append)
        mark = HighWater(str(tmp_path / "mark"), clock=lambda: now[0])
        for feed in range(1, 31):
            now[0] += 0.1
            mark.write(Level("y", feed))
        assert 2 <= len(flushed) <= 3
        mark.close()

    @pytest.mark.parametrize("damage", [b"", b"rubbish", b"00000000000000000009 y deadbeef\n", bytes(60)])
    def test_a_damaged_one_begins_anew(self, tmp_path: Path, damage: bytes) -> None:
        path = tmp_path / "mark"
        path.write_bytes(damage)
        mark = HighWater(str(path))
        assert mark.compare(Level("y")) == ""
        mark.write(Level("y", 3))
        mark.close()
        said = "the store has lost its end: 3 events were committed, 2 are there"
        assert HighWater(str(path)).compare(Level("y", 2)) == said

    def test_a_failing_write_fails_nothing_else(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> int:
            raise OSError(28, "No space left on device")

        store = opened(tmp_path)
        monkeypatch.setattr("os.pwrite", fail)
        assert add(store, spec()) == (1,)
        monkeypatch.undo()
        run(store, 1)
        store.close()
        assert opened(tmp_path).rolled_back == ""

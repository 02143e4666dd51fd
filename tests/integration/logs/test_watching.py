"""What an agent reads of running attempts: real files, under a clock that the test moves."""

from __future__ import annotations

import os
import select
import threading
from pathlib import Path

import pytest

from runyard.agent import watch
from runyard.agent.reading import BEHIND_BYTES, END_BYTES, FACTS_MAX, LOOK_BYTES
from runyard.agent.watch import FIRST_S, KEEP_S, RARELY_S, READERS, REST_S, TELL_S, Watcher
from runyard.model.attempt import AttemptKey
from runyard.model.metrics import Metric, Reading
from runyard.runtime import logs
from runyard.runtime.rundir import RunDir, RunDirs
from runyard.settings import Home

KEY = AttemptKey(1234, 1, "token")
PATIENCE_MS = 20_000


class Clock:
    at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def dirs(tmp_path: Path) -> RunDirs:
    dirs = RunDirs(Home(str(tmp_path)).runs, "host")
    dirs.prepare()
    assert dirs.make(KEY.job_id, KEY.number)
    return dirs


@pytest.fixture
def run_dir(dirs: RunDirs) -> RunDir:
    return dirs.live(KEY.job_id, KEY.number)


@pytest.fixture
def watcher(dirs: RunDirs, clock: Clock) -> Watcher:
    made = Watcher(dirs, clock, clock)
    made.begin(KEY)
    return made


def write(path: str, data: bytes | str) -> None:
    with open(path, "ab") as file:
        file.write(data if isinstance(data, bytes) else data.encode())


def look(watcher: Watcher, clock: Clock) -> dict[str, Metric]:
    """What is told after the next look."""
    clock.at += RARELY_S
    read(watcher)
    return named(watcher.readings())


def read(watcher: Watcher, hanging: int = 0) -> list[AttemptKey]:
    """Look, until all that was begun is read but those that hang; those whose ends may be told now."""
    poll = select.poll()
    poll.register(watcher.fileno(), select.POLLIN)
    ended = watcher.look()
    while watcher.reading > hanging:
        assert poll.poll(PATIENCE_MS), "a read does not end"
        ended += watcher.look()
    return ended


def named(readings: tuple[Reading, ...]) -> dict[str, Metric]:
    return {metric.name: metric for reading in readings for metric in reading.metrics}


def test_lines_are_read_once_and_whole(watcher: Watcher, run_dir: RunDir, clock: Clock) -> None:
    write(run_dir.output, "hello\n::metric acc=1\n::metric acc=2\n::metric ac")
    assert look(watcher, clock)["acc"].count == 2
    write(run_dir.output, "c=3\n")
    assert look(watcher, clock)["acc"].last == 3.0
    assert look(watcher, clock) == {}
    write(run_dir.metrics, '{"acc": 4}\n{"los')
    assert look(watcher, clock)["acc"].count == 4
    write(run_dir.metrics, 's": 1}')
    assert not watcher.end(KEY)
    assert named(watcher.readings())["loss"].last == 1.0, "an unfinished line counts when no more can come"


def test_the_rest_is_read_at_the_end_without_waiting(watcher: Watcher, run_dir: RunDir) -> None:
    write(run_dir.output, "::metric acc=1")
    write(run_dir.metrics, '{"loss": 2}\n')
    assert not watcher.end(KEY)
    assert set(named(watcher.readings())) == {"acc", "loss"}
    write(run_dir.output, "\n::metric acc=5\n")
    assert not watcher.end(KEY)
    assert read(watcher) == [] and watcher.readings() == (), "it is over"


def test_who_prints_nothing_costs_nothing(
    watcher: Watcher, dirs: RunDirs, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(dirs.live(KEY.job_id, KEY.number).output).touch()
    opened: list[object] = []
    monkeypatch.setattr(os, "open", lambda *given, **more: opened.append(given))
    looks = 0
    for _ in range(100):
        clock.at += 1.0
        looks += watcher.look_due_s(clock.at) <= 0
        watcher.look()
    assert opened == [] and looks <= 100 / RARELY_S + 4
    assert watcher.tell_due_s(clock.at) == float("inf")
    assert not watcher.end(KEY)
    assert opened == []


def test_who_reports_all_the_time_is_looked_at_more_rarely(watcher: Watcher, run_dir: RunDir, clock: Clock) -> None:
    looks = 0
    for number in range(100):
        write(run_dir.output, f"::metric acc={number}\n")
        clock.at += 1.0
        looks += watcher.look_due_s(clock.at) <= 0
        read(watcher)
    assert 100 / RARELY_S - 1 <= looks <= 100 / RARELY_S + 4
    write(run_dir.output, "x\n")
    for _ in range(20):
        clock.at += 1.0
        read(watcher)
    write(run_dir.output, "::metric acc=7\n")
    look(watcher, clock)
    assert watcher.look_due_s(clock.at) <= FIRST_S, "after a silence what follows is near"


def test_it_is_told_so_often_and_again_when_that_was_lost(watcher: Watcher, run_dir: RunDir, clock: Clock) -> None:
    write(run_dir.output, "::metric acc=1\n")
    told = look(watcher, clock)
    assert told["acc"].points[0][3] == 1.0 and watcher.tell_due_s(clock.at) == float("inf")
    write(run_dir.output, "::metric acc=2\n")
    look(watcher, clock)
    clock.at += TELL_S / 2
    watcher.again([KEY])
    assert 0 < watcher.tell_due_s(clock.at) <= TELL_S
    assert [point[3] for point in named(watcher.readings())["acc"].points] == [1.0, 2.0]
    watcher.forget(KEY)
    watcher.again()
    assert watcher.readings() == ()


def test_the_next_agent_goes_on_and_counts_nothing_twice(
    watcher: Watcher, dirs: RunDirs, run_dir: RunDir, clock: Clock
) -> None:
    write(run_dir.output, "::metric acc=1\n" * 10)
    look(watcher, clock)
    clock.at += KEEP_S
    write(run_dir.output, "::metric acc=2\n")
    look(watcher, clock)
    write(run_dir.output, "::metric acc=3\n")
    look(watcher, clock)  # not kept any more: this agent is killed
    after = Watcher(dirs, clock, clock)
    after.adopt(KEY)
    assert named(after.readings())["acc"].count in (10, 11)
    write(run_dir.output, "::metric acc=4\n")
    assert look(after, clock)["acc"].count == 13
    after.close()
    third = Watcher(dirs, clock, clock)
    third.adopt(KEY)
    acc = named(third.readings())["acc"]
    assert (acc.count, acc.least, acc.most, acc.last) == (13, 1.0, 4.0, 4.0)
    assert look(third, clock) == {}


@pytest.mark.parametrize(
    "kept", [b"", b"{", b"[]", b'{"output_at": "x"}', b'{"progress": {"stage": "' + b"x" * 99 + b'"}}']
)
def test_what_was_kept_may_be_broken(dirs: RunDirs, run_dir: RunDir, clock: Clock, kept: bytes) -> None:
    write(run_dir.watched, kept)
    write(run_dir.output, "::metric acc=1\n")
    watcher = Watcher(dirs, clock, clock)
    watcher.adopt(KEY)
    assert look(watcher, clock)["acc"].count == 1


def test_a_file_of_the_jobs_own_is_read_from_where_this_attempt_began(
    watcher: Watcher, run_dir: RunDir, clock: Clock, tmp_path: Path
) -> None:
    own = tmp_path / "own.txt"
    own.write_text("::metric acc=1\n")
    write(run_dir.output_link, os.fsencode(own))
    write(run_dir.output_from, str(own.stat().st_size))
    assert look(watcher, clock) == {}
    write(str(own), "::metric acc=2\n")
    assert look(watcher, clock)["acc"].least == 2.0
    own.write_text("::metric acc=3\n")
    assert look(watcher, clock)["acc"].last == 3.0, "it was made new"


def test_what_is_no_regular_file_is_left_alone(watcher: Watcher, run_dir: RunDir, clock: Clock, tmp_path: Path) -> None:
    os.mkfifo(run_dir.metrics)
    secret = tmp_path / "secret"
    secret.write_text("::metric acc=1\n")
    os.symlink(secret, run_dir.output)
    assert look(watcher, clock) == {}
    assert not watcher.end(KEY)
    assert watcher.readings() == ()


def test_a_flood_is_read_in_pieces_and_what_is_too_far_behind_is_passed_over_and_counted(
    watcher: Watcher, run_dir: RunDir, clock: Clock
) -> None:
    write(run_dir.output, b"::metric acc=1\n" * (3 * FACTS_MAX))
    for number in (1, 2, 3):
        assert look(watcher, clock)["acc"].count == number * FACTS_MAX
    write(run_dir.output, b"x" * (BEHIND_BYTES // 2) + b"\n::metric between=1\n")
    assert "between" in look(watcher, clock), "what has nothing of ours in it is read quickly"
    assert watcher.notes(KEY) == ()
    write(run_dir.output, b"y" * (BEHIND_BYTES + LOOK_BYTES) + b"\n")
    write(run_dir.output, b"::metric loss=1\n")
    assert "loss" in look(watcher, clock)
    write(run_dir.output, b"z" * (2 * END_BYTES) + b"\n::metric last=1\n")
    assert watcher.end(KEY) and read(watcher) == [KEY]
    assert set(named(watcher.readings())) == {"last"}
    (note,) = watcher.notes(KEY)
    missed_kb = (BEHIND_BYTES + 2 * END_BYTES - LOOK_BYTES) // 1024
    assert (note.kind, note.text) == (
        "metrics missed",
        f"{missed_kb + 1:,} KB of what it wrote, too much to read it all",
    )


def test_the_end_of_a_flood_of_metrics_is_read_with_a_budget(watcher: Watcher, run_dir: RunDir, clock: Clock) -> None:
    line = b"::metric acc=1" + b" " * 100 + b"\n"
    write(run_dir.output, line * (9 * FACTS_MAX) + b"::metric last=1\n")
    assert watcher.end(KEY) and read(watcher) == [KEY]
    told = named(watcher.readings())
    assert told["last"].count == 1 and FACTS_MAX < told["acc"].count <= 2 * FACTS_MAX


def test_who_floods_but_never_reports_is_not_told_of_it(watcher: Watcher, run_dir: RunDir, clock: Clock) -> None:
    write(run_dir.output, b"y" * (BEHIND_BYTES + LOOK_BYTES) + b"\n")
    assert look(watcher, clock) == {} and watcher.notes(KEY) == ()


class Hung:
    """A file system that answers only when it is told to: the opening of these paths waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *paths: str) -> None:
        self.answers = threading.Event()
        opens = logs.open_output

        def slowly(path: str) -> logs.Output:
            assert path not in paths or self.answers.wait(PATIENCE_MS / 1000)
            return opens(path)

        monkeypatch.setattr(logs, "open_output", slowly)


def test_a_file_system_that_hangs_holds_up_nobody_else(
    watcher: Watcher, dirs: RunDirs, run_dir: RunDir, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = str(tmp_path / "own.txt")
    hung = Hung(monkeypatch, own)
    write(run_dir.output_link, os.fsencode(own))
    write(own, "::metric acc=1\n")
    other = AttemptKey(2, 1, "token")
    dirs.make(other.job_id, 1)
    watcher.begin(other)
    write(dirs.live(other.job_id, 1).output, "::metric loss=1\n")
    clock.at += RARELY_S
    read(watcher, hanging=1)
    assert set(named(watcher.readings())) == {"loss"}
    assert watcher.end(KEY), "its last lines are waited for"
    assert watcher.look() == []
    clock.at += REST_S
    assert watcher.look() == [KEY], "but not for long"
    hung.answers.set()
    assert read(watcher) == []
    assert set(named(watcher.readings())) == {"acc"}


def test_where_all_that_read_hang_no_end_waits_for_them(
    dirs: RunDirs, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = str(tmp_path / "own.txt")
    hung = Hung(monkeypatch, own)
    watcher = Watcher(dirs, clock, clock)
    keys = [AttemptKey(number, 1, "t") for number in range(1, READERS + 3)]
    for key in keys:
        dirs.make(key.job_id, 1)
        watcher.begin(key)
        write(dirs.live(key.job_id, 1).output_link, os.fsencode(own))
    clock.at += RARELY_S
    watcher.look()
    assert watcher.reading == READERS
    assert watcher.end(keys[-1])
    clock.at += REST_S
    assert watcher.look() == [keys[-1]]
    assert not watcher.end(keys[-2])
    hung.answers.set()
    read(watcher)


def test_all_reading_together_has_its_share_of_a_cpu(
    dirs: RunDirs, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "SAVED_S", 0.001)
    watcher = Watcher(dirs, clock, clock)
    keys = [AttemptKey(number, 1, "t") for number in range(1, 2 * READERS)]
    for key in keys:
        dirs.make(key.job_id, 1)
        watcher.begin(key)
        write(dirs.live(key.job_id, 1).output, b"::metric a=1\n" * (FACTS_MAX // 4))
    clock.at += RARELY_S
    read(watcher)
    told = {reading.key for reading in watcher.readings()}
    assert READERS <= len(told) < len(keys), "what they cost has to be saved first"
    while len(told) < len(keys):
        clock.at += (due_s := watcher.look_due_s(clock.at))
        assert 0 < due_s < float("inf")
        read(watcher)
        told |= {reading.key for reading in watcher.readings()}


def test_of_many_that_report_some_wait_and_none_is_forgotten(dirs: RunDirs, clock: Clock) -> None:
    watcher = Watcher(dirs, clock, clock)
    keys = [AttemptKey(number, 1, "t") for number in range(1, 60)]
    for key in keys:
        dirs.make(key.job_id, 1)
        watcher.begin(key)
        write(dirs.live(key.job_id, 1).output, "::metric " + " ".join(f"n{place}=1" for place in range(50)) + "\n")
    clock.at += RARELY_S
    read(watcher)
    told: list[AttemptKey] = []
    while watcher.tell_due_s(clock.at) < float("inf"):
        readings = watcher.readings()
        assert sum(len(reading.metrics) for reading in readings) < 1_100
        told += [reading.key for reading in readings]
        clock.at += TELL_S
    assert sorted(told) == keys

"""When a job starts, how often it is tried, and what it waits for."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.acceptance.typist import Typist
from tests.harness import processes
from tests.harness.yard import Bell, Gate

Gates = Callable[[str], Gate]


def test_priority_then_age(ry: Typist, tmp_path: Path) -> None:
    ry.ok("queue", "add", "line", "--parallel", "1", "--json")
    ry.ok("queue", "pause", "line")
    for priority, name in (("0", "old"), ("-5", "last"), ("0", "young"), ("9", "first")):
        ry.submit("-q", "line", "-P", priority, "-J", name, f"echo {name} >> order")
    ry.ok("queue", "resume", "line")
    ry("wait", "queue:line")
    assert (tmp_path / "order").read_text().split() == ["first", "old", "young", "last"]


class TestAfter:
    @pytest.mark.parametrize(
        ("kind", "code", "outcome"),
        [
            ("afterok", 0, "succeeded"), ("afterok", 1, "skipped"),
            ("afternotok", 1, "succeeded"), ("afternotok", 0, "skipped"),
            ("afterany", 0, "succeeded"), ("afterany", 1, "succeeded"),
        ],
    )  # fmt: skip
    def test_kinds(self, ry: Typist, kind: str, code: int, outcome: str) -> None:
        first = ry.submit("--", "sh", "-c", f"exit {code}")
        second = ry.submit("-d", f"{kind}:{first}", "--", "true")
        ended = ry("wait", str(second), "--json")
        assert f'"outcome": "{outcome}"' in ended.out
        assert ended.code == (71 if outcome == "skipped" else 0)

    def test_it_waits_until_then(self, ry: Typist, gate: Gates) -> None:
        door = gate("door")
        first = ry.submit("-J", "first", "read x < door")
        second = ry.submit("-d", "first", "--", "true")
        third = ry.submit("-d", f"afterok:{first}:{second}", "--", "true")
        assert [row["word"] for row in ry.json("ls", str(second), str(third))] == ["waiting", "waiting"]
        door.open()
        ry.ok("wait", str(third))
        rows = ry.json("ls", str(first), str(second), str(third))
        assert all(before["ended_at"] <= after["started_at"] for before, after in pairwise(rows))

    def test_what_is_meant_by_at_and_by_names(self, ry: Typist) -> None:
        a, b = ry.submit_many("-a", "1-2", "-J", "part", "--hold", "--", "true")
        ry.submit("-d", "@", "-J", "last", "--", "true")
        ry.submit("-d", f"afterany:{a}-{b}", "-J", "both", "--", "true")
        assert [after["job_id"] for after in ry.json("show", "last")["spec"]["after"]] == [b]
        assert [after["job_id"] for after in ry.json("show", "both")["spec"]["after"]] == [a, b]

    def test_a_skip_goes_on_down_the_line(self, ry: Typist) -> None:
        first = ry.submit("--", "false")
        second = ry.submit("-d", str(first), "--", "true")
        third = ry.submit("-d", f"afterany:{second}", "--", "true")
        assert ry("wait", str(second)).code == 71
        ry.ok("wait", str(third))


def test_hold_and_release(ry: Typist) -> None:
    job = ry.submit("--hold", "--", "true")
    assert ry.row(job).word == "held"
    assert f"job {job} released" in ry.ok("release", str(job))
    ry.done(job)
    assert ry("hold", str(job)).code == 1, "it has ended"


def test_hold_of_a_job_that_waits(ry: Typist) -> None:
    job = ry.submit("-b", "+1h", "--", "true")
    ry.ok("hold", str(job))
    assert ry.row(job).word == "held"
    ry.ok("release", str(job))
    assert ry.row(job).word == "waiting"


def test_begin(ry: Typist) -> None:
    before = time.time()
    job = ry.submit("--begin", "+1s", "--", "true")
    ry.done(job)
    row = ry.json("ls", str(job))[0]
    assert row["started_at"] - before > 1.0
    later = ry.submit("--begin", "2099-01-01T08:00", "--", "true")
    told = ry.json("why", str(later))
    assert (told["code"], told["starts_from"]) == ("begin", ry.json("show", str(later))["spec"]["begin_at"])


def test_time_limit(ry: Typist) -> None:
    ended = ry("run", "-t", "0.3s", "--grace", "30", "trap 'echo told; exit 3' TERM; while :; do sleep 0.05; done")
    assert (ended.code, ended.out.split()[-1]) == (124, "told")
    assert ry.json("show")["exit_code"] == 3


def test_grace_ends_what_does_not_listen(ry: Typist) -> None:
    ended = ry("run", "-t", "0.2s", "--grace", "0.2", "trap '' TERM; while :; do sleep 0.05; done")
    assert ended.code == 124
    assert ry.json("show")["exit_code"] == 137


class TestRetries:
    SCRIPT = "echo try $RUNYARD_ATTEMPT; test $RUNYARD_ATTEMPT -ge 3 || exit 7"

    def test_until_it_succeeds(self, ry: Typist) -> None:
        assert ry("run", "--retries", "5", self.SCRIPT).code == 0
        shown = ry.json("show")
        assert [attempt["number"] for attempt in shown["attempts"]] == [1, 2, 3]
        job = shown["id"]
        assert [ry.ok("logs", f"{job}.{number}") for number in (1, 2, 3)] == [f"try {n}\n" for n in (1, 2, 3)]
        assert ry.ok("logs", str(job)) == "try 3\n"
        assert "has no attempt 4" in ry.refused("logs", f"{job}.4")

    def test_no_more_often_than_asked_for(self, ry: Typist) -> None:
        assert ry("run", "--retries", "1", self.SCRIPT).code == 7
        assert ry.json("ls", "@")[0]["attempt"] == 2

    def test_the_pause_is_doubled(self, ry: Typist) -> None:
        ry("run", "--retries", "2", "--backoff", "0.3", self.SCRIPT)
        attempts = ry.json("show")["attempts"]
        pauses = [after["assigned_at"] - before["placements"][0]["ended_at"] for before, after in pairwise(attempts)]
        assert pauses[0] >= 0.3 and pauses[1] >= 0.6

    @pytest.mark.parametrize(
        ("on", "attempts"), [("7", 2), ("8", 1), ("fail", 2), ("oom,lost", 1), ("oom,7,9", 2), ("timeout", 1)]
    )
    def test_only_on_these_causes(self, ry: Typist, on: str, attempts: int) -> None:
        ry("run", "--retries", "1", "--retry-on", on, "exit 7")
        assert ry.json("ls", "@")[0]["attempt"] == attempts

    def test_a_timeout_is_one(self, ry: Typist) -> None:
        assert ry("run", "-t", "0.1s", "--retries", "1", "--retry-on", "timeout", "--", "sleep", "60").code == 124
        assert ry.json("ls", "@")[0]["attempt"] == 2

    def test_what_was_stopped_is_not_tried_again(self, ry: Typist, bell: Bell) -> None:
        job = ry.submit("--retries", "3", "echo > bell; exec sleep 600")
        bell.wait()
        ry.ok("stop", str(job))
        assert ry("wait", str(job)).code == 130
        assert ry.row(job).attempt == 1


class TestLost:
    """The runner is killed: nobody knows how its job ended."""

    @pytest.fixture
    def lose(self, ry: Typist, bell: Bell) -> Callable[[], None]:
        def lose() -> None:
            (pid,) = bell.wait()
            processes.kill(processes.parent(int(pid)))

        return lose

    def test_it_ends_lost(self, ry: Typist, lose: Callable[[], None]) -> None:
        job = ry.submit("--retries", "3", "echo $$ > bell; exec sleep 600")
        lose()
        assert ry("wait", str(job)).code == 70
        row = ry.json("ls", str(job))[0]
        assert (row["outcome"], row["attempt"], row["exit_code"]) == ("lost", 1, None)
        assert "runner" in row["reason"]
        after = ry.submit("-d", str(job), "--", "true")
        assert "Nobody knows how" in ry.ok("why", str(after))
        assert ry("run", "-d", f"afternotok:{job}", "--", "true").code == 0
        assert ry("run", "-d", f"afterany:{job}", "--", "true").code == 0

    @pytest.mark.parametrize("words", [("--on-lost", "requeue"), ("--retries", "1", "--retry-on", "lost")])
    def test_it_is_repeated_where_the_job_says_so(
        self, ry: Typist, lose: Callable[[], None], words: tuple[str, ...]
    ) -> None:
        job = ry.submit(*words, "test $RUNYARD_ATTEMPT = 2 || { echo $$ > bell; exec sleep 600; }")
        lose()
        ry.done(job)
        assert ry.row(job).attempt == 2

    def test_it_is_repeated_where_the_queue_says_so(self, ry: Typist, lose: Callable[[], None]) -> None:
        ry.ok("queue", "add", "sure", "--on-lost", "requeue")
        job = ry.submit("-q", "sure", "test $RUNYARD_ATTEMPT = 2 || { echo $$ > bell; exec sleep 600; }")
        lose()
        ry.done(job)
        other = ry.submit("-q", "sure", "--on-lost", "end", "echo $$ > bell; exec sleep 600")
        lose()
        assert ry("wait", str(other)).code == 70


class TestArrays:
    def test_indices_and_how_many_at_a_time(self, ry: Typist, gate: Gates, bell: Bell) -> None:
        door = gate("door")
        ids = ry.submit_many("-c0", "-a", "0-4:2,9%2", "echo $RUNYARD_ARRAY_INDEX > bell; read x < door")
        assert len(ids) == 4
        assert sorted(bell.wait(2)) == ["0", "2"]
        ry.yard.running(*ids[:2])
        assert [row["word"] for row in ry.json("ls", f"{ids[0]}-{ids[-1]}")] == [
            "running",
            "running",
            "queued",
            "queued",
        ]
        assert "Its group runs 2 of 2" in ry.ok("why", str(ids[2]))
        door.open()
        assert bell.wait(1) == ["4"]
        ry.yard.running(ids[2])
        assert sum(row["word"] == "running" for row in ry.json("ls", f"{ids[0]}-{ids[-1]}")) == 2
        door.open(3)
        ry.ok("wait", f"{ids[0]}-{ids[-1]}")
        rows = ry.json("ls", f"{ids[0]}-{ids[-1]}")
        assert [row["array_index"] for row in rows] == [0, 2, 4, 9]
        assert {row["group"] for row in rows} == {rows[0]["group"]} != {None}
        assert ry.json("ls", f"group:{rows[0]['group']}") == rows

    def test_several_can_be_waited_for_by_one_word(self, ry: Typist) -> None:
        ry.submit_many("-a", "1-3", "-J", "sweep", "exit $((RUNYARD_ARRAY_INDEX == 2))")
        assert ry("wait", "sweep").code == 1


def test_unique(ry: Typist) -> None:
    first = ry.submit("--hold", "--unique", "nightly", "--", "true")
    told = ry.json("submit", "--unique", "nightly", "--", "true")
    assert told == {"ids": [first], "existing": [first], "remarks": []}
    ry.ok("release", str(first))
    ry.ok("wait", str(first))
    assert ry.submit("--unique", "nightly", "--", "true") > first, "the first one is over"


def test_detach_lets_the_left_over_live(ry: Typist, bell: Bell) -> None:
    (pid,) = (ry.submit("--detach", "sleep 600 & echo $! > bell"), bell.wait())[1]
    ry.ok("wait", "@")
    assert processes.alive(int(pid))
    processes.kill(int(pid))
    ry.submit("--grace", "0.1", "sleep 600 & echo $! > bell")
    (pid,) = bell.wait()
    ry.ok("wait", "@")
    assert not processes.alive(int(pid)), "what a job leaves behind is ended"

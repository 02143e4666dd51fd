"""Changes of jobs: what they select, when they ask, what they report."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from runyard.api import ChangeResult, QueueRow
from runyard.model.editing import Draft
from runyard.model.queue import Queue
from tests.unit.cli.fake import Cli, FakeService, ended, row, running


def three() -> Cli:
    return Cli(FakeService().add(running(1, name="train1"), row(2, name="train2"), ended(3, name="train3")))


def test_one_job_is_stopped_without_a_question() -> None:
    cli = three()
    assert cli.ok("stop", "1") == "job 1 told to stop\n"
    assert [(call.ids, call.signal, call.grace_s) for call in cli.service.stops] == [((1,), 15, None)]


@pytest.mark.parametrize("alias", ["stop", "cancel", "scancel"])
def test_aliases(alias: str) -> None:
    cli = three()
    cli.ok(alias, "1", "--grace", "60", "-s", "INT")
    assert [(call.signal, call.grace_s) for call in cli.service.stops] == [(2, 60.0)]


def test_kill_is_at_once() -> None:
    cli = three()
    cli.ok("kill", "1")
    assert cli.service.stops[0].signal == 9


@pytest.mark.parametrize("selector", ["1-3", "train*", "train[1-3]", "all", "user:ada"])
def test_what_spreads_needs_a_yes_in_a_pipe(selector: str) -> None:
    cli = three()
    result = cli("stop", selector)
    assert (result.exit_code, cli.service.stops) == (2, [])
    assert "2 jobs: 1-2; confirm with --yes" in result.stderr
    cli.ok("stop", selector, "--yes")
    assert cli.service.stops[0].ids == (1, 2), "what has ended already is left out"


def test_what_spreads_asks_a_person() -> None:
    cli = three()
    assert cli("stop", "all", answers=["n"]).exit_code == 1
    assert not cli.service.stops
    assert cli("stop", "all", answers=["y"]).exit_code == 0
    assert cli.service.stops[0].ids == (1, 2)


def test_several_that_are_named_need_no_yes() -> None:
    cli = three()
    cli.ok("stop", "1", "train2")
    assert cli.service.stops[0].ids == (1, 2)


def test_a_range_of_one_needs_no_yes() -> None:
    cli = three()
    cli.ok("stop", "1-1")
    cli.ok("stop", "state:running")
    assert [call.ids for call in cli.service.stops] == [(1,), (1,)]


def test_refusals_are_told() -> None:
    cli = three()
    cli.service.refused = {3: "job 3 has ended already: succeeded"}
    result = cli("stop", "1", "3")
    assert (result.exit_code, result.stdout) == (0, "job 1 told to stop\n"), "3 is as it was wished"
    assert result.stderr == "ry: job 3 has ended already: succeeded\n"
    told = json.loads(cli("stop", "1", "3", "--json").stdout)
    assert told == {"changed": [1], "refused": {"3": cli.service.refused[3]}, "ry_exit_code": 0}


@pytest.mark.parametrize("verb", ["stop", "kill"])
def test_what_has_ended_needs_no_end(verb: str) -> None:
    cli = three()
    cli.service.refused = {3: "job 3 has ended already: succeeded"}
    named, selected = cli(verb, "3"), cli(verb, "train3*", "--yes")
    assert (named.exit_code, named.stderr) == (0, "ry: job 3 has ended already: succeeded\n")
    assert (selected.exit_code, selected.stderr) == (0, f"nothing to {verb}\n")


def test_what_runs_on_is_a_failure() -> None:
    cli = three()
    cli.service.refused = {1: "the disk is full; only what runs can be ended now", 3: "job 3 has ended already"}
    assert cli("stop", "1", "3").exit_code == 1
    assert json.loads(cli("stop", "1", "3", "--json").stdout)["ry_exit_code"] == 1


def test_what_has_ended_cannot_be_held() -> None:
    cli = three()
    cli.service.refused = {3: "job 3 has ended already: succeeded"}
    assert cli("hold", "3").exit_code == 1


@pytest.mark.parametrize(
    ("verb", "count"), [("stop", 2), ("kill", 2), ("hold", 1), ("release", 0), ("pause", 1), ("resume", 0)]
)
def test_dry_run_changes_nothing(verb: str, count: int) -> None:
    cli = three()
    shown = cli.ok(verb, "all", "--dry-run")
    assert shown.count(f"would {verb} job") == count
    assert len(cli.json(verb, "all", "--dry-run")[f"would_{verb}"]) == count
    assert not cli.service.stops and not cli.service.held and not cli.service.paused


def test_hold_and_release() -> None:
    cli = three()
    cli.ok("hold", "2")
    cli.service.add(row(2, word="held"))
    cli.ok("release", "state:held")
    assert cli.service.held == [2, -2]


def test_pause_says_what_stays_held_and_resume_lets_it_go_on() -> None:
    cli = three()
    cli.service.add(row(2, word="running", gpus=(0, 1)))
    told = cli("pause", "2")
    assert (told.exit_code, told.stdout) == (0, "job 2 paused\n")
    assert told.stderr.startswith("2 GPUs with all memory on them stay held")
    cli.service.add(row(2, word="paused"))
    cli.ok("resume", "state:paused")
    assert cli.service.paused == [2, -2]


def test_nothing_to_do_is_no_error() -> None:
    cli = three()
    result = cli("release", "all", "-y")
    assert (result.exit_code, result.stderr) == (0, "nothing to release\n")


@pytest.mark.parametrize("signal", ["NOSUCH", "99", "-1"])
def test_no_such_signal(signal: str) -> None:
    assert three()("stop", "1", f"--signal={signal}").exit_code == 2


def test_an_edit_is_made_anew_on_jobs_that_changed_meanwhile_and_on_no_others() -> None:
    class Busy(FakeService):
        """Job 1 changes before each of the first two edits; job 2 is refused for another reason."""

        version = 1

        def drafts(self, ids: tuple[int, ...]) -> tuple[Draft, ...]:
            return tuple(replace(draft, version=self.version * (draft.id == 1)) for draft in super().drafts(ids))

        def edit(self, drafts: tuple[Draft, ...]) -> ChangeResult:
            late = {1} if self.version < 3 else set()
            self.version = min(3, self.version + 1)
            told = super().edit(drafts)
            return replace(
                told,
                changed=tuple(job_id for job_id in told.changed if job_id not in late),
                refused={**told.refused, **dict.fromkeys(late, "too late")},
            )

    service = Busy(refused={2: "no"}).add(row(1), row(2))
    result = Cli(service)("edit", "1", "2", "--set", "priority=3")
    assert "job 1 changed" in result.stdout and "no" in result.stderr
    assert [draft.id for draft in service.edits] == [1, 2, 1, 1]


def test_rm_stop_removes_what_ended_by_itself_between_the_refusal_and_the_look() -> None:
    class Quick(FakeService):
        """Job 1 runs when it is to be removed, and has ended right after."""

        def remove(self, ids: tuple[int, ...]) -> ChangeResult:
            told = super().remove(ids)
            self.refused.pop(1, None)
            return told

    service = Quick(refused={1: "job 1 is running"}).add(row(1, word="succeeded", state="done"), row(2))
    assert Cli(service).ok("rm", "--stop", "1", "2", "--yes") == "jobs 1-2 removed\n"
    assert not service.rows


def test_a_queue_is_put_back_if_a_lost_job_has_paused_it_whatever_its_reason_says() -> None:
    mine = Queue("mine", paused=True, reason="job 7 (train) ended lost")
    service = FakeService(queue_rows={"mine": QueueRow(mine), "b": QueueRow(replace(mine, name="b", lost_job=7))})
    assert json.loads(Cli(service).ok("recover", "--json"))["queues"] == ["b"]
    Cli(service).ok("recover", "--all", "--yes")
    assert service.queue_rows["mine"].queue.paused
    assert service.queue_rows["b"].queue == Queue("b", version=1)


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("submit --param =1 -- true", "param"),
        ("submit --retry-env =1 -- true", "retry-env"),
        ("edit 1 --set =1", "set"),
        ("queue set default --default =1", "default"),
        ("import-run --metric =1 x", "metric"),
        ("sweep add x -p =1 -- true", "param"),
    ],
)
def test_what_has_no_name_is_no_assignment_wherever_one_is_typed(line: str, field: str) -> None:
    refused = Cli(FakeService().add(row(1)))(*line.split())
    assert (refused.exit_code, refused.stderr.startswith(f"ry: {field}: '=1': use ")) == (2, True), refused.stderr

"""`submit` and `run`: what they send, print and return."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from runyard.api import QueueRow, Receipt, Submission
from runyard.cli.render.output import Output
from runyard.errors import StorageFull, Unavailable
from runyard.model.queue import Queue
from runyard.model.spec import ArraySpec, Dependency, GpuRequest, Resources
from tests.unit.cli.fake import ENVIRON, Cli, FakeService, ended, row, running


def test_words_after_two_dashes_are_an_argv() -> None:
    cli = Cli()
    assert cli.ok("submit", "--", "python", "train.py", "--lr", "0.1") == "1\n"
    assert cli.service.spec.command == ("python", "train.py", "--lr", "0.1")
    assert cli.service.spec.shell == ""


def test_options_end_at_the_first_word() -> None:
    cli = Cli()
    cli.ok("submit", "-G1", "grep", "-c", "--json", "x")
    assert cli.service.spec.command == ("grep", "-c", "--json", "x")
    assert cli.service.spec.resources.gpus.count == 1


def test_one_quoted_text_is_run_by_the_shell() -> None:
    cli = Cli()
    cli.ok("submit", "make data && make train")
    assert (cli.service.spec.shell, cli.service.spec.command) == ("bash", ("make data && make train",))
    cli.ok("submit", "--shell", "sh", "true")
    assert (cli.service.spec.shell, cli.service.spec.command) == ("sh", ("true",))
    cli.ok("submit", "--", "a b")
    assert (cli.service.spec.shell, cli.service.spec.command) == ("", ("a b",))


def test_all_flags_reach_the_spec(tmp_path: Path) -> None:
    cli = Cli(FakeService().add(row(7), row(8, name="prep")))
    line = (
        "submit -J train -P 5 -G 2:a100 -c 4 --mem 10G -t 90 --grace 30 -d 7,afterany:prep --retries 3 --backoff 1m "
        "--retry-on oom,75 --on-lost requeue --unique k -o out-%j.txt -H --begin +2h --detach --setup umask"
    )
    cli.ok(*line.split(), "-D", str(tmp_path), "--", "true")
    spec = cli.service.spec
    assert (spec.name, spec.priority, spec.workdir) == ("train", 5, str(tmp_path))
    assert spec.resources == Resources(4, 10_240, GpuRequest(2, model="a100"))
    assert (spec.time_limit_s, spec.grace_s, spec.begin_at) == (5_400.0, 30.0, 1_700_007_200.0)
    assert spec.after == (Dependency(7), Dependency(8, "afterany"))
    assert (spec.retry.limit, spec.retry.on, spec.retry.backoff_s) == (3, ("oom", "75"), 60.0)
    assert (spec.on_lost, spec.unique, spec.output, spec.setup) == ("requeue", "k", "out-%j.txt", ("umask",))
    assert spec.hold and spec.detach


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ("-t soon", "time: 'soon'"),
        ("-G 2;3", "gpus:"),
        ("-c many", "cpus:"),
        ("--mem much", "mem:"),
        ("-a 5-1", "array:"),
        ("-d afterwards:3", "after:"),
        ("-d nobody", "after: there is no job 'nobody'"),
        ("-q nowhere", "queue: there is no queue 'nowhere'"),
        ("-p a=1", "queue: there is no queue 'a=1'; there are: default (a parameter is --param NAME=VALUE)"),
        ("--retry-on bad", "retry-on:"),
        ("--begin never", "begin:"),
        ("--shell fish", "shell:"),
        ("-e 1=2 -e NOT_SET", "env: NOT_SET is not set here"),
        ("-D /does/not/exist", "workdir:"),
        ("--venv /does/not/exist", "venv:"),
        ("--on-lost maybe", "on-lost:"),
        ("-P high", "priority:"),
        ("--gres fpga:1", "gres:"),
    ],
)
def test_a_wrong_flag_is_named(flags: str, named: str) -> None:
    result = Cli()("submit", *flags.split(), "true")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"ry: {named}")
    assert result.stderr.count("\n") == 1


def test_nothing_to_run_is_a_wrong_use() -> None:
    assert Cli()("submit").exit_code == 2


def test_queue_defaults_apply_where_nothing_is_said() -> None:
    queue = Queue("gpu", defaults={"gpus": "1", "time": "2h", "mem": "8G"}, version=1)
    service = FakeService(queue_rows={"gpu": QueueRow(queue), "default": QueueRow(Queue(version=1))})
    cli = Cli(service)
    cli.ok("submit", "-q", "gpu", "--mem", "1G", "true")
    assert (service.spec.time_limit_s, service.spec.resources) == (7_200.0, Resources(1, 1_024, GpuRequest(1)))
    cli.ok("submit", "-q", "gpu", "-t", "none", "-G", "0", "true")
    assert (service.spec.time_limit_s, service.spec.resources.gpus) == (None, GpuRequest())


def test_a_near_miss_is_guessed() -> None:
    assert "did you mean 'default'?" in Cli()("submit", "-q", "defualt", "true").stderr


def test_an_array_is_one_spec_with_indices() -> None:
    cli = Cli()
    assert cli.ok("submit", "-a", "0-4:2%2", "--", "true") == "1\n2\n3\n"
    assert cli.service.submissions[-1].arrays == {1: ArraySpec((0, 2, 4), 2)}


def test_on_a_terminal_it_says_what_will_happen() -> None:
    cli = Cli()
    shown = cli.ok("submit", "-G1", "-t", "90", "--", "train", terminal=True)
    assert "job 1 (train) queued: starts when a GPU is free" in shown
    assert "1 cpu, no memory limit, 1 gpu, queue default, at most 1 hour 30 minutes" in shown
    assert "run by bash" in cli.ok("submit", "a; b", terminal=True)


def test_json_gives_ids_and_those_that_were_there() -> None:
    cli = Cli(FakeService(existing=(5,)).add(row(5)))
    assert json.loads(cli.ok("submit", "--json", "--unique", "k", "true")) == {
        "ids": [5],
        "existing": [5],
        "remarks": [],
    }


def test_a_server_that_goes_away_gets_the_same_submission_again() -> None:
    cli = Cli(FakeService(failures=[Unavailable("gone")]))
    assert cli.ok("submit", "true") == "1\n"
    first, second = cli.service.submissions
    assert first == second and len(first.key) == 32
    assert cli.wiring.connects == 2


def test_a_full_disk_is_not_tried_again() -> None:
    cli = Cli(FakeService(failures=[StorageFull("full")]))
    assert cli("submit", "true").exit_code == 75
    assert len(cli.service.submissions) == 1


def test_dry_run_sends_nothing() -> None:
    cli = Cli()
    assert "would submit 3 jobs" in cli.ok("submit", "--dry-run", "-a", "1-3", "true")
    assert not cli.service.submissions and not cli.service.blobs


def test_the_environment_is_sent_once_and_without_what_was_granted() -> None:
    environ = {
        **ENVIRON,
        "RUNYARD_JOB_ID": "3",
        "RUNYARD_TOKEN": "t",
        "CUDA_VISIBLE_DEVICES": "1",
        "LANG": "C",
        "X": "y",
    }
    cli = Cli(environ=environ)
    cli.ok("submit", "-e", "A=b=c", "true")
    expected = {**ENVIRON, "LANG": "C", "X": "y", "A": "b=c"}
    assert cli.service.environment() == expected
    cli.ok("submit", "--clean-env", "-e", "X", "true")
    assert cli.service.environment().keys() == {"HOME", "PATH", "RUNYARD_HOME", "LANG", "X"}


def test_a_script_is_copied(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("import model\n")
    cli = Cli()
    cli.ok("submit", str(script), "--lr", "1")
    assert cli.service.spec.command == (str(script), "--lr", "1")
    assert cli.service.blobs[cli.service.spec.script] == b"#!/usr/bin/env python3\nimport model\n"
    assert cli.service.environment()["PYTHONPATH"] == str(tmp_path)


def test_lines_for_another_queue_are_not_dropped_in_silence(tmp_path: Path) -> None:
    script = tmp_path / "train.sh"
    script.write_text("#!/bin/sh\n#SBATCH --account=lab\ntrue\n")
    result = Cli()("submit", str(script))
    assert (result.exit_code, result.stdout) == (0, "1\n")
    assert "line 2: #SBATCH --account is not done here" in result.stderr


def test_many_jobs_from_standard_input() -> None:
    cli = Cli()
    entries = [{"name": "a", "command": ["true"]}, {"command": "b; c", "after": "a", "gpus": 1}]
    assert cli.ok("submit", "--file", "-", text=json.dumps(entries)) == "1\n2\n"
    first, second = cli.service.submissions[-1].specs
    assert (first.name, second.shell, second.after) == ("a", "bash", (Dependency(-1),))


def test_flags_beside_a_file_hold_for_all_its_jobs() -> None:
    cli = Cli()
    cli.ok(
        "submit",
        "-f",
        "-",
        "-c",
        "2",
        "-J",
        "x",
        text='[{"command": ["a"]}, {"command": ["b"], "cpus": 3, "name": "y"}]',
    )
    assert [(s.name, s.resources.cpus) for s in cli.service.submissions[-1].specs] == [("x", 2), ("y", 3)]


def test_run_shows_the_output_and_returns_the_code() -> None:
    service = FakeService(outputs={(1, 1): b"one\n"})

    def starts() -> None:
        service.add(running(1))

    def ends() -> None:
        service.outputs[(1, 1)] += b"two\n"
        service.add(ended(1, "failed", 3, reason=""))

    service.story = [starts, ends]
    result = Cli(service)("run", "false")
    assert (result.exit_code, result.stdout) == (3, "one\ntwo\n")
    assert "failed (exit code 3)" in result.stderr


def test_run_in_json_tells_our_code_from_the_jobs() -> None:
    service = FakeService(outputs={(1, 1): b"out\n"})
    service.story = [lambda: service.add(ended(1, "timeout", 143, reason="its time was up"))]
    result = Cli(service)("run", "--json", "true")
    assert result.exit_code == 124
    assert json.loads(result.stdout) == {
        "id": 1,
        "name": "job1",
        "outcome": "timeout",
        "exit_code": 143,
        "reason": "its time was up",
        "ry_exit_code": 124,
    }
    assert "out" in result.stderr


def test_run_follows_retries() -> None:
    service = FakeService(outputs={(1, 1): b"first\n", (1, 2): b"second\n"})

    def again() -> None:
        service.add(row(1, attempt=1, reason="attempt 1 ended failed"))

    service.story = [lambda: service.add(running(1)), again, lambda: service.add(ended(1, attempt=2))]
    result = Cli(service)("run", "true")
    assert (result.exit_code, result.stdout) == (0, "first\nsecond\n")


def interrupt() -> None:
    raise KeyboardInterrupt


def test_ctrl_c_stops_where_nobody_can_be_asked() -> None:
    service = FakeService()
    cancelled = ended(1, "cancelled", None, attempt=0)
    service.story = [interrupt, lambda: service.add(cancelled)]
    assert Cli(service)("run", "sleep").exit_code == 130
    assert [call.signal for call in service.stops] == [15]


def test_ctrl_c_asks_a_person() -> None:
    service = FakeService()
    service.story = [interrupt]
    result = Cli(service)("run", "sleep", answers=["d"])
    assert (result.exit_code, service.stops) == (130, [])
    assert "job 1 runs on" in result.stderr


@pytest.mark.parametrize(("answer", "code", "stops"), [("d", 130, []), ("s", 130, [15])])
def test_ctrl_c_while_the_job_is_on_its_way(
    monkeypatch: pytest.MonkeyPatch, answer: str, code: int, stops: list[int]
) -> None:
    service = FakeService()
    submit = service.submit

    def interrupted(submission: Submission) -> Receipt:
        signal.raise_signal(signal.SIGINT)
        return submit(submission)

    monkeypatch.setattr(service, "submit", interrupted)
    service.story = [lambda: service.add(ended(1, "cancelled", 143))]
    result = Cli(service)("run", "sleep", answers=[answer])
    assert (result.exit_code, [call.signal for call in service.stops]) == (code, stops)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_does_not_wait_for_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(submission: Submission) -> Receipt:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("it waits on")

    service = FakeService()
    monkeypatch.setattr(service, "submit", hangs)
    assert Cli(service)("run", "sleep", answers=[]).exit_code == 130
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_again_kills() -> None:
    service = FakeService()
    gone = replace(ended(1, "cancelled", 137))
    service.story = [interrupt, interrupt, lambda: service.add(gone)]
    assert Cli(service)("run", "sleep", answers=["s"]).exit_code == 130
    assert [call.signal for call in service.stops] == [15, 9]


def test_whoever_ends_without_the_job_says_that_it_runs_on(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(Output, "last_word", lambda self, text: said.append(text))
    service = FakeService()

    def nobody_reads() -> None:
        raise BrokenPipeError

    service.story = [nobody_reads]
    assert Cli(service)("run", "yes").exit_code == 141
    assert said == ["ry: job 1 runs on; `ry stop 1` stops it, `ry logs -f 1` shows its output"]


def test_run_takes_one_job() -> None:
    assert Cli()("run", "-a", "0-3", "true").exit_code == 2

"""`show`, `why`, `gpus`, `queue`, `server`, `clean`, `doctor`, `completion`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runyard.api import Explanation, JobDetail, QueueRow, RunningRow
from runyard.cli.checks import Seen, Verdict, all_of
from runyard.cli.render.text import moment
from runyard.errors import Conflict, StorageFull
from runyard.model.attempt import Attempt, Placement, Result
from runyard.model.events import Recorded, Submitted
from runyard.model.export import FORMAT, Head, lines
from runyard.model.host import Device, DeviceProcess, Host
from runyard.model.queue import Queue
from runyard.model.spec import JobSpec
from runyard.model.transfer import Unloaded
from runyard.settings import Home, Settings
from tests.unit.cli.fake import ENVIRON, NOW, STATUS, USER, Cli, FakeService, ended, row, running

HASH = "a" * 64


def detailed() -> Cli:
    spec = JobSpec(("./train.sh", "x"), script=HASH, time_limit_s=7_200.0, environment=HASH)
    result = Result("runner", wait_status=3 << 8, cpu_s=12.0, max_rss_mb=2_048.0)
    place = Placement("box.ada", "box", started_at=NOW - 15, ended_at=NOW - 5, result=result)
    attempt = Attempt(1, "t", NOW - 16, (place,))
    event = Recorded(1, 1, Submitted(NOW - 60, spec))
    job = ended(1, "failed", 3)
    service = FakeService(blobs={HASH: b"#!/bin/sh\necho hi\n"}).add(job)
    service.details[1] = JobDetail(
        job, spec, (attempt,), (event,), (4, 5, 6), "cgroup v2: cpu, memory", ("HOME", "KEY")
    )
    return Cli(service)


def test_show_tells_everything() -> None:
    shown = detailed().ok("show", "1")
    for part in (
        "failed, exit code 3", "at most 2 hours", "cgroup v2", "2 variables: HOME, KEY", "4-6", "attempt 1:",
        "exit code 3, 12s of cpu, 2G at most, known from the runner", "--script",
    ):  # fmt: skip
        assert part in shown
    for name, at in (("submitted", NOW - 60), ("started", NOW - 15), ("ended", NOW - 5)):
        assert f"\n{name + ':':<13} {moment(at)}" in shown, "the day and the second"


def test_show_of_a_job_that_failed_ends_with_its_last_output() -> None:
    cli = detailed()
    bar = b"\x1b[31mepoch 1\r\x1b[31mepoch 2\x1b[0m\r\n"
    said = b"one\ntwo\nthree\n" + bar + b"\tat \x1b]0;title\x07x\x08\xff\nfour\nout of memory\n"
    cli.service.outputs[1, 1] = said
    shown = cli.ok("show", "1").partition("last output:")[2].splitlines()
    assert [line.strip() for line in shown] == ["three", "epoch 2", "at x\\x08\ufffd", "four", "out of memory"]
    cli.service.outputs[1, 1] = b"x" * 1_000_000
    assert len(cli.ok("show", "1")) < 4_000
    assert "out of memory" not in cli.ok("show", "1", "--json") + cli.ok("ls")
    cli.service.add(ended(2))
    cli.service.outputs[2, 1] = said
    assert "last output" not in cli.ok("show", "2"), "it succeeded"


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (JobSpec(("python3", "-c", "print(6 * 7)")), "python3 -c 'print(6 * 7)'"),
        (JobSpec(("echo 'a b' | wc",), shell="bash"), "echo 'a b' | wc"),
    ],
)
def test_show_writes_a_command_as_it_can_be_typed(spec: JobSpec, told: str) -> None:
    service = FakeService().add(row(1, command=" ".join(spec.command)))
    service.details[1] = JobDetail(service.rows[1], spec, (), ())
    assert f"\ncommand:      {told}\n" in Cli(service).ok("show", "1")


def test_an_element_of_an_array_is_called_the_same_everywhere() -> None:
    element = ended(3, "failed", 2, name="train", array_index=0)
    on_host = RunningRow(3, 1, "train", "running", 4_003, "box", "box.ada", NOW - 10)
    cli = Cli(FakeService(status_told=replace(STATUS, running=(on_host,))).add(element, row(4)))
    assert "job:          3 (train[0])\n" in cli.ok("show", "3")
    assert cli("wait", "3", terminal=True).stderr == "job 3 (train[0]) failed (exit code 2)\n"
    cli.service.add(running(3, name="train", array_index=0))
    for words in (("ls",), ("server", "status")):
        assert "train[0]" in cli.ok(*words)


def test_show_breaks_long_values_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    service = FakeService().add(row(1))
    service.details[1] = JobDetail(service.rows[1], JobSpec(("echo", *["word"] * 20)), (), ())
    shown = Cli(service).ok("show", "1", terminal=True).splitlines()
    assert max(map(len, shown)) <= 50
    place = shown.index("command:      echo word word word word word word")
    assert shown[place + 1] == "              " + "word " * 6 + "word"
    assert "word " * 19 + "word\n" in Cli(service).ok("show", "1")


def test_show_json_has_the_fields_of_ls_and_the_rest() -> None:
    told = json.loads(detailed().ok("show", "1", "--json"))
    assert (told["id"], told["outcome"], told["events"][0]["kind"]) == (1, "failed", "submitted")
    assert told["attempts"][0]["placements"][0]["result"]["wait_status"] == 768
    assert told["environment"] == ["HOME", "KEY"], "names, never values"


def test_show_script() -> None:
    assert detailed().ok("show", "1", "--script") == "#!/bin/sh\necho hi\n"
    assert Cli(FakeService().add(row(1)))("show", "--script").exit_code == 2


def test_show_wants_one_job() -> None:
    assert Cli(FakeService().add(row(1), row(2)))("show", "1-2").exit_code == 2


@pytest.mark.parametrize(
    ("start", "end", "told"),
    [
        (NOW + 600, NOW + 3_600, "It may start between"),
        (NOW + 600, NOW + 610, "It may start at about"),
        (None, NOW + 610, "It may start before"),
        (NOW, None, "It may start after"),
    ],
)
def test_why(start: float | None, end: float | None, told: str) -> None:
    explanation = Explanation(1, "resources", "All is busy.", 2, (9,), start, end, "time limits")
    cli = Cli(FakeService(explanation=explanation).add(row(1)))
    first, second = cli.ok("why").splitlines()
    assert first == "job 1: All is busy."
    assert second.startswith(told) and second.endswith("from time limits.")
    assert json.loads(cli.ok("explain", "1", "--json"))["starts_from"] == start


def host(**fields: Any) -> Host:
    devices = (
        Device("GPU-a", 0, "A100", 40_960, 2_048, 91, (DeviceProcess(4_001, USER, 2_048, "1.1", "python"),)),
        Device("GPU-b", 1, "A100", 40_960, 9_000, 50, (DeviceProcess(99, "bob", 9_000, "", "python x.py"),)),
        Device("GPU-c", 2, "A100", 40_960),
        Device("GPU-d", 3, "A100", 40_960, fault="is lost"),
    )
    return Host("h", "box", "boot", 16, 65_536, **{"devices": devices, "looked_at": NOW, **fields})


def test_gpus() -> None:
    cli = Cli(FakeService(host_list=(host(),)).add(running(1, gpus=(0,))))
    lines = cli.ok("gpus").splitlines()
    assert lines[1].split() == [
        "box",
        "0",
        "A100",
        "2G",
        "40G",
        "91%",
        "job",
        "1",
        "(job1)",
        "ada",
        "4001",
        "2G",
        "python",
    ]
    assert lines[2].split()[6:] == ["foreign", "-", "bob", "99", "8.8G", "python", "x.py"]
    assert lines[3].split()[6] == "free" and "fault: is lost" in lines[4]
    told = json.loads(cli.ok("free", "--json"))
    assert [(d["state"], d["jobs"]) for d in told] == [("job", [1]), ("foreign", []), ("free", []), ("fault", [])]
    assert told[1]["processes"][0]["user"] == "bob"


def test_no_gpu() -> None:
    cli = Cli(FakeService(host_list=(host(devices=()),)))
    assert "box: no GPU, 16 cpus, 64G of memory" in cli("gpus").stderr
    assert cli.json("users") == []


def test_queues_are_made_changed_and_removed() -> None:
    cli = Cli()
    assert cli.ok("queue", "add", "night", "--parallel", "1", "--default", "time=8h") == (
        "queue night is made: at most 1 at a time\n"
    )
    cli.ok(
        *[
            "queue",
            "set",
            "night",
            "--parallel",
            "2",
            "--stop-on-fail",
            "--on-lost",
            "requeue",
            "--default",
            "mem=1G",
            "--default",
            "time=",
        ]
    )
    held = cli.service.queue_rows["night"].queue
    assert (held.parallel, held.stop_on_fail, held.on_lost, held.defaults) == (2, True, "requeue", {"mem": "1G"})
    assert held.version == 2
    cli.ok("queue", "set", "night", "--no-stop-on-fail")
    cli.ok("queue", "pause", "night", "default", "--reason", "new driver")
    assert [r.queue.paused for r in cli.service.queues()] == [True, True]
    assert "new driver" in cli.ok("queue", "ls")
    cli.ok("queue", "resume", "night")
    told = cli.json("queue", "ls")[1]
    assert (told["paused"], told["reason"], told["waiting"], told["stop_on_fail"]) == (False, "", 0, False)
    cli.ok("queue", "rm", "night")
    assert list(cli.service.queue_rows) == ["default"]


def queues(*more: Queue) -> Cli:
    held = (Queue(version=1), *(replace(queue, version=1) for queue in more))
    return Cli(FakeService(queue_rows={queue.name: QueueRow(queue) for queue in held}))


@pytest.mark.parametrize("words", ["pause", "resume", "rm"])
def test_an_unknown_queue_among_several_changes_none(words: str) -> None:
    cli = queues(Queue("a"), Queue("b", paused=True, reason="x"))
    before = dict(cli.service.queue_rows)
    result = cli("queue", words, "a", "b", "nope")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "there is no queue 'nope'" in result.stderr
    assert cli.service.queue_rows == before


def test_a_busy_queue_among_several_is_refused_first(monkeypatch: pytest.MonkeyPatch) -> None:
    cli = queues(Queue("a"), Queue("b"), Queue("c"))
    cli.service.queue_rows["b"] = QueueRow(Queue("b", version=1), waiting=1)
    asked: list[str] = []
    monkeypatch.setattr(cli.service, "remove_queue", asked.append)
    cli.ok("queue", "rm", "c", "b", "a", "default", "c")
    assert asked == ["b", "default", "c", "a"]


def test_a_second_pause_keeps_the_first_reason() -> None:
    cli = queues(Queue("a", paused=True, reason="new driver"), Queue("b", reason="left over"))
    assert cli.ok("queue", "pause", "a") == "queue a is paused already: new driver\n"
    assert cli.service.queue_rows["a"].queue.version == 1, "nothing was changed"
    assert cli.ok("queue", "pause", "a", "--reason", "other") == "queue a is paused: other\n"
    assert cli.ok("queue", "pause", "a", "--reason", "") == "queue a is paused\n"
    assert cli.ok("queue", "pause", "b") == "queue b is paused\n"


def test_resuming_what_is_open_says_so() -> None:
    cli = queues(Queue("a", paused=True))
    assert cli.ok("queue", "resume", "a", "default") == "queue a goes on\nqueue default was not paused\n"


def test_what_was_changed_before_an_error_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    cli = queues(Queue("a"), Queue("b"))
    save = cli.service.save_queue

    def full(queue: Queue) -> Queue:
        if queue.name == "b":
            raise StorageFull("the disk is full")
        return save(queue)

    monkeypatch.setattr(cli.service, "save_queue", full)
    result = cli("queue", "pause", "a", "b")
    assert (result.exit_code, result.stdout) == (75, "queue a is paused\n")


def test_setting_nothing_is_refused() -> None:
    result = Cli()("queue", "set", "default")
    assert result.exit_code == 2
    assert result.stderr == "ry: nothing to set: give --parallel, --stop-on-fail, --on-lost or --default\n"


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_queues_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    cli = queues(Queue("a", paused=True, reason="a new driver", defaults={"time": "8h"}, parallel=1))
    lines = cli.ok("queue", "ls", terminal=True).splitlines()
    assert max(map(len, lines)) <= columns
    assert lines[1].split()[:2] == ["default", "open"] and lines[2].split()[:2] == ["a", "paused"]
    assert {"RUNNING", "WAITING"} <= set(lines[0].split())
    assert ("PARALLEL" in lines[0], "REASON" in lines[0]) == (columns > 40, columns > 40)


@pytest.mark.parametrize(
    "args",
    [
        "queue add default",
        "queue set nowhere --parallel 1",
        "queue set default --default frobnicate=1",
        "queue set default --default time=soon",
        "queue set default --default time",
        "queue add bad/name",
    ],
)
def test_wrong_changes_of_queues(args: str) -> None:
    assert Cli()(*args.split()).exit_code in (1, 2)


def test_a_change_is_made_again_on_top_of_anothers() -> None:
    cli = Cli(FakeService(failures=[Conflict("changed meanwhile")]))
    cli.ok("queue", "set", "default", "--parallel", "3")
    assert cli.service.queue_rows["default"].queue.parallel == 3


def test_dry_run_leaves_queues_alone() -> None:
    cli = Cli(FakeService(queue_rows={"q": QueueRow(Queue("q", version=1))}))
    for args in ("queue pause q", "queue rm q", "queue set q --parallel 4"):
        assert cli.ok(*args.split(), "--dry-run").startswith("would: queue q")
    assert cli.service.queue_rows == {"q": QueueRow(Queue("q", version=1))}


def test_server_status() -> None:
    job = RunningRow(5, 2, "train", "running", 4_005, "box", "box.ada", NOW - 10)
    cli = Cli(FakeService(status_told=replace(STATUS, running=(job,), paused=("night",), problems=("disk full",))))
    shown = cli.ok("server", "status")
    for part in ("pid 77", "pid 78", "/yard/config.toml", "sqlite:////yard", "night", "disk full", "5.2", "4005"):
        assert part in shown
    told = cli.json("server", "status")
    assert (told["pid"], told["agents"][0]["pid"], told["running"][0]["pid"]) == (77, 78, 4_005)


def test_server_status_starts_none() -> None:
    cli = Cli(runs=False)
    result = cli("server", "status", "--json")
    assert result.exit_code == 69
    assert json.loads(result.stdout)["error"]["kind"] == "Unavailable"
    assert cli.wiring.connects == 0


def test_server_start_and_stop() -> None:
    cli = Cli(runs=False)
    assert cli.json("server", "start") == {"pid": 77, "started": True}
    assert cli.json("server", "start") == {"pid": 77, "started": False}
    assert cli.ok("server", "stop") == "the server is stopped; jobs run on\n"
    assert cli.json("server", "stop") == {"stopped": False}
    assert cli("server", "run").exit_code == 69


def test_server_logs(tmp_path: Path) -> None:
    cli = Cli(environ={**ENVIRON, "RUNYARD_HOME": str(tmp_path)})
    assert cli("server", "logs").exit_code == 2
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "server.log").write_text("".join(f"{number}\n" for number in range(100)))
    assert cli.ok("server", "logs", "-n", "2") == "98\n99\n"
    assert cli.ok("server", "logs", "-n", "0") == ""
    assert cli.ok("server", "logs", "-n", "1000").count("\n") == 100


def test_clean() -> None:
    assert Cli(FakeService(cleaned=(1, 2, 3))).ok("clean") == "the output of 3 jobs is gone: 1-3\n"
    assert Cli().json("clean") == {"cleaned": []}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    script = Cli().ok("completion", shell)
    assert "_RY_COMPLETE" in script and "_RUNYARD_COMPLETE" in script


def test_completion_of_jobs_and_queues() -> None:
    cli = Cli(FakeService().add(row(11, name="train"), row(12, name="eval")))

    def completed(*words: str) -> list[str]:
        environ = {"_RY_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
        return [line.partition(",")[2] for line in cli.complete(environ).splitlines()]

    assert completed("ry", "stop", "t") == ["train"]
    assert completed("ry", "show", "1") == ["12", "11"]
    assert completed("ry", "submit", "-q", "d") == ["default"]
    assert "show" in completed("ry", "s")
    cli.wiring.runs = False
    assert not any(completed("ry", "stop", "t"))
    assert cli.wiring.connects == 0, "the Tab key starts no server"


def seen(tmp_path: Path, **fields: Any) -> Seen:
    (tmp_path / "yard").mkdir(mode=0o700, exist_ok=True)
    home = str(tmp_path / "yard")
    given = {
        "settings": Settings(home), "home": Home(home), "now": NOW, "version": STATUS.version, "free_mb": 100_000,
        "on_network": False, "uid": (tmp_path / "yard").stat().st_uid, "status": STATUS, "hosts": (host(devices=()),),
        "newest_at": NOW - 5,
    }  # fmt: skip
    return Seen(**{**given, **fields})


def verdicts(found: Seen) -> dict[str, Verdict]:
    """The worst verdict of each check."""
    order = ("ok", "warn", "fail")
    worst: dict[str, Verdict] = {}
    for verdict in all_of(found):
        before = worst.get(verdict.check)
        if before is None or order.index(verdict.verdict) > order.index(before.verdict):
            worst[verdict.check] = verdict
    return worst


def test_doctor_finds_nothing_wrong(tmp_path: Path) -> None:
    found = verdicts(seen(tmp_path, hosts=(host(devices=(), limits="cgroup v2: cpu, memory"),)))
    assert {verdict.verdict for verdict in found.values()} == {"ok"}


@pytest.mark.parametrize(
    ("fields", "check", "verdict"),
    [
        ({"status": None}, "server", "warn"),
        ({"free_mb": 10}, "space", "fail"),
        ({"free_mb": 500}, "space", "warn"),
        ({"version": "9"}, "server", "warn"),
        ({"uid": 12_345}, "home", "fail"),
        ({"status": replace(STATUS, agents=())}, "agent", "fail"),
        ({"status": replace(STATUS, problems=("older store",))}, "server", "fail"),
        ({"now": NOW + 600}, "agent", "fail"),
        ({}, "limits", "warn"),
        ({"nvidia": True}, "gpus", "warn"),
        ({"hosts": (host(),)}, "gpus", "fail"),
        ({"newest_at": NOW + 500}, "clock", "warn"),
        ({"linger": "no"}, "logout", "warn"),
        ({"linger": "yes"}, "logout", "ok"),
    ],
)
def test_doctor_finds(tmp_path: Path, fields: dict[str, Any], check: str, verdict: str) -> None:
    found = verdicts(seen(tmp_path, **fields))[check]
    assert found.verdict == verdict
    assert found.advice or verdict == "ok"


def test_doctor_finds_an_open_home(tmp_path: Path) -> None:
    found = seen(tmp_path)
    Path(found.settings.home).chmod(0o755)
    assert verdicts(found)["home"].advice.startswith("chmod 700")


def test_doctor_as_a_verb(tmp_path: Path) -> None:
    cli = Cli(environ={**ENVIRON, "RUNYARD_HOME": str(tmp_path / "none")})
    result = cli("doctor")
    assert result.exit_code == 0 and result.stdout.startswith("CHECK")
    assert {line["check"] for line in cli.json("doctor")} >= {"home", "space", "server", "agent", "clock"}
    assert cli("doctor", terminal=True).exit_code == 0
    (tmp_path / "config.toml").write_text("frob = 1\n")
    broken = Cli(environ={**ENVIRON, "RUNYARD_HOME": str(tmp_path)})
    assert broken("doctor").exit_code == 1


def test_import_tells_the_ids_that_are_others_now(tmp_path: Path) -> None:
    export = tmp_path / "jobs.jsonl"
    export.write_text("".join(lines(Head(FORMAT, "k", "yard", NOW, "0.1"), (), lambda name: None, False)))
    service = FakeService(unloaded=Unloaded({1: 1, 2: 5}, {1: 1, 2: 3}))
    told = Cli(service).ok("import", str(export))
    assert told == "2 jobs imported: 1, 5\n  2 is now 5\n  group 2 is now 3\n"

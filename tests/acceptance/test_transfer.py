"""Jobs go to a file and from it into another yard, as a user types it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from tests.acceptance.test_environment import SECRET
from tests.acceptance.typist import Typist
from tests.harness.yard import Yard

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "export.schema.json").read_text())


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """Another yard, with a job of its own."""
    yard = Yard(tmp_path_factory.mktemp("other"))
    assert yard.ry("run", "-c0", "--", "true").code == 0
    yield yard
    yard.end()


@pytest.fixture
def there(other: Yard, tmp_path: Path) -> Typist:
    return Typist(other, tmp_path)


@pytest.fixture
def jobs(ry: Typist) -> list[int]:
    """One that was tried twice, an array, one that runs, one that waits for it, one with a script."""
    ry.ok("queue", "add", "night", "--parallel", "2")
    (ry.directory / "s.sh").write_text("echo script\n")
    tried = ry.submit("-c0", "--retries", "1", "-J", "tried", "exit 3", SECRET=SECRET)
    array = ry.submit_many("-c0", "-a", "1-2", "-J", "arr", "--", "true")
    script = ry.submit("-c0", "s.sh")
    ry("wait", *map(str, [tried, *array, script]))
    runs = ry.submit("-c0", "-q", "night", "-J", "runs", "--", "sleep", "600")
    ry.yard.running(runs)
    return [tried, *array, script, runs, ry.submit("-c0", "-d", str(runs), "-J", "after", "echo here")]


def test_there_and_back(ry: Typist, there: Typist, jobs: list[int]) -> None:
    told = ry.ok("export", "-o", "jobs.jsonl", *map(str, jobs))
    assert told == "" and (ry.directory / "jobs.jsonl").stat().st_mode & 0o777 == 0o600
    text = (ry.directory / "jobs.jsonl").read_text()
    assert SECRET not in text and '"SECRET"' in text
    for line in text.splitlines():
        jsonschema.validate(json.loads(line), SCHEMA)
    assert "would import 6 jobs" in there.ok("import", "--dry-run", "jobs.jsonl")
    done = there.json("import", "jobs.jsonl")
    ids = {int(old): new for old, new in done["ids"].items()}
    assert sorted(ids) == jobs and min(ids.values()) > 1 and not done["before"]
    rows = {row["id"]: row for row in there.json("ls", "all")}
    for old in jobs[:4]:
        was, is_now = ry.json("show", str(old)), there.json("show", str(ids[old]))
        for key in ("word", "exit_code", "submitted_at", "started_at", "ended_at", "attempts", "name", "array_index"):
            assert is_now[key] == was[key], key
        assert len(is_now["events"]) == len(was["events"])
    lost, waits = rows[ids[jobs[4]]], rows[ids[jobs[5]]]
    assert (lost["word"], lost["queue"], waits["word"]) == ("lost", "night", "held")
    assert "it was running when it was exported" in lost["reason"]
    assert done["lost"] == [lost["id"]] and done["held"] == [waits["id"]] and done["queues"] == ["night"]
    assert there.json("show", str(waits["id"]))["spec"]["after"] == [{"job_id": lost["id"], "kind": "afterok"}]
    assert "echo script" in there.ok("show", str(ids[jobs[3]]), "--script")
    assert ids[jobs[5]] in done["lacking"]

    again = there.json("import", "jobs.jsonl")
    assert again["before"] and again["ids"] == done["ids"] and len(there.json("ls", "all")) == len(rows)


def test_what_waits_can_go_on_with_its_environment(ry: Typist, there: Typist) -> None:
    ry.submit("--hold", "-c0", "-J", "mine", "--", "printenv", "WHICH", WHICH="from there")
    text = ry.ok("export", "--with-environment", "@")
    done = json.loads(there("import", "--json", "-", stdin=text).out)
    (job,) = done["held"]
    there.ok("release", str(job))
    there.ok("wait", str(job))
    assert there.ok("logs", str(job)) == "from there\n" and done["lacking"] == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: "", "this is no export"),
        (lambda text: "[]\n", "line 1: an object with one key was expected"),
        (lambda text: text.replace('"format": 1', '"format": 2'), "the export has form 2, this version reads 1"),
        (lambda text: text[: text.rindex('{"end"')], "not whole: its end is missing"),
        (lambda text: text.replace('"kind": "submitted"', '"kind": "held"'), "spec: unknown; Held has"),
        (lambda text: text + "x\n", "not JSON"),
        (lambda text: text + '{"script": {"hash": "00", "data": "?"}}\n', "not in base64"),
        (lambda text: text.replace('{"end": {', '{"end": {"more": 1, '), "more: unknown; End has: jobs"),
        (lambda text: re.sub('"at": [0-9.]+', '"at": 1e300', text), "at is 1e+300, which is no time since 1970"),
    ],
)
def test_what_is_no_export(ry: Typist, there: Typist, change: object, says: str) -> None:
    ry.submit("--hold", "-c0", "--", "true")
    text = change(ry.ok("export", "@"))  # type: ignore[operator]
    before = there.json("ls", "all")
    (ry.directory / "bad.jsonl").write_text(text)
    assert says in there.refused("import", "bad.jsonl")
    assert says in there.refused("import", "bad.jsonl", "--dry-run")
    assert there.json("ls", "all") == before


def test_saves_with_the_time_in_their_names(ry: Typist) -> None:
    ry.submit("--hold", "-c0", "--", "true")
    ended = ry("export", "-o", "saves/", "@")
    (saved,) = (ry.directory / "saves").iterdir()
    assert saved.name.startswith("runyard-") and f"1 job written to saves/{saved.name}" in ended.err


def test_a_run_that_was_done_elsewhere(ry: Typist) -> None:
    (ry.directory / "old.log").write_text("epoch 1\n")
    words = ("-J", "baseline", "--param", "lr=0.1", "--metric", "acc=0.93", "--note", "of old")
    times = ("--started", "2026-11-01T10:00", "--ended", "2026-11-01T12:30")
    job = ry.ok("import-run", *words, *times, "--log", "old.log", "--", "python", "train.py").strip()
    seen = ry.json("show", job)
    assert (seen["word"], seen["exit_code"], seen["params"], seen["note"]) == (
        "succeeded",
        0,
        [["lr", "0.1"]],
        "of old",
    )
    assert seen["ended_at"] - seen["started_at"] == 9_000 and seen["metrics"] == {"acc": 0.93}
    assert seen["attempts"][0]["placements"][0]["result"]["source"] == "operator"
    assert ry.ok("logs", job) == "epoch 1\n"
    assert job in ry.ok("ls", "--where", "acc > 0.9 and lr < 1")
    assert ry.json("show", ry.ok("import-run", "--ended", "-2h", "--", "x").strip())["ended_at"] <= time.time() - 7_200
    bad = ry.ok("import-run", "--outcome", "timeout", "--", "x").strip()
    assert ry.json("ls", bad)[0]["word"] == "timeout"
    assert ry.json("ls", ry.ok("import-run", "--exit-code", "4", "--", "x").strip())[0]["exit_code"] == 4
    assert "use NAME=NUMBER" in ry.refused("import-run", "--metric", "acc", "--", "x")
    assert "before it started" in ry.refused("import-run", *times[:2], "--ended", "2026-10-01T10:00", "--", "x")


def test_the_runs_of_que(ry: Typist) -> None:
    def run(number: int, **more: object) -> dict[str, object]:
        admin = {"model": "S3D", "dataset": "WLASL", "split": "asl100", "exp_no": f"{number:03}",
                 "config_path": f"c{number}.toml", "seed": 42, "recover": False}  # fmt: skip
        return {"admin": admin, "optimizer": {"lr": 0.1 * number}, "wandb": {"tags": ["a"], "run_id": None}, **more}

    runs = {
        "to_run": [run(1)],
        "cur_run": run(2),
        "old_runs": [run(3, results={"best_val_acc": 0.8, "test": {"top1": 0.7}})],
        "fail_runs": [run(4, error="CUDA out of memory")],
    }
    (ry.directory / "Runs.json").write_text(json.dumps(runs))
    words = ("import", "--from", "que", "Runs.json", "--command", "python train.py {config_path}")
    assert "would import 4 jobs" in ry.ok(*words, "--dry-run")
    assert ry.json(*words, "--dry-run") == {"would_import": [1, 2, 3, 4]}
    assert "goes with --from" in ry.refused("import", "Runs.json", *words[-2:])
    done = ry.json(*words)
    old, failed, current, waiting = (ry.json("show", str(job)) for job in done["ids"].values())
    assert (old["word"], failed["word"], current["word"], waiting["word"]) == ("succeeded", "failed", "lost", "held")
    assert old["name"] == "S3D_WLASL_asl100_003" and old["spec"]["command"] == ["python", "train.py", "c3.toml"]
    assert old["metrics"] == {"best_val_acc": 0.8, "test.top1": 0.7}
    assert ["optimizer.lr", "0.4"] in failed["params"] and "CUDA out of memory" in failed["reason"]
    assert ry.json(*words)["before"]
    assert "has no 'nothing'" in ry.refused(*words[:-1], "train {nothing}")
    assert "no Runs.json of Que" in ry.refused("import", "--from", "que", "-", stdin="{}")

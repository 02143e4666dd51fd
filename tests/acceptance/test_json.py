"""`--json` of every verb that has it, against its schema in `schemas/`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource

from tests.acceptance.typist import Typist
from tests.harness.yard import Bell, Gate

SCHEMAS = Path(__file__).with_name("schemas")
DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE, CHANGES = DOCS / "cli.md", DOCS / "json.md"
ISSUE = (
    "id", "name", "state", "outcome", "exit_code", "reason", "attempt", "host", "gpus", "queue", "user", "command",
    "workdir", "submitted_at", "started_at", "ended_at",
)  # fmt: skip
"""What a job in JSON was promised to have."""


def load(name: str) -> Any:
    return json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))


REGISTRY: Registry[Any] = Registry().with_resources(
    (load(path.stem)["$id"], Resource.from_contents(load(path.stem))) for path in SCHEMAS.glob("*.json")
)


def check(name: str, told: Any) -> Any:
    """The same, if it is what this schema says."""
    jsonschema.Draft202012Validator(load(name), registry=REGISTRY).validate(told)
    return told


@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("*.json")), ids=lambda path: path.stem)
def test_the_schemas_are_schemas(path: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(load(path.stem))


def test_a_job_has_what_was_promised() -> None:
    assert set(ISSUE) <= set(load("job")["required"])


def test_every_verb_with_json_is_tried_here() -> None:
    verbs = re.split(r"^###? (?=ry)", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    with_json = {
        verb.splitlines()[0].removeprefix("ry ") for verb in verbs if re.search(r"^  --json", verb, re.MULTILINE)
    }
    assert with_json == TRIED


def test_the_page_has_the_keys_of_changes() -> None:
    rows = re.findall(r"^\| ([^|`]+) \| (`[^|]+) \|$", CHANGES.read_text(encoding="utf-8"), re.MULTILINE)
    keys = {what: set(re.findall(r"`(\w+)`", told)) - {"retry"} for what, told in rows}
    of_schemas = {
        "new jobs": ("submit", "sweep_add"), "a change of jobs": ("change", "retry"),
        "a change of what has a name": ("change_of_named",),
    }  # fmt: skip
    assert {what: keys[what] for what in of_schemas} == {
        what: {key for name in names for key in load(name)["properties"]} for what, names in of_schemas.items()
    }


TRIED = {
    "submit", "run", "ls", "show", "why", "wait", "gpus", "stop", "kill", "pause", "resume", "hold", "release",
    "clean", "doctor", "diff", "open",
    "results", "stats",
    "queue add", "queue ls", "queue pause", "queue resume", "queue rm", "queue set",
    "server start", "server status", "server stop", "create", "template add", "template ls", "template show",
    "template edit", "template rm", "sweep add", "sweep ls", "sweep show", "sweep set", "sweep grow", "sweep drop",
    "move", "edit", "retry", "copy", "rm", "recover",
    "pipeline new", "pipeline submit", "pipeline show", "pipeline run", "pipeline ls", "pipeline status", "pipeline rm",
    "server drain", "server resume", "hooks", "import", "import-run", "use",
}  # fmt: skip


@pytest.fixture
def jobs(ry: Typist, gate: Callable[[str], Gate], bell: Bell) -> list[int]:
    """One of each kind: ended well and badly, lately tried again, running, waiting for several things, held."""
    gate("door")
    running = ry.submit("-c0", "-J", "run\x1bning", "echo > bell; read x < door")
    bell.wait()
    made = [
        ry.run("-c0", "--retries", "1", "exit 3").id,
        ry.run("-c0", "--", "true").id,
        ry.run("-c0", "--", "missing-program").id,
        *ry.submit_many("-c0", "-a", "4-5%1", "--", "sleep", "600"),
        ry.submit("-c0", "-d", str(running), "-t", "1h", "-b", "+1h", "--mem", "10M", "--setup", "true", "--", "true"),
        ry.submit("--hold", "--unique", "it", "-o", "x", "-i", "/dev/null", "--on-lost", "end", "x y"),
    ]
    return [running, *made]


def test_two_jobs_and_their_pages(ry: Typist) -> None:
    first = ry.run("-c0", "echo wandb: https://wandb.ai/a/b/runs/c")
    second = ry.run("-c0", "-P2", "-e", "LR=1", "--", "true")
    assert check("open", ry.json("open", str(first.id)))
    found = check("diff", ry.json("diff", str(first.id), str(second.id)))
    assert found["options"]["priority"] == [0, 2]
    assert [variable["name"] for variable in found["environment"]] == ["LR"]


def test_lists(ry: Typist, jobs: list[int]) -> None:
    rows = check("ls", ry.json("ls", *map(str, jobs)))
    assert [row["id"] for row in rows] == sorted(jobs)
    assert {row["state"] for row in rows} == {"pending", "running", "done"}
    for row in rows:
        assert (row["outcome"] is None) == (row["state"] != "done") == (row["ended_at"] is None)
        assert (row["pid"] is not None) == (row["state"] == "running")
    assert check("ls", ry.json("ls", "never-made-*")) == []


def test_the_machine_in_use(ry: Typist) -> None:
    check("use", ry.json("use"))


def test_one_line_for_each_job(ry: Typist, jobs: list[int]) -> None:
    lines = ry.ok("ls", "--json", *map(str, jobs)).splitlines()
    assert [json.loads(line.rstrip(","))["id"] for line in lines[1:-1]] == sorted(jobs)


def test_of_one_job(ry: Typist, jobs: list[int]) -> None:
    for job in jobs:
        shown = check("show", ry.json("show", str(job)))
        assert len(shown["events"]) == shown["events"][-1]["number"]
        check("why", ry.json("why", str(job)))


def test_results_and_stats(ry: Typist) -> None:
    job = ry.run("-J", "train", "--param", "lr=0.1", "echo ::metric acc=0.5").id
    first = check("results", ry.json("results", str(job)))[0]
    assert (first["rank"], first["params"], first["metrics"]) == (1, {"lr": "0.1"}, {"acc": 0.5})
    rows = check("stats", ry.json("stats", "--since", "1d"))
    assert any(row["ended"].get("succeeded") for row in rows)


def test_wait_and_run(ry: Typist) -> None:
    one = check("submit", ry.json("submit", "--", "true"))["ids"][0]
    check("verdict", ry.json("wait", str(one)))
    two = check("submit", ry.json("submit", "-a", "1-2", "--", "true"))["ids"]
    check("verdicts", ry.json("wait", *map(str, two)))
    check("verdict", ry.json("run", "--", "true"))
    check("verdict", json.loads(ry("run", "--json", "-t", "0.1s", "--", "sleep", "60").out))
    check("would_submit", ry.json("submit", "--dry-run", "-a", "1-2", "--", "true"))


@pytest.mark.parametrize("verb", ["stop", "kill", "hold", "release"])
def test_changes(ry: Typist, verb: str) -> None:
    held, done = ry.submit("--hold", "--", "true"), ry.run("--", "true").id
    check("would_change", ry.json(verb, "--dry-run", str(held)))
    told = check("change", json.loads(ry(verb, "--json", str(held), str(done)).out))
    assert told["changed"] == [held] and list(told["refused"]) == [str(done)]
    if verb != "release":
        assert f"job {done}" in told["refused"][str(done)]


def test_changes_of_what_runs(ry: Typist, gate: Callable[[str], Gate]) -> None:
    gate("gate")
    runs = ry.submit("read x < gate")
    ry.yard.running(runs)
    check("would_change", ry.json("pause", "--dry-run", str(runs)))
    assert check("change", ry.json("pause", str(runs)))["changed"] == [runs]
    check("show", ry.json("show", str(runs)))
    check("would_change", ry.json("resume", "--dry-run", str(runs)))
    assert check("change", ry.json("resume", str(runs)))["changed"] == [runs]


def test_managing(ry: Typist) -> None:
    held, other = ry.submit("--hold", "--", "true"), ry.submit("--hold", "--", "true")
    done = ry.run("--", "false").id
    check("would_change", ry.json("move", "--dry-run", str(held), "--last"))
    check("change", ry.json("move", str(held), "--last"))
    check("would_change", ry.json("edit", "--dry-run", str(held), "--set", "time=1h"))
    check("change", ry.json("edit", str(held), "--set", "time=1h"))
    check("would_change", ry.json("copy", "--dry-run", str(held)))
    check("submit", ry.json("copy", str(held)))
    check("would_change", ry.json("retry", "--dry-run", str(done)))
    assert check("retry", ry.json("retry", str(done)))["changed"] == [done]
    check("would_change", ry.json("rm", "--dry-run", str(other)))
    assert check("change", ry.json("rm", str(other)))["changed"] == [other]
    check("would_change", ry.json("clean", "--older", "1d", "--dry-run"))
    check("change", ry.json("clean", "--older", "1d"))
    check("recover", ry.json("recover"))
    check("would_change", ry.json("recover", "--all", "--dry-run"))
    check("recovered", ry.json("recover", "--all", "--yes"))
    assert check("drain", ry.json("server", "resume")) == {"draining": False, "changed": False}
    try:
        assert check("drain", ry.json("server", "drain")) == {"draining": True, "changed": True}
    finally:
        ry.ok("server", "resume")


def named(told: Any, *names: str) -> None:
    """These are changed, each with its record."""
    assert check("change_of_named", told)["changed"] == [one["name"] for one in told["records"]] == [*names]


def would(told: Any, verb: str, *names: str) -> None:
    """That would be done to these, each with its record."""
    assert check("would_change_named", told)[f"would_{verb}"] == [one["name"] for one in told["records"]] == [*names]


def unchanged(told: Any) -> None:
    """Nothing was there to be changed: that is no failure."""
    assert (told["changed"], told["refused"], told["ry_exit_code"]) == ([], {}, 0)


def test_queues(ry: Typist) -> None:
    would(ry.json("queue", "add", "new", "--dry-run"), "add", "new")
    named(ry.json("queue", "add", "new", "--parallel", "2", "--default", "time=1h"), "new")
    for verb, *words in (("set", "new", "--stop-on-fail"), ("pause", "new", "--reason", "x"), ("resume", "new")):
        would(ry.json("queue", verb, *words, "--dry-run"), verb, "new")
        named(ry.json("queue", verb, *words), "new")
        unchanged(check("change_of_named", ry.json("queue", verb, *words)))
    rows = check("queue_ls", ry.json("queue", "ls"))
    assert {row["name"] for row in rows} == {"default", "new"}
    would(ry.json("queue", "rm", "new", "--dry-run"), "remove", "new")
    named(ry.json("queue", "rm", "new", "new"), "new")


def test_templates(ry: Typist) -> None:
    words = ("-p", "lr:float(0,1)=0.1", "-p", "opt:choice(a,b)=a", "-p", "tags:text+=x", "-c0", "--", "echo")
    would(ry.json("template", "add", "one", "--dry-run", *words), "add", "one")
    named(ry.json("template", "add", "one", *words), "one")
    assert "one" in [one["name"] for one in check("template_ls", ry.json("template", "ls"))]
    check("template", ry.json("template", "show", "one"))
    would(ry.json("template", "edit", "one", "--set", "lr=0.2", "--dry-run"), "edit", "one")
    named(ry.json("template", "edit", "one", "--set", "lr=0.2"), "one")
    unchanged(check("change_of_named", ry.json("template", "edit", "one", "--set", "lr=0.2")))
    check("would_submit", ry.json("create", "one", "--dry-run"))
    check("submit", ry.json("create", "one", "--lr", "0.3"))
    would(ry.json("template", "rm", "one", "--dry-run"), "remove", "one")
    named(ry.json("template", "rm", "one", "one"), "one")


def test_sweeps(ry: Typist) -> None:
    words = ("-p", "a=1,2", "-c0", "--", "echo", "{a}")
    check("would_submit", ry.json("sweep", "add", "one", "--dry-run", *words))
    check("sweep_add", ry.json("sweep", "add", "one", "--stop-when", "acc >= 1", "--canary", "--hold", *words))
    check("sweep_ls", ry.json("sweep", "ls"))
    check("sweep_add", ry.json("sweep", "grow", "one", "-p", "a=3"))
    assert check("sweep_add", ry.json("sweep", "grow", "one", "-p", "a=3"))["ids"] == []
    shown = check("sweep_show", ry.json("sweep", "show", "one"))
    assert [dict(cell["params"])["a"] for cell in shown["cells"]] == ["1", "2", "3"]
    for change in (("--parallel", "1"), ("--no-rules",)):
        would(ry.json("sweep", "set", "one", *change, "--dry-run"), "set", "one")
        named(ry.json("sweep", "set", "one", *change), "one")
        unchanged(check("change_of_named", ry.json("sweep", "set", "one", *change)))
    check("would_change", ry.json("sweep", "drop", "one", "a=3", "--dry-run"))
    assert len(check("change", ry.json("sweep", "drop", "one", "a=3"))["changed"]) == 1
    unchanged(check("change", ry.json("sweep", "drop", "one", "a=3")))
    assert check("would_change", ry.json("sweep", "drop", "one", "a=3", "--dry-run")) == {"would_drop": []}


def test_pipelines(ry: Typist) -> None:
    check("pipeline_new", ry.json("pipeline", "new", "one"))
    check("pipeline_submit", ry.json("pipeline", "submit", "one", "-c1", "-eA=1", "--sbatch", "hold", "--", "true"))
    check("pipeline_submit", ry.json("pipeline", "submit", "one", "--needs", "one-job-0", "--", "true"))
    check("pipeline_show", ry.json("pipeline", "show", "one"))
    assert {"one": "draft"}.items() <= {
        row["name"]: row["state"] for row in check("pipeline_ls", ry.json("pipeline", "ls"))
    }.items()
    check("pipeline_run", ry.json("pipeline", "run", "one"))
    check("pipeline_run", json.loads(ry("pipeline", "run", "--json", "--", "false").out))
    check("pipeline_status", ry.json("pipeline", "status", "one"))
    check("pipeline_status", ry.json("pipeline", "run", "one", "--detach"))
    assert {row["name"] for row in check("pipeline_ls", ry.json("pipeline", "ls"))} >= {"one", "command"}
    would(ry.json("pipeline", "rm", "one", "--dry-run"), "remove", "one")
    named(ry.json("pipeline", "rm", "one", "command", "--yes"), "one", "command")


def test_the_yard(ry: Typist, jobs: list[int]) -> None:
    status = check("server_status", ry.json("server", "status"))
    assert jobs[0] in [row["id"] for row in status["running"]]
    assert all(row["pid"] for row in status["running"] if row["stage"] == "running")
    assert status["pid"] == ry.yard.server and status["agents"][0]["pid"] == ry.yard.agent
    check("server_start", ry.json("server", "start"))
    check("doctor", ry.json("doctor"))
    check("gpus", ry.json("gpus"))
    assert check("hooks", ry.json("hooks")) == []
    check("would_change", ry.json("clean", "--dry-run"))
    check("clean", ry.json("clean"))


def test_server_stop(ry: Typist, tmp_path: Path) -> None:
    ended = ry("server", "stop", "--json", RUNYARD_HOME=str(tmp_path / "none"))
    assert check("server_stop", json.loads(ended.out)) == {"stopped": False}


@pytest.mark.parametrize(
    "words",
    [
        ("ls", "--json", "99999999"), ("show", "--json", "no-such"), ("submit", "--json", "-q", "no-such", "--", "x"),
        ("wait", "--json", "99999999"), ("stop", "--json", "all", "--nonsense"), ("queue", "rm", "no-such", "--json"),
        ("queue", "set", "no-such", "--parallel", "1", "--json"), ("queue", "add", "default", "--json"),
        ("template", "edit", "no-such", "--set", "a=1", "--json"), ("template", "rm", "no-such", "--json"),
        ("sweep", "set", "no-such", "--no-rules", "--json"), ("sweep", "drop", "no-such", "a=1", "--json"),
        ("pipeline", "show", "no-such", "--json"), ("pipeline", "rm", "no-such", "--json"),
        ("why", "--json", "99999999"), ("run", "--json", "-a", "1-2", "--", "x"), ("stop", "--json", "all"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_errors(ry: Typist, words: tuple[str, ...]) -> None:
    ry.submit_many("--hold", "-a", "1-2", "--", "true")
    ended = ry(*words)
    told = check("error", json.loads(ended.out))
    assert told["error"]["exit_code"] == ended.code > 0 and ended.err == ""

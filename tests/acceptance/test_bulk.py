"""Many jobs in one call: JSON, YAML, JSON lines; names as dependencies; all of them or none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.typist import Typist

JOBS: list[dict[str, Any]] = [
    {"name": "prepare", "command": "echo prepared > data"},
    {"name": "train", "command": ["sh", "-c", "cat data; echo lr $LR"], "after": "prepare", "env": {"LR": "0.1"}},
    {"name": "report", "command": ["cat"], "after": ["afterany:train"], "input": "data", "time": "5m", "priority": 3},
]
YAML = """
- name: prepare
  command: echo prepared > data
- name: train
  command: [sh, -c, "cat data; echo lr $LR"]
  after: prepare
  env: {LR: 0.1}
- name: report
  command: [cat]
  after: [afterany:train]
  input: data
  time: 5m
  priority: 3
"""
FORMS = {
    "json": json.dumps(JOBS),
    "yaml": YAML,
    "json lines": "\n".join(map(json.dumps, JOBS)) + "\n",
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_the_three_forms_say_the_same(ry: Typist, text: str) -> None:
    prepare, train, report = ry.submit_many("--file", "-", stdin=text)
    ry.done(prepare, train, report)
    assert ry.ok("logs", str(train)) == "prepared\nlr 0.1\n"
    assert ry.ok("logs", str(report)) == "prepared\n"
    spec = ry.json("show", str(report))["spec"]
    assert (spec["time_limit_s"], spec["priority"], spec["after"]) == (
        300.0, 3, [{"job_id": train, "kind": "afterany"}],
    )  # fmt: skip


def test_a_file_and_flags_for_all_of_it(ry: Typist, tmp_path: Path) -> None:
    (tmp_path / "jobs.json").write_text('[{"command": "true"}, {"command": "true", "cpus": 2}]')
    one, two = ry.submit_many("-f", "jobs.json", "--hold", "-J", "both", "-c", "1")
    assert [ry.yard.service.job(job).spec.resources.cpus for job in (one, two)] == [1, 2]
    assert {ry.row(job).name for job in (one, two)} == {"both"}


def test_a_name_in_the_file_comes_before_a_job_of_that_name(ry: Typist) -> None:
    old = ry.submit("-J", "base", "--hold", "--", "true")
    jobs = [{"name": "base", "command": "true", "hold": True}, {"command": "true", "after": "base"}]
    base, after = ry.submit_many("--file", "-", stdin=json.dumps(jobs))
    assert ry.json("show", str(after))["spec"]["after"][0]["job_id"] == base != old


def test_a_job_that_is_there_already_can_be_waited_for(ry: Typist) -> None:
    old = ry.submit("-J", "old", "--hold", "--", "true")
    (new,) = ry.submit_many("--file", "-", stdin='[{"command": "true", "after": "old"}]')
    assert ry.json("show", str(new))["spec"]["after"][0]["job_id"] == old


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[{"name": "a", "command": "x", "after": "b"}, {"name": "b", "command": "x", "after": "a"}]',
         "in a circle: a -> b -> a"),
        ('[{"name": "a", "command": "x", "after": "a"}]', "in a circle: a -> a"),
        ('[{"command": "x"}, {"command": "x", "queue": "nowhere"}]', "job 2: queue: there is no queue 'nowhere'"),
        ('[{"command": "x"}, {"command": "x", "after": "nobody"}]', "job 2: after: there is no job 'nobody'"),
        ('[{"command": "x", "after": 99999999}]', "there is no job 99999999"),
        ('[{"command": "x"}, {"name": "y"}]', "job 2 (y): command: a list of words or one text is needed"),
        ('[{"command": "x", "gpu": 1}]', "gpu: there is no such key; did you mean 'gpus'?"),
        ('[{"command": "x"}, {"command": "x", "array": "3-1"}]', "job 2: array: '3-1': a range goes from the lower"),
        ('[{"name": "a", "command": "x", "array": "1-2", "after": "a"}]', "in a circle: a -> a"),
        ('[{"command": "x", "after": "b"}, {"name": "b", "command": "x", "queue": "q\\ud800"}]', "half a surrogate"),
        ("- {command: x, after: {afterok: 1}}", "job 1: after: a text was expected, not {'afterok': '1'}"),
        ('[{"command": ["./x.sh"]}]', "job 1: command: there is no file "),
        ('[{"command": ["x.sh"], "script": true}]', "x.sh cannot be read: No such file"),
        ("command: x\n---\ncommand: y\n", "several YAML documents"),
        ("\udcff\udcfe", "standard input is no text in UTF-8"),
        ('[{"name": "a", "command": "x"}, {"name": "a", "command": "x"}, {"command": "x", "after": "a"}]',
         "several jobs of this file are called 'a'"),
        ('{"command": "x"}\n{"command": \n', "line 2 is no JSON object"),
        ("- command: x\n  name: [", "neither JSON nor YAML"),
        ("- !!python/object/apply:os.system ['true']\n", "neither JSON nor YAML"),
        ("[]", "a list of at least one job"),
        ("", "a list of at least one job"),
        ('["true"]', "an object with a command was expected"),
        ("&a [" + "*a, " * 3 + "*a]", "*a holds itself"),
        ("[" * 5000, "nested"),
        (json.dumps([{"command": ["true", "x" * 140_000]}]), "longer than the system's 131071 bytes"),
        (json.dumps([{"command": "true", "env": {"A": "x" * 140_000}}]), "A is 140002 bytes long"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)  # fmt: skip
def test_refused_as_a_whole(ry: Typist, text: str, says: str) -> None:
    before = len(ry.yard.rows())
    assert says in ry.refused("submit", "--file", "-", stdin=text)
    assert len(ry.yard.rows()) == before, "not one of them was taken"


def test_arrays_and_scripts_among_the_jobs_of_a_file(ry: Typist, tmp_path: Path) -> None:
    """Each array is a group with its own limit; who waits for it waits for all of it."""
    script = tmp_path / "add.sh"
    script.write_text('echo "$1 $RUNYARD_ARRAY_INDEX" >> sum\n')
    text = """
    - {name: a, command: [add.sh, a], script: true, array: 1-2%1, hold: true}
    - {name: b, command: [add.sh, b], script: true, array: "5,7", hold: true}
    - {command: "sort sum", after: [a, "afterany:b"]}
    - {command: [cat, add.sh], hold: true}
    """
    *adding, sort, cat = ids = ry.submit_many("--file", "-", stdin=text)
    assert ids == list(range(ids[0], ids[0] + 6))
    script.write_text("echo changed\n")
    assert [(row.name, row.array_index) for row in map(ry.row, adding)] == [("a", 1), ("a", 2), ("b", 5), ("b", 7)]
    groups = [ry.row(job).group for job in ids]
    assert groups == [groups[0]] * 2 + [groups[2]] * 2 + [None] * 2 and None not in (groups[0], groups[2])
    assert groups[0] != groups[2]
    after = ry.json("show", str(sort))["spec"]["after"]
    assert [(one["job_id"], one.get("kind", "afterok")) for one in after] == [
        *((job, "afterok") for job in adding[:2]), *((job, "afterany") for job in adding[2:]),
    ]  # fmt: skip
    ry.ok("release", *map(str, (*adding, cat)))
    ry.done(*ids)
    assert ry.ok("logs", str(sort)) == "a 1\na 2\nb 5\nb 7\n"
    assert ry.ok("logs", str(cat)) == "echo changed\n", "what is not said to be a script is not copied"


def test_one_object_is_one_job(ry: Typist) -> None:
    assert len(ry.submit_many("--file", "-", stdin="name: one\ncommand: 'true'\n")) == 1


def test_a_thousand_in_one_call(ry: Typist) -> None:
    jobs = "\n".join(json.dumps({"command": ["true", str(n)], "hold": True}) for n in range(1000))
    ids = ry.submit_many("--file", "-", stdin=jobs)
    assert ids == list(range(ids[0], ids[0] + 1000))


def test_a_command_and_a_file_at_once(ry: Typist) -> None:
    assert "either a command or --file" in ry.refused("submit", "--file", "-", "--", "true")
    assert "cannot be read" in ry.refused("submit", "--file", "nowhere.json")


def test_dry_run_says_what_would_be(ry: Typist) -> None:
    before = len(ry.yard.rows())
    told = ry.ok("submit", "--dry-run", "--file", "-", stdin=FORMS["json"])
    assert "would submit 3 jobs" in told and "train: 1 cpu" in told
    assert len(ry.yard.rows()) == before

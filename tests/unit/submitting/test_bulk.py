"""Many jobs from a file: what it may say, what it costs, what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from runyard.api import QueueRow, Submission
from runyard.errors import InvalidSpec
from runyard.model.queue import Queue
from runyard.model.spec import ArraySpec, Dependency, JobSpec, Resources
from runyard.submitting import build as build_module
from runyard.submitting import bulk
from runyard.submitting.build import Builder
from runyard.submitting.ground import Ground, Here
from tests.unit.cli.fake import FakeService, row

HERE = Here({"HOME": "/h"}, "/", 1_700_000_000.0)


def build(text: str, common: dict[str, Any] | None = None, service: FakeService | None = None) -> Submission:
    return bulk.submission(Builder(service or FakeService(), HERE), bulk.parse(text), common or {})


def specs(*entries: dict[str, Any], **more: Any) -> tuple[JobSpec, ...]:
    return build(json.dumps(entries), **more).specs


YAML = """
# a sweep
- &base {name: a, command: [train, --lr, 1e-3], time: 1:30:00, gpus: 1}
- <<: *base
  name: b
  begin: 22:00
  after: a
- command: echo $HOME | cat
  hold: yes
"""


def test_json_yaml_and_lines_say_the_same() -> None:
    entries = [{"name": "a", "command": ["x", "1"], "cpus": 2}, {"name": "b", "command": "y z", "after": ["a"]}]
    lines = "\n".join(json.dumps(entry) for entry in entries)
    yaml = "- name: a\n  command: [x, '1']\n  cpus: 2\n- name: b\n  command: y z\n  after: [a]\n"
    assert build(json.dumps(entries)).specs == build(lines).specs == build(yaml).specs


def test_yaml_keeps_what_was_written() -> None:
    first, second, third = build(YAML).specs
    assert first.command == ("train", "--lr", "1e-3")
    assert first.time_limit_s == second.time_limit_s == 5_400.0
    assert (second.command, second.after, second.resources.gpus.count) == (first.command, (Dependency(-1),), 1)
    assert second.begin_at is not None and second.begin_at > HERE.now
    assert (third.shell, third.command, third.hold) == ("bash", ("echo $HOME | cat",), True)


def test_names_are_found_in_any_order_and_before_jobs_that_exist() -> None:
    service = FakeService().add(row(5, name="b"), row(6, name="old"))
    one, two = specs(
        {"name": "a", "command": ["x"], "after": "b,afterany:old:6"}, {"name": "b", "command": ["y"]}, service=service
    )
    assert one.after == (Dependency(-2), Dependency(6, "afterany"))
    assert two.after == ()


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ([{"command": ["x"], "retry_on": "oom"}], "job 1: retry_on: there is no such key; did you mean 'retry-on'?"),
        ([{"command": ["x"]}, {"name": "b", "command": ["x"], "cpus": "many"}], r"job 2 \(b\): cpus: "),
        ([{"name": "a"}], r"job 1 \(a\): command: "),
        ([{"command": []}], "command: "),
        ([{"command": [None]}], "command: "),
        ([{"command": [""]}], "command: "),
        ([{"command": ["a\0b"]}], "command: "),
        ([{"command": ["x"], "shell": "sh"}], "shell: "),
        ([{"command": ["x"], "array": "3-0"}], "array: "),
        ([{"command": ["x"], "name": "a\nb"}], "name: "),
        ([{"command": ["x"], "name": 5}], "name: "),
        ([{"command": ["x"], "after": "nobody"}], "after: there is no job 'nobody'"),
        (
            [{"command": ["x"], "name": "a"}, {"command": ["x"], "name": "a"}, {"command": ["x"], "after": "a"}],
            "several",
        ),
        ([{"command": ["x"], "queue": "nowhere"}], "queue: "),
        (["x"], "an object"),
        ([], "at least one job"),
    ],
)
def test_what_is_wrong_is_named(entries: list[Any], told: str) -> None:
    with pytest.raises(InvalidSpec, match=told):
        build(json.dumps(entries))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "at least one"),
        ("[1,", "no JSON"),
        ('{"command": ["x"]}\n{oops}', "line 2"),
        ("just a word", "a list"),
        ("[" * 100_000, "nested|JSON"),
        ("- " * 30 + "x", "nested deeper"),
        ("- !!python/object/apply:os.system [true]", "neither JSON nor YAML"),
        ("a: [\n", "neither JSON nor YAML"),
    ],
)
def test_what_cannot_be_read(text: str, told: str) -> None:
    with pytest.raises(InvalidSpec, match=told):
        build(text)


def test_a_bomb_of_aliases_is_refused() -> None:
    levels = ["- &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"- &a{n} [" + ", ".join([f"*a{n - 1}"] * 10) + "]" for n in range(1, 10)]
    with pytest.raises(InvalidSpec, match="once its aliases are followed"):
        build("\n".join(levels))


def test_a_bomb_of_merges_is_refused() -> None:
    levels = ["- &a0 {command: [x]}"]
    levels += [f"- &a{n} {{<<: [" + ", ".join([f"*a{n - 1}"] * 10) + "]}" for n in range(1, 10)]
    with pytest.raises(InvalidSpec, match="once its aliases are followed"):
        build("\n".join(levels))


def test_defaults_of_queue_and_flags_lie_below_each_entry() -> None:
    service = FakeService(queue_rows={"q": QueueRow(Queue("q", defaults={"mem": "1G", "cpus": "8"}))})
    common = {"queue": "q", "cpus": "4"}
    one, two = specs({"command": ["x"]}, {"command": ["x"], "cpus": 2}, common=common, service=service)
    assert (one.resources, two.resources) == (Resources(4, 1_024), Resources(2, 1_024))


def test_values_may_be_numbers_lists_and_objects() -> None:
    service = FakeService()
    (spec,) = specs(
        {"command": ["x", 1, 0.5], "env": {"A": 1}, "retry-on": ["oom", 75], "setup": ["a", "b"], "time": 5},
        service=service,
    )
    assert spec.command == ("x", "1", "0.5")
    assert service.environment(spec) == {"HOME": "/h", "A": "1"}
    assert (spec.retry.on, spec.setup, spec.time_limit_s) == (("oom", "75"), ("a", "b"), 300.0)


def test_one_environment_and_one_look_however_many_jobs() -> None:
    service = FakeService()
    many = specs(*({"name": f"j{n}", "command": ["x", str(n)], "gpus": n % 2} for n in range(1_000)), service=service)
    assert len(service.blobs) == 1
    assert len({id(spec.resources) for spec in many}) == 2, "jobs that are alike share what is alike"
    assert many[7] == JobSpec(("x", "7"), "j7", "/", environment=many[0].environment, resources=many[1].resources)


def test_long_words_are_checked_in_full() -> None:
    long = "x" * 40_000
    assert specs({"command": [long]})[0].command == (long,)
    with pytest.raises(InvalidSpec, match="131071"):
        specs({"command": ["x" * 200_000]})
    with pytest.raises(InvalidSpec, match="name: "):
        specs({"command": ["x"], "name": "n" * 300})


def test_working_directories_are_looked_at(tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(InvalidSpec, match="workdir: "):
        specs({"command": ["x"], "workdir": "/does/not/exist"})
    here = str(tmp_path_factory.mktemp("work"))
    assert specs({"command": ["x"], "workdir": os.path.join(here, "..", os.path.basename(here))})[0].workdir == here


def test_an_entry_can_be_an_array() -> None:
    made = build(
        json.dumps(
            [
                {"name": "prepare", "command": ["x"]},
                {"name": "sweep", "command": ["x"], "array": "0-4:2%2", "after": "prepare"},
                {"command": ["x"], "after": "afterany:sweep"},
                {"name": "listed", "command": ["x"], "array": [7, 3]},
            ]
        )
    )
    assert made.arrays == {2: ArraySpec((0, 2, 4), 2), 4: ArraySpec((7, 3))}
    assert [spec.after for spec in made.specs] == [(), (Dependency(-1),), (Dependency(-2, "afterany"),), ()]
    assert all(spec.array_index is None for spec in made.specs)


def test_an_array_beside_a_file_is_for_all_of_it() -> None:
    made = build('[{"command": ["x"]}, {"command": ["y"], "array": "1-2"}]', {"array": "0-3%1"})
    assert made.arrays == {1: ArraySpec((0, 1, 2, 3), 1), 2: ArraySpec((1, 2))}


def test_one_job_alone_knows_no_names_of_its_own() -> None:
    service = FakeService().add(row(5, name="train"))
    made = bulk.single(Builder(service, HERE), {"command": "x", "name": "train", "after": "train"})
    assert made.specs[0].after == (Dependency(5),)
    with pytest.raises(InvalidSpec, match=r"^cpus: ") as refused:
        bulk.single(Builder(service, HERE), {"command": "x", "cpus": "many"})
    assert refused.value.field == "cpus"


def test_a_name_of_an_array_means_all_of_the_latest() -> None:
    service = FakeService().add(
        *(row(job_id, name="sweep", group=1, array_index=job_id) for job_id in (1, 2)),
        *(row(job_id, name="sweep", group=2, array_index=job_id) for job_id in (3, 4)),
        *(row(job_id, name="plain") for job_id in (5, 6)),
    )
    (spec,) = specs({"command": "x", "after": ["sweep", "plain", "@"]}, service=service)
    assert [wanted.job_id for wanted in spec.after] == [3, 4, 6]


@pytest.fixture
def scripts(tmp_path: Path) -> Here:
    (tmp_path / "job.sh").write_text("echo $1\n")
    (tmp_path / "train.py").write_text("#!/usr/bin/env python3\n# SLURM\n#PBS -N x\n")
    (tmp_path / "program").write_bytes(b"\x7fELF")
    return HERE._replace(cwd=str(tmp_path))


def test_a_script_is_copied_once_for_all_its_jobs(scripts: Here) -> None:
    service = FakeService()
    builder = Builder(service, scripts)
    entries: list[dict[str, Any]] = [{"command": ["job.sh", n], "script": True} for n in range(5)]
    entries += [{"command": "job.sh", "script": "yes", "array": "0-1"}, {"command": ["train.py"], "script": True}]
    entries += [{"command": ["./job.sh"], "script": False, "after": 1}]
    made = bulk.submission(builder, entries, {})
    assert [spec.command for spec in made.specs[:2]] == [("job.sh", "0"), ("job.sh", "1")]
    assert {service.blobs[spec.script] for spec in made.specs[:6]} == {b"#!/usr/bin/env bash\necho $1\n"}
    assert {spec.shell for spec in made.specs} == {""}
    assert (made.specs[5].command, made.specs[7].script) == (("job.sh",), "")
    assert service.environment(made.specs[6])["PYTHONPATH"] == scripts.cwd
    assert "PYTHONPATH" not in service.environment(made.specs[0])
    assert builder.remarks == ["train.py: its #PBS lines are not read; give them as flags"]


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"command": ["nowhere.sh"], "script": True}, "nowhere.sh cannot be read"),
        ({"command": ["program"], "script": True}, "script: .*program is no script"),
        ({"command": "job.sh 1", "script": True}, "job.sh 1 cannot be read"),
        ({"command": ["job.sh"], "script": "job.sh"}, "script: true or false was expected, not 'job.sh'"),
        ({"command": ["job.sh"], "script": True, "shell": "sh"}, "shell: "),
        ({"script": True}, "command: "),
    ],
)
def test_what_is_no_script(scripts: Here, entry: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidSpec, match=told):
        bulk.submission(Builder(FakeService(), scripts), [entry], {})


HALF = "\ud800"


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ({"after": {"afterok": 1}}, "after: a text was expected"),
        ({"after": [["a"]]}, "after: a text was expected"),
        ({"after": [None]}, "after: a text was expected"),
        ({"name": HALF}, "name: "),
        ({"unique": HALF}, "unique: "),
        ({"unique": "a\nb"}, "unique: "),
        ({"unique": 5}, "unique: "),
        ({"command": ["x", HALF]}, "command: "),
        ({"env": {"A": HALF}}, "env: "),
        ({"env": {HALF: "a"}}, "env: "),
        ({"queue": HALF}, "queue: "),
        ({"workdir": "/" + HALF}, "workdir: "),
        ({"after": HALF}, "after: "),
        ({"setup": HALF}, "setup: "),
        ({HALF: 1}, "there is no such key"),
        ({"array": []}, "array: "),
        ({"array": [1, 1]}, "array: "),
        ({"array": [-1]}, "array: "),
        ({"array": ["x"]}, "array: "),
        ({"array": {}}, "array: "),
        ({"output": "%q"}, "output: .*there is no %q; use %j id, %a index, %A array, %x name"),
        ({"output": "100%"}, "output: .*there is no %;"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_a_value(entry: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidSpec, match=named):
        specs({"command": ["x"], **entry})


def test_percent_signs_of_an_output() -> None:
    assert specs({"command": "x", "output": "100%%-%x-%j-%a"})[0].output == "100%%-%x-%j-%a"


def test_names_and_keys_may_be_as_long_as_elsewhere() -> None:
    (spec,) = specs({"command": "x", "name": "n" * 255, "unique": "u" * 255})
    assert (spec.name, spec.unique) == ("n" * 255, "u" * 255)
    assert specs({"command": ["é"], "unique": "é" * 127})[0].unique == "é" * 127
    with pytest.raises(InvalidSpec, match="unique: longer than 255 bytes"):
        specs({"command": "x", "unique": "é" * 128})


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "a", "command": "x"}',
        '{\n  "name": "a",\n  "command": "x"\n}\n',
        "name: a\ncommand: x\n",
        "{name: a, command: x}",
        "---\nname: a\ncommand: x\n...\n",
    ],
)
def test_one_object_is_one_job(text: str) -> None:
    (spec,) = build(text).specs
    assert (spec.name, spec.command) == ("a", ("x",))


def test_several_documents_are_none() -> None:
    with pytest.raises(InvalidSpec, match="several YAML documents"):
        build("command: x\n---\ncommand: y\n")


def test_each_program_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[tuple[str, str, str]] = []

    def look(program: str, workdir: str, path: str, ground: Ground) -> str:
        looked.append((program, workdir, path))
        return f"no {program}"

    monkeypatch.setattr(build_module, "look_for_program", look)
    builder = Builder(FakeService(), HERE)
    entries = [{"command": [f"p{n % 3}", n]} for n in range(100)] + [{"command": ["later"], "after": 1}]
    bulk.submission(builder, [*entries, {"command": ["q"], "setup": "module load q"}, {"command": "r s"}], {})
    assert looked == [(f"p{n}", "/", os.defpath) for n in range(3)]
    assert builder.remarks == ["no p0", "no p1", "no p2"]
    bulk.submission(builder, [{"command": [f"x{n}"]} for n in range(100)], {})
    assert (len(builder.remarks), builder.remarks[-1]) == (20, "and more of this kind")

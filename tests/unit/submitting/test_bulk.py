"""Many jobs from a file: what it may say, what it costs, what is refused."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from runyard.api import QueueRow, Submission
from runyard.errors import InvalidSpec
from runyard.model.queue import Queue
from runyard.model.spec import Dependency, JobSpec, Resources
from runyard.submitting import bulk
from runyard.submitting.build import Builder
from runyard.submitting.fields import Here
from tests.unit.cli.fake import FakeService, row

HERE = Here({"HOME": "/h"}, "/", 1_700_000_000.0)


def build(text: str, common: dict[str, Any] | None = None, service: FakeService | None = None) -> Submission:
    return bulk.submission(Builder(service or FakeService(), HERE), bulk.parse(text), common or {})


def specs(*entries: dict[str, Any], **more: Any) -> tuple[JobSpec, ...]:
    return build(json.dumps(entries), **more).specs


YAML = """
# a sweep
- &base {name: a, command: [train.py, --lr, 1e-3], time: 1:30:00, gpus: 1}
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
    assert first.command == ("train.py", "--lr", "1e-3")
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
        ("just: an object", "a list"),
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

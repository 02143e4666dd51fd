"""Jobs that are changed by options: what is shown of a job means that job, and a change changes just that."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.errors import InvalidSpec
from runyard.model.checkpoint import Checkpoint
from runyard.model.spec import Dependency, GpuRequest, JobSpec, Resources, Retry, RetryVariable
from runyard.submitting.ground import Here
from runyard.submitting.keys import KEYS, differences, keys_for
from runyard.submitting.redraft import Redrafter, assignments
from runyard.submitting.sheet import MISTAKE, Part, Sheet, with_mistake
from tests.unit.cli.fake import ENVIRON, NOW, FakeService, row

SPEC = JobSpec(("python", "train.py"), name="train", workdir="/", user="ada")
COMMANDS = st.sampled_from(
    [
        SPEC,
        replace(SPEC, command=("a b", "c")),
        replace(SPEC, command=("\x7f", 'a"b\\n\n', "é\U0001f600")),
        replace(SPEC, command=("a && b",), shell="bash"),
        replace(SPEC, command=("a && b",), shell="zsh"),
    ]
)
SPECS = st.builds(
    replace,
    COMMANDS,
    params=st.sampled_from([(), (("lr", "0.1"), ("s", "a=b"))]),
    drift=st.sampled_from(["", "hold"]),
    name=st.sampled_from(["", "tr # é", 'a"b', "\\"]),
    note=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\n"), max_size=10).map(
        lambda text: " ".join(text.split())
    ),
    priority=st.integers(-5, 5),
    hold=st.booleans(),
    begin_at=st.sampled_from([None, 1_800_000_000.0]),
    time_limit_s=st.integers(400, 10**6).map(float),
    grace_s=st.integers(0, 86_400).map(float),
    resources=st.builds(
        Resources,
        st.integers(0, 9),
        st.integers(0, 10_000),
        st.sampled_from([GpuRequest(), GpuRequest(2, 0, "a100"), GpuRequest(1, 10_240), GpuRequest(2, 7, "", (0, 3))]),
    ),
    retry=st.builds(
        Retry,
        st.integers(0, 9),
        st.sampled_from([(), ("oom", "3")]),
        st.integers(0, 999).map(float),
        st.sampled_from([(), (RetryVariable("oom", "BATCH", "1=2"), RetryVariable("", "B", ""))]),
    ),
    checkpoint=st.sampled_from([Checkpoint(), Checkpoint(True, 10, 120.0, True, True, 7), Checkpoint(signal=12)]),
    after=st.sampled_from([(), (Dependency(3), Dependency(4, "afterany"))]),
    on_lost=st.sampled_from(["", "requeue"]),
    setup=st.sampled_from([(), ("module load x", "true")]),
    ports=st.sampled_from([None, 0, 3]),
    tty=st.booleans(),
    output=st.sampled_from(["", "%j.out"]),
    detach=st.booleans(),
)


def desk(service: FakeService | None = None) -> Redrafter:
    return Redrafter(service or FakeService().add(row(3), row(4)), Here(ENVIRON, "/", NOW))


def changed(spec: JobSpec, **options: Any) -> JobSpec:
    return desk().spec(spec, {name.replace("_", "-"): value for name, value in options.items()})


def sheet_of(spec: JobSpec, state: str = "pending") -> Sheet:
    return Sheet([Part(12, spec, "train, queued", keys_for(state))])


@given(SPECS)
def test_what_is_shown_of_a_job_means_that_job(spec: JobSpec) -> None:
    shown = {name: key.shown(spec) for name, key in KEYS.items() if name != "input"}
    assert desk().spec(spec, shown) == spec
    assert desk().spec(SPEC, shown) == replace(spec, user="ada", name=spec.name)
    assert differences(spec, desk().spec(spec, shown)) == []


@given(SPECS, SPECS)
def test_a_sheet_says_what_was_changed_and_nothing_else(before: JobSpec, after: JobSpec) -> None:
    sheet = sheet_of(before)
    assert sheet.changes(sheet.text) == {}
    told = sheet.changes(sheet_of(after).text).get(12, {})
    assert desk().spec(before, told) == after
    assert {name for name, key in KEYS.items() if key.shown(before) != key.shown(after)} == set(told)


def test_one_option_changes_one_thing() -> None:
    assert changed(SPEC, mem="2G") == replace(SPEC, resources=Resources(1, 2048))
    assert changed(replace(SPEC, resources=Resources(3)), mem_per_cpu="2G").resources == Resources(3, 6144)
    assert changed(replace(SPEC, drift="hold"), drift="").drift == ""
    assert changed(replace(SPEC, time_limit_s=9.0), time="none").time_limit_s is None
    assert changed(replace(SPEC, begin_at=9e9), begin="").begin_at is None
    assert changed(replace(SPEC, ports=2), ports="").ports is None
    assert changed(replace(SPEC, checkpoint=Checkpoint(signal=9), time_limit_s=99.0), signal="").checkpoint.signal == 0
    assert changed(replace(SPEC, retry=Retry(1, env=(RetryVariable("", "A", "b"),))), retries=4).retry.env


def test_a_text_is_for_the_shell_and_a_list_is_run_as_it_is() -> None:
    assert (changed(SPEC, command="a && b").shell, changed(SPEC, command=["a"]).shell) == ("bash", "")
    text = replace(SPEC, command=("x",), shell="zsh")
    assert changed(text, command="y").shell == "zsh"
    assert (changed(text, shell="sh").shell, changed(text, shell="").shell) == ("sh", "bash")
    assert changed(SPEC, command="y", shell="sh").shell == "sh"
    script = replace(SPEC, command=("job.sh", "1"), script="a" * 64)
    assert changed(script, command=["job.sh", "2"]).script == script.script
    assert changed(script, command=["other.sh"]).script == ""


def test_variables_are_set_and_the_others_stay() -> None:
    service = FakeService()
    old = service.put_blob(json.dumps({"KEPT": "1", "SEED": "2"}).encode())
    made = desk(service).spec(replace(SPEC, environment=old), {"env": ["SEED=7", "DQ_NAME=x"]})
    assert service.environment(made) == {"KEPT": "1", "SEED": "7", "DQ_NAME": "x"}
    assert made.public == (("DQ_NAME", "x"),)


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("tiem", "2h", "did you mean 'time'"),
        ("user", "bob", "cannot be changed"),
        ("array", "1-3", "cannot be changed: its jobs are there already"),
        ("shell", "zsh", "a shell runs one text"),
        ("mem", "lots", "is no amount of memory"),
        ("workdir", "/nowhere/at/all", "there is no directory"),
        ("queue", "nowhere", "there is no queue"),
        ("command", [], "there is nothing to run"),
        ("command", [True], "a list of texts"),
        ("signal", "USR1@60", "needs one: give --time"),
        ("retries", -1, "a number from 0"),
    ],
)
def test_what_is_wrong_is_named(option: str, value: Any, why: str) -> None:
    with pytest.raises(InvalidSpec, match=why) as refused:
        desk().spec(SPEC, {option: value})
    assert refused.value.field


def test_sets_of_one_name_come_together_where_they_may() -> None:
    told = assignments(["env=A=1", "env=B=2", "time=2h", "time=3h", "setup=", 'command=["a", "b c"]'])
    assert told == {"env": ["A=1", "B=2"], "time": "3h", "setup": [], "command": ["a", "b c"]}
    for wrong in ("time", "=2h", "command=[1"):
        with pytest.raises(InvalidSpec):
            assignments([wrong])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[12]\nname = ", "this is not TOML"),
        ("[13]\nname = 'x'", "none of these jobs: 12"),
        ("name = 'x'", "none of these jobs"),
        ("[12]\nnaem = 'x'", "did you mean 'name'"),
    ],
)
def test_what_cannot_be_read_on_a_sheet_is_said(text: str, why: str) -> None:
    with pytest.raises(InvalidSpec, match=why):
        sheet_of(SPEC).changes(text)


def test_a_job_that_runs_shows_what_can_still_change() -> None:
    text = sheet_of(SPEC, "running").text
    assert "time = " in text and "command" not in text
    assert "time" not in sheet_of(SPEC, "done").text


def test_moments_and_what_toml_cannot_hold() -> None:
    sheet = sheet_of(replace(SPEC, name="tr\udce9s"))
    assert "# name holds bytes" in sheet.text
    assert sheet.changes("[12]\nbegin = 2030-01-02T03:04:05") == {12: {"begin": "2030-01-02T03:04:05"}}


def test_a_mistake_is_said_once() -> None:
    once = with_mistake("[12]\n", "one\ntwo")
    assert once == f"{MISTAKE}one\n{MISTAKE}two\n[12]\n"
    assert with_mistake(once, "three") == f"{MISTAKE}three\n[12]\n"
    assert with_mistake(once, "") == "[12]\n"

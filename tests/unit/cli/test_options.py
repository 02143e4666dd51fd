"""Every option of a job is known wherever jobs are submitted, shown and changed."""

from __future__ import annotations

import sys
from dataclasses import replace

import click
import pytest

import runyard
from runyard.api import JobDetail, QueueRow
from runyard.cli.job_options import JOB_OPTIONS
from runyard.model.code import WORK_TREE
from runyard.model.queue import Queue
from runyard.model.spec import JobSpec
from runyard.submitting.job_options import DEFAULTABLE, MANY, OPTIONS
from tests.unit.cli.fake import Cli, FakeService, row

OTHER_FLAGS = {"gres": "gpus", "commit": "snapshot"}
"""Flags that say an option in another way."""

SAMPLES = {
    "name": "train", "note": "a try", "workdir": "/tmp", "queue": "night", "priority": "5", "gpus": "2:a100",
    "cpus": "3", "mem": "2G", "mem-per-cpu": "7G", "time": "2h", "grace": "30s", "after": "1", "array": "0-3",
    "hold": "true", "begin": "2027-01-02T03:04:05", "retries": "3", "retry-on": "oom", "backoff": "1m",
    "retry-env": "oom:BATCH=16", "on-lost": "requeue", "unique": "key", "param": "lr=0.1", "setup": "umask 7",
    "venv": sys.prefix, "conda": "base", "shell": "zsh", "output": "%j.out", "input": "/dev/zero", "detach": "true",
    "tty": "true", "ports": "2", "signal": "USR1@30s", "checkpoint-dir": "true", "requeue-on-checkpoint": "true",
    "checkpoint-tries": "9", "notify": "slack", "slurm-env": "true", "snapshot": "true", "drift": "hold",
    "env": "SEED=7", "env-file": "/dev/null", "clean-env": "true",
}  # fmt: skip

NOT_OF_ONE_SPEC = {
    "array": "each of its jobs has its index",
    "hold": "the state says it",
    "env": "only the names of variables are shown",
    "env-file": "only the names of variables are shown",
    "clean-env": "only the names of variables are shown",
    "venv": "it becomes lines of setup",
    "conda": "it becomes lines of setup",
    "mem-per-cpu": "it becomes an amount of memory",
}
"""Options of which a spec keeps nothing by itself, and what tells of them."""

PLAIN = JobSpec(("a && b",), shell="bash", time_limit_s=60.0)


def cli_with(spec: JobSpec) -> Cli:
    service = FakeService().add(row(1, name=spec.label, note=spec.note, workdir=spec.workdir))
    service.queue_rows["night"] = QueueRow(Queue("night"))
    service.details[1] = JobDetail(service.rows[1], spec, (), ())
    return Cli(service)


def changed(name: str) -> JobSpec:
    """The job with the sample of this option, by `edit`."""
    cli = cli_with(PLAIN)
    cli.ok("edit", "1", "--set", f"{name}={SAMPLES[name]}")
    (draft,) = cli.service.edits
    return draft.spec


def test_flags_options_and_types_are_the_same() -> None:
    command = click.Command("x", params=[])
    for option in JOB_OPTIONS:
        option(command)
    flags = {(one.name or "").replace("_", "-"): one for one in command.params if isinstance(one, click.Option)}
    assert {*flags} == {*OPTIONS, *OTHER_FLAGS}
    assert {name for name, one in flags.items() if one.multiple} == MANY
    assert {*SAMPLES} == {*OPTIONS}
    of_python = {name.replace("_", "-") for name in runyard.JobOptions.__annotations__}
    assert of_python == {*OPTIONS, "script"}, "`script` is no flag: there a script is known by itself"
    assert "time" in DEFAULTABLE and "name" not in DEFAULTABLE


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_can_be_changed_or_it_is_said_why_not(name: str) -> None:
    if not OPTIONS[name].fixed:
        assert changed(name) != PLAIN
        return
    refused = cli_with(PLAIN)("edit", "1", "--set", f"{name}={SAMPLES[name]}")
    assert refused.exit_code == 2
    assert f"{name}: cannot be changed: {OPTIONS[name].fixed}" in refused.stderr


@pytest.mark.parametrize("name", [name for name in OPTIONS if name not in NOT_OF_ONE_SPEC])
def test_an_option_is_shown(name: str) -> None:
    assert OPTIONS[name].at, "it is part of a spec"
    wanted = replace(PLAIN, snapshot=WORK_TREE) if OPTIONS[name].fixed else changed(name)
    assert cli_with(wanted).ok("show", "1") != cli_with(PLAIN).ok("show", "1")

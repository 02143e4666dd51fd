"""Jobs with other values of their parameters: the command and what options say of them are made again."""

from __future__ import annotations

from typing import Any

import pytest

from runyard.errors import InvalidSpec
from runyard.model.group import SWEEP, Group, GroupRow, Sweep
from runyard.model.record import changed
from runyard.model.spec import JobSpec
from runyard.model.template import Template
from runyard.submitting import templating
from runyard.submitting.build import Builder
from runyard.submitting.ground import Here
from runyard.submitting.parameters import parse
from runyard.submitting.redraft import Redrafter
from tests.unit.cli.fake import ENVIRON, NOW, FakeService, row

HERE = Here(ENVIRON, "/", NOW)
TRAIN = Template(
    "train",
    ("python", "train.py"),
    parameters=tuple(map(parse, ("lr:float(0,9)=0.1", "opt:choice(adam,sgd)=adam", "out=runs/{n:03d}", "log={opt}/x"))),
    options={"name": ("{opt}-{n:03d}",), "env": ("LR={lr}", "RUN={n}"), "note": ("kept",)},
)


def yard(*templates: Template) -> FakeService:
    service = FakeService()
    for one in templates:
        service.save_template(one)
    return service


def made(service: FakeService, template: Template = TRAIN, **values: str) -> JobSpec:
    return templating.submission(Builder(service, HERE), template, values).specs[0]


def again(service: FakeService, spec: JobSpec, job_id: int = 0, **options: Any) -> JobSpec:
    return Redrafter(service, HERE).spec(spec, options, job_id)


def test_another_value_is_another_command() -> None:
    service = yard(TRAIN)
    job = made(service, lr="0.5")
    words = "--opt sgd --out runs/001 --log sgd/x"
    other = again(service, changed(job, note="mine"), lr=3, opt="sgd", time="2h")
    assert other.command == ("python", "train.py", *words.split())
    assert dict(other.params) == {"lr": "3", "opt": "sgd", "out": "runs/001", "log": "sgd/x"}
    assert (other.name, other.note, other.time_limit_s) == ("sgd-001", "mine", 7200)
    assert (service.environment(other)["LR"], service.environment(other)["RUN"]) == ("3", "1")
    assert again(service, job, lr="0.5") == job


def test_what_follows_from_a_value_follows_and_what_was_given_stays() -> None:
    service = yard(TRAIN)
    assert dict(again(service, made(service), opt="sgd").params)["log"] == "sgd/x"
    assert dict(again(service, made(service, log="here"), opt="sgd").params)["log"] == "here"
    assert again(service, made(service), out="best-{lr}-{n}").command[5] == "best-0.1-3"


def test_a_parameter_called_as_an_option_is_named_in_full() -> None:
    template = changed(TRAIN, parameters=(parse("time=9"),), options={})
    service = yard(template)
    other = Redrafter(service, HERE).spec(made(service, template), {"param:time": "7", "time": "1h"})
    assert (other.command[2:], other.time_limit_s) == (("--time", "7"), 3600)


def test_a_text_for_a_shell() -> None:
    template = Template("t", ("echo {a} {n} | cat",), shell=True, parameters=(parse("a"),))
    service = yard(template)
    assert again(service, made(service, template, a="x"), a="it's").command == ("echo 'it'\"'\"'s' 1 | cat",)


def test_a_cell_goes_by_what_its_sweep_keeps() -> None:
    template = Template("", ("test", "{i}"), parameters=(parse("i"),))
    service = yard()
    service.add(row(7, group=3))
    service.group_rows = [GroupRow(Group(3, SWEEP, "s", "ada", 1, sweep=Sweep(template)), {}, 0, 1, "", 7, 7)]
    job = made(service, template, i="1")
    assert again(service, job, 7, i=2).command == ("test", "2")
    with pytest.raises(InvalidSpec, match="i: the job was made of no template; set `command` and `param`"):
        again(service, job, i=2)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"lr": "fast"}, "lr: a number was expected, not 'fast'"),
        ({"lr": 10}, "lr: at most 9, not 10"),
        ({"opf": "sgd"}, "did you mean 'opt'"),
        ({"tiem": "2h"}, "did you mean 'time'"),
        ({"lr": ("1", {})}, "is no value of a parameter"),
    ],
)
def test_it_is_checked_as_create_checks_it(options: dict[str, Any], why: str) -> None:
    service = yard(TRAIN)
    with pytest.raises(InvalidSpec, match=why):
        again(service, made(service), **options)


def test_a_template_that_is_gone_or_another_by_now_is_said() -> None:
    job = made(yard(TRAIN))
    with pytest.raises(InvalidSpec, match="lr: template 'train' is gone; set `command` and `param` themselves"):
        again(yard(), job, lr=3)
    with pytest.raises(InvalidSpec, match="lr: template 'train' does not make the job's command"):
        again(yard(changed(TRAIN, command=("python", "new.py"))), job, lr=3)
    with pytest.raises(InvalidSpec, match="does not make the job's command"):
        again(yard(TRAIN), changed(job, command=("python", "mine.py")), lr=3)


def test_a_number_that_nobody_knows_any_more_is_asked_for() -> None:
    service = yard(TRAIN)
    job = changed(made(service, out="here"), name="mine")
    with pytest.raises(InvalidSpec, match="the number of its run is not known; set name as well"):
        again(service, job, opt="sgd")
    with pytest.raises(InvalidSpec, match="the number of its run is not known; set out as well"):
        again(service, job, out="runs/{n}")
    assert again(service, job, opt="sgd", name="second").name == "second"

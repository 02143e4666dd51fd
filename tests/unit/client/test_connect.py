"""`runyard.connect`: from a call in Python to what is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

import runyard
from runyard.model.spec import Retry
from runyard.model.template import Template
from runyard.wiring import python
from tests.unit.cli.fake import FakeService


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeService:
    fake = FakeService()
    monkeypatch.setattr(python, "connect_service", lambda settings: fake)
    monkeypatch.chdir(tmp_path)
    return fake


def test_the_home_is_the_one_that_was_named(service: FakeService, tmp_path: Path) -> None:
    assert repr(runyard.connect(str(tmp_path))) == f"<Yard {str(tmp_path)!r}>"


def test_options_are_the_flags_with_another_line(service: FakeService, tmp_path: Path) -> None:
    yard = runyard.connect(str(tmp_path))
    yard.submit(["true", tmp_path], workdir=tmp_path, retries=1, retry_on=["oom", 3], on_lost="end", clean_env=True)
    spec = service.spec
    assert (spec.command, spec.shell, spec.workdir) == (("true", str(tmp_path)), "", str(tmp_path))
    assert (spec.retry, spec.on_lost) == (Retry(1, ("oom", "3")), "end")


def test_a_script_is_copied_if_it_is_said_to_be_one(service: FakeService, tmp_path: Path) -> None:
    (tmp_path / "job.sh").write_text("#!/bin/sh\n")
    (tmp_path / "job.sh").chmod(0o755)
    yard = runyard.connect(str(tmp_path))
    yard.submit(["./job.sh", 1], script=True)
    assert service.blobs[service.spec.script] == b"#!/bin/sh\n"
    yard.submit(["./job.sh", 1])
    assert service.spec.script == ""
    yard.submit("./job.sh 1")
    assert (service.spec.script, service.spec.shell) == ("", "bash")


def test_remarks_are_warnings_at_the_line_that_submits(service: FakeService, tmp_path: Path) -> None:
    yard = runyard.connect(str(tmp_path))
    service.template_list["t"] = Template("t", ("no-such-program",))
    service.remarks = ("and so says the server",)
    for submit in (
        lambda: yard.submit(["no-such-program"]),
        lambda: yard.submit_all(["no-such-program"]),
        lambda: yard.create("t"),
        lambda: yard.sweep("s", {"a": [1]}, ["no-such-program"]),
    ):
        with pytest.warns(UserWarning) as told:
            submit()
        assert [str(one.message)[:20] for one in told] == ["there is no program ", "and so says the serv"]
        assert {one.filename for one in told} == {__file__}
    with pytest.warns(UserWarning, match="and so says the server") as told:
        yard.job(1).copy()
    assert told[0].filename == __file__

"""The public Python API over a service that answers from lists."""

from __future__ import annotations

from typing import Any

import pytest

from runyard.api import Chunk
from runyard.client.handle import Job, Yard
from runyard.errors import Conflict, InvalidSpec
from runyard.model.editing import MoveCall, RetryCall
from runyard.model.spec import ArraySpec
from runyard.submitting.ground import Here
from runyard.submitting.maker import Maker
from tests.unit.cli.fake import FakeService, ended, row, running

HERE = Here({"HOME": "/h", "PATH": "/usr/bin:/bin"}, "/", 1_700_000_000.0)


def yard_of(service: FakeService) -> Yard:
    return Yard(service, Maker(service, lambda: HERE), "/home/ada/.runyard")


def test_a_yard_says_which_it_is() -> None:
    assert repr(yard_of(FakeService())) == "<Yard '/home/ada/.runyard'>"
    assert repr(Job(yard_of(FakeService()), 7)) == "<Job 7>"


def test_numbers_and_jobs_are_taken_as_they_are() -> None:
    service = FakeService().add(row(1), row(2))
    yard = yard_of(service)
    job = yard.submit(("train.py", "--lr", 0.1, "--epochs", 5), after=[yard.job(1), 2], cpus=2)
    assert (job.id, service.spec.command) == (3, ("train.py", "--lr", "0.1", "--epochs", "5"))
    assert [wanted.job_id for wanted in service.spec.after] == [1, 2]
    yard.submit("true", after=job)
    assert (service.spec.shell, [wanted.job_id for wanted in service.spec.after]) == ("bash", [3])


def test_a_job_is_changed_by_the_options_of_submit() -> None:
    service = FakeService().add(row(1), ended(2, "failed", 1))
    yard = yard_of(service)
    assert yard.job(1).edit(["sleep", 5], time="2h", on_lost="requeue", note="x").changed == (1,)
    (draft,) = service.edits
    assert (draft.spec.command, draft.spec.time_limit_s, draft.spec.on_lost) == (("sleep", "5"), 7200.0, "requeue")
    assert draft.version == 1
    yard.job(1).move("after", yard.job(2))
    yard.job(1).move("last")
    assert service.moves == [MoveCall((1,), "after", 2), MoveCall((1,), "last")]
    yard.job(2).retry()
    yard.job(2).retry(resume=True, mem="1G")
    assert service.retries[0] == RetryCall((2,))
    assert service.retries[1].resume and service.retries[1].drafts[0].spec.resources.memory_mb == 1024
    assert yard.job(2).copy(name="again").id == 3 and service.spec.name == "again"
    assert yard.job(2).remove().changed == (2,)
    with pytest.raises(InvalidSpec, match="is no time span"):
        yard.job(1).edit(time="soon")


@pytest.mark.parametrize("command", [None, [], (), "", [""], 5, {"a": 1}, b"true", [b"true"], ["x", None], ["x", True]])
def test_what_is_no_command(command: Any) -> None:
    service = FakeService()
    with pytest.raises(InvalidSpec) as refused:
        yard_of(service).submit(command)
    assert refused.value.field == "command" and not service.submissions


@pytest.mark.parametrize(
    ("array", "indices"),
    [(range(3), (0, 1, 2)), ([1, 2], (1, 2)), ((5,), (5,)), ("3-4%1", (3, 4)), (7, (7,))],
)
def test_an_array_is_several_jobs(array: Any, indices: tuple[int, ...]) -> None:
    service = FakeService()
    yard = yard_of(service)
    with pytest.raises(InvalidSpec, match=r"array: .*submit_all"):
        yard.submit("true", array=array)
    assert not service.submissions
    assert [job.id for job in yard.submit_all("true", array=array)] == list(range(1, len(indices) + 1))
    (made,) = service.submissions[-1].arrays.values()
    assert made == ArraySpec(indices, made.parallel)


def test_a_wrong_option_is_named() -> None:
    with pytest.raises(InvalidSpec, match="did you mean 'gpus'"):
        yard_of(FakeService()).submit("true", gpu=1)  # type: ignore[call-arg]


def test_logs_are_those_of_one_attempt() -> None:
    """Also when the next one begins while they are read."""
    piece = b"x" * (1024 * 1024)
    service = FakeService(outputs={(1, 1): piece + b"first", (1, 2): b"y" * len(piece) + b"second"})
    service.add(running(1))
    read = service.output

    def output(job_id: int, number: int, offset: int, length: int) -> Chunk:
        chunk = read(job_id, number, offset, length)
        service.add(running(1, attempt=2))
        return chunk

    service.output = output  # type: ignore[method-assign]
    assert Job(yard_of(service), 1).logs() == piece + b"first"
    assert Job(yard_of(service), 1).logs() == b"y" * len(piece) + b"second"
    assert Job(yard_of(service), 1).logs(1) == piece + b"first"


def test_logs_of_a_job_that_has_not_started() -> None:
    with pytest.raises(Conflict, match="not started"):
        Job(yard_of(FakeService().add(row(1))), 1).logs()


def retried() -> FakeService:
    """A job that starts, fails, waits, and succeeds at the second try."""
    service = FakeService(outputs={(1, 1): b"one\n", (1, 2): b"two\n"}).add(row(1))

    def more() -> None:
        service.outputs[1, 1] += b"more\n"

    service.story = [
        lambda: service.add(running(1)),
        more,
        lambda: service.add(row(1, attempt=1, reason="attempt 1 ended failed")),
        lambda: service.add(running(1, attempt=2)),
        lambda: service.add(ended(1, attempt=2)),
    ]
    return service


def test_following_goes_on_over_retries() -> None:
    service = retried()
    assert b"".join(Job(yard_of(service), 1).follow()) == b"one\nmore\ntwo\n"
    assert not service.story


def test_following_one_attempt_ends_with_it() -> None:
    service = retried()
    assert b"".join(Job(yard_of(service), 1).follow(1)) == b"one\nmore\n"
    assert len(service.story) == 2, "the next attempt is not waited for"
    service = retried()
    assert b"".join(Job(yard_of(service), 1).follow(2)) == b"two\n"


def test_following_begins_with_the_present_attempt() -> None:
    service = FakeService(outputs={(1, 1): b"one\n", (1, 2): b"two\n"}).add(ended(1, attempt=2))
    assert b"".join(Job(yard_of(service), 1).follow()) == b"two\n"
    assert b"".join(Job(yard_of(service), 1).follow(1)) == b"one\n"
    assert b"".join(Job(yard_of(service), 1).follow(3)) == b""


def test_following_what_is_cancelled_before_it_starts() -> None:
    service = FakeService().add(row(1))
    service.story = [lambda: service.add(ended(1, "cancelled", None, attempt=0))]
    assert list(Job(yard_of(service), 1).follow()) == []

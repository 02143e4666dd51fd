"""What is done before a start, aside of the agent's loop: one that hangs or fails holds up nobody else's."""

from __future__ import annotations

import hashlib
import json
import select
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runyard.agent.prepare import Prepared, Preparer
from runyard.agent.starting import Ready
from runyard.errors import Conflict
from runyard.foreign.installed import listing
from runyard.model.attempt import AttemptKey
from runyard.model.beat import Order, Terms
from runyard.model.code import Code, Part
from runyard.model.drift import Installed
from runyard.model.record import changed

PATIENCE_MS = 20_000


def ready(job: int, code: str = "", environment: str = "", **more: object) -> Ready:
    frozen = Code("/work", key=code, frozen=(Part("", "/work", "0" * 40),)) if code else None
    order = Order(AttemptKey(job, 1, "token"), ("true",), "/", code=frozen)
    return Ready(changed(order, **more), environment, "")


@contextmanager
def preparing(lay_out: Callable[[Code], str]) -> Iterator[Preparer]:
    preparer = Preparer(lay_out)
    yield preparer
    preparer.close()


def prepared(preparer: Preparer, count: int = 1) -> dict[int, Prepared]:
    """What has become of so many."""
    poll = select.poll()
    poll.register(preparer.fileno(), select.POLLIN)
    found: dict[int, Prepared] = {}
    while len(found) < count:
        assert poll.poll(PATIENCE_MS), f"nothing comes; so far: {found}"
        found |= {one.ready.order.key.job_id: one for one in preparer.take()}
    assert not poll.poll(0), "nothing is left to take"
    return found


def broken(code: Code) -> str:
    raise {"known": Conflict("its repository is gone"), "unknown": KeyError("strange")}[code.key]


def test_whatever_is_wrong_with_one_the_next_one_is_prepared(tmp_path: Path) -> None:
    with preparing(lambda code: broken(code) if code.key in ("known", "unknown") else str(tmp_path)) as preparer:
        for job, code in enumerate(("known", "unknown", "good"), 1):
            preparer.ask(ready(job, code))
        found = prepared(preparer, 3)
    assert found[1].why == "its frozen code cannot be had: its repository is gone"
    assert found[2].why == "it cannot be prepared: KeyError: 'strange'"
    assert found[3].why == "" and dict(found[3].ready.order.variables)["RUNYARD_CODE"] == str(tmp_path)


@pytest.mark.parametrize("text", ["[]", "null", '{"PYTHONPATH": 7}', "[" * 100_000, "{"])
def test_an_environment_that_is_none_is_the_reason(tmp_path: Path, text: str) -> None:
    environment = tmp_path / "environment"
    environment.write_text(text)
    good = tmp_path / "good"
    good.write_text(json.dumps({"PYTHONPATH": "/work/src"}))
    with preparing(lambda code: str(tmp_path)) as preparer:
        preparer.ask(ready(1, "same", str(environment)))
        preparer.ask(ready(2, "same", str(good)))
        found = prepared(preparer, 2)
    assert found[1].why.startswith("it cannot be moved into its frozen code: the environment cannot be read: ")
    assert dict(found[2].ready.order.variables)["PYTHONPATH"] == f"{tmp_path}/src"


def test_what_cannot_be_compared_is_not_said_of_the_code(tmp_path: Path) -> None:
    python = Installed(sys.executable, hashlib.sha256(b"another").hexdigest())
    with preparing(lambda code: str(tmp_path)) as preparer:
        preparer.ask(ready(1, "good", python=python)._replace(listing=str(tmp_path / "gone")))
        why = prepared(preparer)[1].why
    assert why.startswith("its Python environment cannot be compared with that of its submit: ")
    assert "gone" in why and "code" not in why


def test_one_that_hangs_holds_up_those_alone_that_need_the_same(tmp_path: Path) -> None:
    go_on = threading.Event()
    begun: list[str] = []

    def lay_out(code: Code) -> str:
        begun.append(code.key)
        assert code.key == "quick" or go_on.wait(PATIENCE_MS / 1000)
        return str(tmp_path)

    with preparing(lay_out) as preparer:
        for job in range(1, 20):
            preparer.ask(ready(job, "slow"))
        preparer.ask(ready(20, "quick"))
        installed = Installed(sys.executable, hashlib.sha256(listing(sys.executable).encode()).hexdigest())
        preparer.ask(ready(21, python=installed))
        assert set(prepared(preparer, 2)) == {20, 21}
        assert begun.count("slow") == 1
        assert preparer.drop(AttemptKey(2, 1, "token"))
        go_on.set()
        assert set(prepared(preparer, 18)) == {1, *range(3, 20)}
    assert begun.count("slow") == 18, "what nobody wants any more is not prepared"


def test_a_new_time_limit_counts_for_what_is_being_prepared(tmp_path: Path) -> None:
    go_on = threading.Event()

    def lay_out(code: Code) -> str:
        go_on.wait(PATIENCE_MS / 1000)
        return str(tmp_path)

    with preparing(lay_out) as preparer:
        preparer.ask(ready(1, "code", time_limit_s=60.0))
        assert preparer.adjust(Terms(AttemptKey(1, 1, "token"), 120.0))
        assert not preparer.adjust(Terms(AttemptKey(2, 1, "token"), 120.0))
        go_on.set()
        assert prepared(preparer)[1].ready.order.time_limit_s == 120.0

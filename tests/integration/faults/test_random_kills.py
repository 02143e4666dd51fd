"""Server, agent, zygote and runners killed at random under load; then the history has to hold.

A client goes on submitting, with a fresh key for each submission and the same one as long as it gets no answer; another
one stops jobs now and then. Two GPUs (a fake library) are given to one job at a time each.
"""

from __future__ import annotations

import queue
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from runyard.api import StopCall, Submission
from runyard.errors import RunyardError, Unavailable
from runyard.model.spec import ArraySpec, Dependency, GpuRequest, JobSpec, Resources, Retry
from tests.fakes import nvml
from tests.harness import processes
from tests.harness.history import History
from tests.harness.yard import Yard
from tests.integration.faults.conftest import random_kills

SUBMISSIONS_PER_KILL = 2
VICTIMS = {"ry-server": 14, "ry-agent": 3, "ry-zygote": 2, "ry-runner": 1}
"""Whom, and how often of twenty."""

PAUSE_S = 0.2
"""A kill comes this long after the one before, or sooner."""

A_GPU = Resources(cpus=0, gpus=GpuRequest(1))


class Client(threading.Thread):
    """Submits whenever it is asked to, until it has an answer."""

    def __init__(self, yard: Yard, history: History, seed: int) -> None:
        super().__init__(name="client", daemon=True)
        self.yard = yard
        self.history = history
        self.wishes: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self.failure: BaseException | None = None
        self._chance = random.Random(seed)
        self._number = 0

    def run(self) -> None:
        service = self.yard.connect()
        try:
            while self.wishes.get():
                self._number += 1
                submission = self._submission()
                ids: tuple[int, ...] = ()
                while not ids:
                    try:
                        ids = service.submit(submission).ids
                    except Unavailable:
                        service = self.yard.connect()
                self.history.accepted.update(ids)
                if self._chance.random() < 0.1:
                    self._regret(self._chance.choice(ids))
        except BaseException as failure:  # noqa: BLE001  # the test tells it
            self.failure = failure

    def finish(self) -> None:
        """Once it has its last answer."""
        self.wishes.put(False)
        self.join(processes.PATIENCE_S)
        assert not self.is_alive() and self.failure is None, self.failure

    def _regret(self, job: int) -> None:
        """A wish that may be lost with its server."""
        with suppress(RunyardError):
            self.yard.connect().stop(StopCall((job,)))

    def _submission(self) -> Submission:
        key = f"random-{self._number:06d}"
        kind = self._chance.choice(("one", "fails", "long", "gpu", "gpu", "chain", "array"))
        if kind == "fails":
            return Submission((self._job("exit 3", retry=Retry(1)),), key)
        if kind == "long":
            return Submission((self._job("sleep 0.3", on_lost="requeue"),), key)
        if kind == "gpu":
            return Submission((self._job("sleep 0.05", resources=A_GPU),), key)
        if kind == "chain":
            second = self._job("true", after=(Dependency(-1, "afterany"),))
            return Submission((self._job("true"), second), key)
        arrays = {1: ArraySpec((1, 2, 3), parallel=2)} if kind == "array" else {}
        return Submission((self._job("true"),), key, arrays)

    def _job(self, text: str, **fields: object) -> JobSpec:
        return self.yard.sh(self.history.recording(text), **fields)


@pytest.fixture
def gpu_yard(make_yard: Callable[..., Yard], tmp_path: Path) -> Yard:
    """A yard with two GPUs, where a library can be built; its server runs."""
    yard = make_yard()
    if not nvml.available():
        pytest.skip("no C compiler for a fake NVML library")
    state = tmp_path / "gpus"
    nvml.write(state, [nvml.Gpu("A100"), nvml.Gpu("A100")])
    yard.environ |= nvml.use(nvml.build(tmp_path / "library"), state) | {"RUNYARD_KEEP_ENV": "FAKE_NVML"}
    yard.start()
    yard.until("two GPUs", lambda: any(len(host.devices) == 2 for host in yard.service.hosts()))
    return yard


@pytest.mark.timeout(600)
def test_random_kills(gpu_yard: Yard) -> None:
    yard, history, chance = gpu_yard, History(gpu_yard), random.Random(random_kills())
    client = Client(yard, history, seed=random_kills())
    client.start()
    for victim in chance.choices(list(VICTIMS), list(VICTIMS.values()), k=random_kills()):
        for _ in range(SUBMISSIONS_PER_KILL):
            client.wishes.put(True)
        assert not processes.ended(yard.server, chance.random() * PAUSE_S), "the server has ended by itself"
        if victim == "ry-server":
            yard.restart()
        else:
            for pid in yard.named(victim)[:1]:
                processes.kill(pid)
    client.finish()
    yard.done(*history.accepted, timeout_s=120)
    words = history.check()
    assert words["succeeded"] > sum(words.values()) / 2
    for name in ("server", "agent", "zygote"):
        assert "Traceback" not in yard.log(name), yard.log(name)

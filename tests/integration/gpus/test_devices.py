"""Devices through the real binding, on a library that says what a test writes into a file."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runyard.agent import gpus as module
from runyard.model.attempt import AttemptKey
from runyard.model.host import Device, DeviceProcess
from runyard.runtime import runfile
from runyard.runtime.rundir import RunDirs
from tests.fakes import nvml
from tests.fakes.nvml import Gpu

LOOKING = """
import dataclasses, json, sys
from runyard.agent.gpus import AttemptOwner, Gpus
from runyard.runtime.rundir import RunDirs
gpus = Gpus(AttemptOwner(RunDirs(sys.argv[1], "host")), look_max_s=float(sys.argv[2]), init_max_s=float(sys.argv[2]))
for line in sys.stdin:
    devices = [dataclasses.asdict(device) for device in gpus.look()]
    print(json.dumps([devices, gpus.problem]), flush=True)
"""

A = "GPU-aaaaaaaa-0000-0000-0000-000000000000"
B = "GPU-bbbbbbbb-0000-0000-0000-000000000000"


class Watcher:
    """A process that has loaded the fake library and looks when it is told to."""

    def __init__(self, state: Path, runs: Path, environment: dict[str, str]) -> None:
        self.state = state
        self.runs = runs
        self._environment = {**os.environ, **environment}
        self._processes: list[subprocess.Popen[bytes]] = []
        self.problem = ""

    def begin(self, look_max_s: float) -> None:
        argv = [sys.executable, "-c", LOOKING, str(self.runs), str(look_max_s)]
        pipe = subprocess.PIPE
        self._processes.append(subprocess.Popen(argv, stdin=pipe, stdout=pipe, env=self._environment))

    def look(self) -> list[Device]:
        if not self._processes:
            self.begin(60)
        asked, told = self._processes[-1].stdin, self._processes[-1].stdout
        assert asked is not None and told is not None
        asked.write(b"\n")
        asked.flush()
        devices, self.problem = json.loads(told.readline())
        return [_device(device) for device in devices]

    def end(self) -> None:
        for process in self._processes:
            with process:
                process.kill()


def _device(values: dict[str, Any]) -> Device:
    processes = tuple(DeviceProcess(**process) for process in values.pop("processes"))
    return Device(**values, processes=processes)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    if not nvml.available():
        pytest.skip("no C compiler (install gcc)")
    return nvml.build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def watcher(library: str, tmp_path: Path) -> Iterator[Watcher]:
    state = tmp_path / "state"
    watcher = Watcher(state, tmp_path / "runs", nvml.use(library, state))
    yield watcher
    nvml.write(state, [])  # whoever hangs goes on
    watcher.end()


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


class TestDevices:
    def test_what_is_seen(self, watcher: Watcher) -> None:
        gpu = Gpu("NVIDIA A100-SXM4-80GB", A, total_mb=81_920, used_mb=3, utilization=7)
        nvml.write(watcher.state, [gpu])
        assert watcher.look() == [Device(A, 0, "NVIDIA A100-SXM4-80GB", 81_920, 3, 7)]
        assert watcher.problem == ""

    def test_order_is_by_uuid(self, watcher: Watcher) -> None:
        nvml.write(watcher.state, [Gpu("second", B), Gpu("first", A)])
        assert [(device.index, device.model) for device in watcher.look()] == [(0, "first"), (1, "second")]
        nvml.write(watcher.state, [Gpu("first", A), Gpu("second", B)])
        assert [(device.index, device.model) for device in watcher.look()] == [(0, "first"), (1, "second")]

    def test_it_changes_while_it_is_watched(self, watcher: Watcher) -> None:
        nvml.write(watcher.state, [Gpu(uuid=A, used_mb=1, utilization=0)])
        watcher.look()
        nvml.write(watcher.state, [Gpu(uuid=A, used_mb=9000, utilization=100), Gpu(uuid=B)])
        first, second = watcher.look()
        assert (first.used_mb, first.utilization, second.uuid) == (9000, 100, B)
        assert nvml.inits(watcher.state) == 1

    def test_what_a_model_does_not_know(self, watcher: Watcher) -> None:
        nvml.write(watcher.state, [Gpu(uuid=A, utilization=-1, mig=-1)])
        (device,) = watcher.look()
        assert (device.utilization, device.fault) == (None, "")

    def test_mig_is_shown_and_not_used(self, watcher: Watcher) -> None:
        nvml.write(watcher.state, [Gpu(uuid=A, mig=1), Gpu(uuid=B)])
        watcher.look()
        assert [device.fault for device in watcher.look()] == ["MIG is on", ""]
        assert nvml.inits(watcher.state) == 1

    def test_many_devices(self, watcher: Watcher) -> None:
        nvml.write(watcher.state, [Gpu() for _ in range(16)])
        assert [device.index for device in watcher.look()] == list(range(16))


class TestProcesses:
    def test_a_foreign_one(self, watcher: Watcher, sleeper: subprocess.Popen[bytes]) -> None:
        nvml.write(watcher.state, [Gpu(uuid=A, compute=((sleeper.pid, 3000),))])
        (device,) = watcher.look()
        (found,) = device.processes
        assert (found.pid, found.memory_mb, found.attempt) == (sleeper.pid, 3000, "")
        assert (found.user, found.command) == (_user(), "sleep 1000")

    def test_one_that_computes_and_draws_counts_once(self, watcher: Watcher) -> None:
        nvml.write(watcher.state, [Gpu(uuid=A, compute=((1, 200), (2**22 + 1, 7)), graphics=((1, 300),))])
        (device,) = watcher.look()
        assert [(found.pid, found.memory_mb) for found in device.processes] == [(1, 300), (2**22 + 1, 7)]

    def test_a_desktop_draws_and_does_nothing_else(self, watcher: Watcher) -> None:
        nvml.write(watcher.state, [Gpu(uuid=A, compute=((1, 200),), graphics=((1, 300), (2**22 + 1, 90)))])
        (device,) = watcher.look()
        assert [(found.pid, found.draws) for found in device.processes] == [(1, False), (2**22 + 1, True)]

    def test_one_that_is_not_to_be_seen(self, watcher: Watcher) -> None:
        nvml.write(watcher.state, [Gpu(uuid=A, compute=((2**22 + 1, 7),))])
        (device,) = watcher.look()
        assert device.processes == (DeviceProcess(2**22 + 1, memory_mb=7),)

    def test_many(self, watcher: Watcher) -> None:
        nvml.write(watcher.state, [Gpu(uuid=A, compute=tuple((2**22 + n, n) for n in range(1, 101)))])
        (device,) = watcher.look()
        assert len(device.processes) == 100


class TestOurs:
    @pytest.fixture
    def attempt(self, watcher: Watcher) -> AttemptKey:
        """Attempt 12.1, which is claimed here."""
        dirs = RunDirs(str(watcher.runs), "host")
        dirs.prepare()
        dirs.make(12, 1)
        claim = runfile.Claim(12, 1, "secret", "host", "boot", 1, 1, 1, 0.0)
        slate = runfile.Slates(f"{dirs.live(12, 1).path}/slate").claim(dirs.live(12, 1).run, claim)
        assert slate is not None
        slate.drop()
        return AttemptKey(12, 1, "secret")

    @staticmethod
    def variables(key: AttemptKey, **changes: str) -> dict[str, str]:
        ours = {"RUNYARD_JOB_ID": str(key.job_id), "RUNYARD_ATTEMPT": str(key.number), "RUNYARD_TOKEN": key.token}
        return {"PATH": os.environ["PATH"], **ours, **changes}

    def owner(self, watcher: Watcher, pid: int) -> str:
        nvml.write(watcher.state, [Gpu(uuid=A, compute=((pid, 100),))])
        return watcher.look()[0].processes[0].attempt

    def test_by_its_token(self, watcher: Watcher, attempt: AttemptKey) -> None:
        with subprocess.Popen(["sleep", "1000"], env=self.variables(attempt)) as process:
            assert self.owner(watcher, process.pid) == "12.1"
            process.kill()

    def test_by_the_token_of_a_process_above(self, watcher: Watcher, attempt: AttemptKey) -> None:
        script = "env -i sh -c 'echo $$; exec sleep 1000' & wait"
        argv = ["sh", "-c", script]
        with subprocess.Popen(argv, env=self.variables(attempt), stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            below = int(process.stdout.readline())
            assert self.owner(watcher, below) == "12.1"
            os.kill(below, 9)

    @pytest.mark.parametrize(
        "changes",
        [
            {"RUNYARD_TOKEN": "secre"},
            {"RUNYARD_TOKEN": ""},
            {"RUNYARD_JOB_ID": "13"},
            {"RUNYARD_JOB_ID": "../12"},
            {"RUNYARD_JOB_ID": "1" * 5000},
            {"RUNYARD_ATTEMPT": "2"},
        ],
        ids=str,
    )
    def test_not_without_the_right_token(self, watcher: Watcher, attempt: AttemptKey, changes: dict[str, str]) -> None:
        with subprocess.Popen(["sleep", "1000"], env=self.variables(attempt, **changes)) as process:
            assert self.owner(watcher, process.pid) == ""
            process.kill()


class TestFaults:
    @pytest.fixture
    def two(self, watcher: Watcher) -> Watcher:
        nvml.write(watcher.state, [Gpu("one", A, used_mb=5), Gpu("two", B)])
        assert [device.fault for device in watcher.look()] == ["", ""]
        return watcher

    def test_a_device_that_is_lost(self, two: Watcher) -> None:
        nvml.write(two.state, [Gpu("one", A, lost=nvml.GPU_IS_LOST), Gpu("two", B)])
        first, second = two.look()
        assert (first.uuid, first.model, first.memory_mb, first.index) == (A, "one", 16_384, 0)
        assert (first.fault, second.fault) == ("GPU is lost", "")
        nvml.write(two.state, [Gpu("one", A), Gpu("two", B)])
        assert [device.fault for device in two.look()] == ["", ""]
        assert nvml.inits(two.state) == 2

    def test_a_device_that_answers_with_an_error(self, two: Watcher) -> None:
        nvml.write(two.state, [Gpu("one", A), Gpu("two", B, error=nvml.UNKNOWN)])
        first, second = two.look()
        assert (first.fault, second.fault) == ("", "Unknown Error")
        assert (second.uuid, second.model, second.memory_mb) == (B, "two", 16_384)

    def test_a_device_that_is_no_longer_counted(self, two: Watcher) -> None:
        nvml.write(two.state, [Gpu("two", B)])
        first, second = two.look()
        assert (first.uuid, first.index, first.fault) == (A, 0, "the driver no longer shows it")
        assert (second.uuid, second.index, second.fault) == (B, 1, "")

    def test_a_device_that_was_lost_before_we_came(self, watcher: Watcher) -> None:
        nvml.write(watcher.state, [Gpu("one", A, lost=nvml.GPU_IS_LOST), Gpu("two", B)])
        assert [device.uuid for device in watcher.look()] == [B]
        assert watcher.problem == "a device without a name: GPU is lost"

    @pytest.mark.parametrize("error", [nvml.UNKNOWN, nvml.DRIVER_NOT_LOADED, 18])
    def test_the_driver_fails_and_comes_back(self, two: Watcher, error: int) -> None:
        nvml.write(two.state, [Gpu("one", A), Gpu("two", B)], error=error)
        for _ in range(2):
            devices = two.look()
            assert [device.uuid for device in devices] == [A, B]
            assert all(device.fault.startswith("the driver says: ") for device in devices)
            assert two.problem
        nvml.write(two.state, [Gpu("one", A), Gpu("two", B)])
        assert [device.fault for device in two.look()] == ["", ""]
        assert two.problem == ""

    def test_the_driver_hangs_and_comes_back(self, watcher: Watcher) -> None:
        gpus = [Gpu("one", A), Gpu("two", B)]
        nvml.write(watcher.state, gpus)
        watcher.begin(1)
        watcher.look()
        nvml.write(watcher.state, gpus, hang=True)
        for _ in range(3):
            assert [device.fault for device in watcher.look()] == ["the driver does not answer"] * 2
            assert watcher.problem == "the driver does not answer"
        nvml.write(watcher.state, gpus)
        while any(device.fault for device in watcher.look()):
            os.sched_yield()
        assert watcher.problem == ""

    def test_the_driver_hangs_from_the_start(self, watcher: Watcher) -> None:
        nvml.write(watcher.state, [Gpu()], hang=True)
        watcher.begin(0.1)
        assert watcher.look() == []
        assert watcher.problem == "the driver does not answer"


class TestWithout:
    def test_a_driver(self, watcher: Watcher) -> None:
        assert watcher.look() == []
        assert watcher.problem == ""

    def test_a_working_driver(self, watcher: Watcher) -> None:
        nvml.write(watcher.state, [], error=18)
        assert watcher.look() == []
        assert watcher.problem == "RM has detected an NVML/RM version mismatch"

    def test_a_library(self) -> None:
        if _has_library():
            pytest.skip("this machine has a driver")
        gpus = module.Gpus(lambda pid: "")
        assert gpus.look() == ()
        assert gpus.problem == ""


def _has_library() -> bool:
    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return False
    return True


def _user() -> str:
    return subprocess.run(["id", "-un"], capture_output=True, check=True, text=True).stdout.strip()

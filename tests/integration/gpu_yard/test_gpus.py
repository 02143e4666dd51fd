"""GPUs from the command line to the job's environment, on the fake library: who gets which, who waits, and for whom."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runyard.api import StopCall
from tests.acceptance.typist import Typist
from tests.fakes import nvml
from tests.fakes.nvml import Gpu
from tests.harness.yard import Yard

A = "GPU-aaaaaaaa-0000-0000-0000-000000000000"
B = "GPU-bbbbbbbb-0000-0000-0000-000000000000"
C = "GPU-cccccccc-0000-0000-0000-000000000000"
SLEEP = ("--", "sleep", "600")
BIG = Gpu("NVIDIA A100", A, total_mb=40_960)
SMALL = Gpu("NVIDIA RTX 4090", B, total_mb=24_576)


class Machine:
    """Its devices, as a test sets them."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def has(self, *gpus: Gpu) -> None:
        nvml.write(self._state, gpus)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    if not nvml.available():
        pytest.skip("no C compiler (install gcc)")
    return nvml.build(tmp_path_factory.mktemp("library"))


@pytest.fixture(scope="module")
def made(library: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Yard, Machine]]:
    root = tmp_path_factory.mktemp("gpus")
    state = root / "state"
    machine = Machine(state)
    machine.has(SMALL, BIG)
    yard = Yard(root / "yard", look_every_s=0.2)
    yard.environ.update(nvml.use(library, state), RUNYARD_KEEP_ENV="FAKE_NVML")
    assert yard.ry("run", "-c0", "--", "true").code == 0
    yield yard, machine
    yard.end()


@pytest.fixture
def machine(made: tuple[Yard, Machine]) -> Machine:
    return made[1]


@pytest.fixture
def ry(made: tuple[Yard, Machine], tmp_path: Path) -> Iterator[Typist]:
    """The driver lists the small one first; by UUID it is the second."""
    yard, machine = made
    yield Typist(yard, tmp_path)
    left = tuple(row.id for row in yard.rows("state:pending,assigned,running"))
    if left:
        yard.service.stop(StopCall(left, 9))
        yard.done(*left)
    machine.has(SMALL, BIG)


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process from outside of the queue."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def start(ry: Typist, *words: str) -> int:
    """Submit a job that sleeps, and wait until it runs."""
    job = ry.submit("-c0", *words, *SLEEP)
    ry.yard.running(job)
    return job


def reason(ry: Typist, job: int, text: str) -> str:
    """What `why` says, as soon as this is in it."""
    ry.yard.until(text, lambda: text in ry.row(job).reason)
    return ry.ok("why", str(job))


def test_two_run_side_by_side_and_the_third_waits(ry: Typist) -> None:
    tell = ("-c0", "-G1", "echo $CUDA_VISIBLE_DEVICES $RUNYARD_GPUS; exec sleep 600")
    first, second = ry.submit("-J", "one", *tell), ry.submit("-J", "two", *tell)
    third = ry.submit("-c0", "-G1", *SLEEP)
    ry.yard.running(first, second)
    ry.yard.when("its words", lambda: ry.ok("logs", str(first)) == f"{A} 0\n")
    ry.yard.when("its words", lambda: ry.ok("logs", str(second)) == f"{B} 1\n")
    assert f"job {first} (one, running)" in reason(ry, third, "1 GPU; 0 free")
    rows = ry.json("gpus")
    assert [(row["uuid"], row["state"], row["jobs"]) for row in rows] == [(A, "job", [first]), (B, "job", [second])]
    ry.ok("stop", str(second))
    ry.yard.running(third)
    assert ry.row(third).gpus == (1,)


def test_shares_of_one(ry: Typist) -> None:
    shares = [start(ry, "-G1,mem=10G") for _ in range(4)]
    assert [ry.row(job).gpus for job in shares] == [(0,), (0,), (0,), (0,)]
    whole = start(ry, "-G1")
    assert ry.row(whole).gpus == (1,)
    waits = ry.submit("-c0", "-G1,mem=10G", *SLEEP)
    assert "1 GPU with 10 GB; 0 free" in reason(ry, waits, "0 free")


def test_by_model_and_by_index(ry: Typist, machine: Machine) -> None:
    assert ry.row(start(ry, "-G1:4090")).gpus == (1,)
    assert "1 GPU (4090); 0 free" in reason(ry, ry.submit("-c0", "-G", "4090:1", *SLEEP), "0 free")
    assert ry.row(start(ry, "-G", "index=0")).gpus == (0,)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("9", "9 GPUs asked for"), ("1:h100", "no GPU is a 'h100'"), ("2:a100", "no host has more than 1"),
        ("index=7", "no host has more than 0"), ("1,mem=90G", "the largest has 40960"),
    ],
)  # fmt: skip
def test_what_no_host_has_is_refused(ry: Typist, asked: str, says: str) -> None:
    before = len(ry.yard.rows())
    assert says in ry.refused("submit", "-G", asked, *SLEEP)
    assert len(ry.yard.rows()) == before


def test_a_job_without_a_gpu_sees_none(ry: Typist) -> None:
    assert ry.output("-c0", "echo [${CUDA_VISIBLE_DEVICES-unset}] [$RUNYARD_GPUS]") == "[] []\n"


def test_a_stranger_on_it(ry: Typist, machine: Machine, stranger: subprocess.Popen[bytes]) -> None:
    """It is given to nobody, and everybody says whose it is. He lives on."""
    machine.has(SMALL, Gpu(BIG.name, A, total_mb=40_960, used_mb=3000, compute=((stranger.pid, 3000),)))
    job = ry.submit("-c0", "-G1:a100", *SLEEP)
    told = f"GPU 0: process {stranger.pid} of "
    assert told in reason(ry, job, told)
    assert f"process {stranger.pid}" in ry.ok("ls", str(job))
    row = ry.json("gpus")[0]
    assert row["state"] == "foreign" and row["processes"][0]["pid"] == stranger.pid
    assert str(stranger.pid) in ry.ok("gpus")
    assert stranger.poll() is None
    machine.has(SMALL, BIG)
    ry.yard.running(job)
    ry.ok("kill", str(job))
    ry.done(job)
    assert stranger.poll() is None, "nobody is killed for having held a device"


def test_busy_between_the_plan_and_the_start(library: str, tmp_path: Path, stranger: subprocess.Popen[bytes]) -> None:
    """Nobody has looked since he came: planned, refused by the look before the start, and planned again."""
    machine = Machine(tmp_path / "state")
    machine.has(BIG)
    yard = Yard(tmp_path / "yard", look_every_s=0.2)
    yard.environ.update(nvml.use(library, tmp_path / "state"), RUNYARD_KEEP_ENV="FAKE_NVML")
    typist = Typist(yard, tmp_path)
    try:
        typist.ok("server", "start")
        yard.until("its device", lambda: yard.service.hosts() and yard.service.hosts()[0].devices)
        machine.has(Gpu(BIG.name, A, total_mb=40_960, used_mb=3000, compute=((stranger.pid, 3000),)))
        job = typist.submit("--retries", "0", "-G1", *SLEEP)
        yard.until("the refusal", lambda: yard.service.job(job).attempts)
        assert f"process {stranger.pid}" in reason(typist, job, f"process {stranger.pid}")
        machine.has(BIG)
        yard.running(job)
        refused, running = typist.json("show", str(job))["attempts"]
        result = refused["placements"][0]["result"]
        assert (result["why"], result["wait_status"]) == ("revoked", None), "it never started"
        assert (running["number"], stranger.poll()) == (2, None), "no retry was spent, and he was left alone"
    finally:
        yard.end()


def test_memory_in_use_and_nobody_to_be_seen(ry: Typist, machine: Machine) -> None:
    machine.has(SMALL, Gpu(BIG.name, A, total_mb=40_960, used_mb=900))
    job = ry.submit("-c0", "-G1:a100", *SLEEP)
    assert "900 MB in use, no process visible" in reason(ry, job, "no process visible")
    ry.yard.until("withheld", lambda: ry.json("gpus")[0]["state"] == "withheld")
    machine.has(SMALL, BIG)
    ry.yard.running(job)


def test_one_that_vanishes(ry: Typist, machine: Machine) -> None:
    job = start(ry, "-G1")
    machine.has(SMALL)
    ry.yard.until("the fault", lambda: ry.yard.service.hosts()[0].devices[0].fault)
    assert ry.row(job).word == "running", "its job is left alone"
    assert [row["state"] for row in ry.json("gpus")][:2] == ["fault", "free"]
    waits = ry.submit("-c0", "-G2", *SLEEP)
    assert "no longer shows it" in reason(ry, waits, "no longer shows it")
    assert ry("doctor").code == 1


def test_those_very_devices(ry: Typist, machine: Machine) -> None:
    machine.has(SMALL, BIG, Gpu("NVIDIA T4", C))
    looked = start(ry, "-G1")  # the agent looks again before a start with a device
    ry.yard.until("three devices", lambda: len(ry.yard.service.hosts()[0].devices) == 3)
    ry.ok("kill", str(looked))
    ry.done(looked)
    job = ry.submit("-c0", "-G", "index=0,2", "echo $CUDA_VISIBLE_DEVICES; exec sleep 600")
    assert ry.yard.running(job)[0].gpus == (0, 2)
    ry.yard.when("its words", lambda: ry.ok("logs", str(job)) == f"{A},{C}\n")

"""What becomes of known devices when the driver says something else, and what of the driver's answers counts."""

from __future__ import annotations

from dataclasses import replace

import pynvml
import pytest

from runyard.agent.gpus import GONE, NO_ANSWER, Sight, asked, merged, said, text
from runyard.model.host import Device

A = Device("GPU-a", 0, "A100", 40_960, 5, 50)
B = Device("GPU-b", 1, "A100", 40_960, 5, 50)


def test_nothing_and_nothing() -> None:
    assert merged((), Sight()) == ((), "")


def test_order_is_by_uuid_whatever_the_driver_says() -> None:
    seen = Sight((replace(B, index=0), replace(A, index=0)))
    assert merged((), seen) == ((A, B), "")


def test_a_new_device_may_move_the_others() -> None:
    assert merged((B,), Sight((B, A))) == ((A, B), "")


def test_what_is_not_seen_stays_with_a_fault() -> None:
    gone = replace(A, utilization=None, fault=GONE)
    assert merged((A, B), Sight((B,))) == ((gone, B), "")
    assert merged((gone, B), Sight((A, B))) == ((A, B), "")


def test_what_is_lost_says_so() -> None:
    lost = replace(A, utilization=None, fault="GPU is lost")
    assert merged((A, B), Sight((B,), lost="GPU is lost")) == ((lost, B), "")


def test_a_lost_device_without_a_name() -> None:
    assert merged((), Sight((B,), lost="GPU is lost"))[1] == "a device without a name: GPU is lost"


@pytest.mark.parametrize(
    ("problem", "fault"), [(NO_ANSWER, NO_ANSWER), ("Unknown Error", "the driver says: Unknown Error")]
)
def test_a_driver_that_fails_takes_all_devices_along(problem: str, fault: str) -> None:
    devices, told = merged((A, B), Sight(problem=problem))
    assert [device.fault for device in devices] == [fault, fault]
    assert [device.memory_mb for device in devices] == [40_960, 40_960]
    assert told == problem


def test_no_driver_is_no_problem_unless_there_was_one() -> None:
    without = Sight(problem="Driver Not Loaded", driver=False)
    assert merged((), without) == ((), "")
    assert merged((A,), without)[1] == "Driver Not Loaded"


def test_a_device_that_answers_with_an_error_keeps_what_it_was() -> None:
    broken = Device("GPU-a", 0, fault="Unknown Error")
    assert merged((A,), Sight((broken,)))[0] == (Device("GPU-a", 0, "A100", 40_960, fault="Unknown Error"),)


def test_unable_is_no_error() -> None:
    def fail(code: int) -> int:
        raise pynvml.NVMLError(code)

    assert asked(lambda: 5) == 5
    assert asked(lambda: fail(pynvml.NVML_ERROR_NOT_SUPPORTED)) is None
    assert asked(lambda: fail(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)) is None
    with pytest.raises(pynvml.NVMLError):
        asked(lambda: fail(pynvml.NVML_ERROR_GPU_IS_LOST))


def test_words_of_the_driver() -> None:
    assert said(pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)) == "GPU is lost"
    assert (text(b"A\xff"), text("A")) == ("A\N{REPLACEMENT CHARACTER}", "A")

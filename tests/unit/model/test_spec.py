"""What a job, an array or a stop must not be, whoever says so: a REST client too."""

from __future__ import annotations

from typing import Any

import pytest

from runyard.api import GRACE_MAX_S, SIGNAL_MAX, StopCall
from runyard.errors import InvalidSpec
from runyard.model.params import PARAMS_BYTES, PARAMS_MAX, params_json
from runyard.model.spec import ARGUMENT_BYTES, ARRAY_INDEX_MAX, COMMAND_BYTES, ArraySpec, JobSpec


@pytest.mark.parametrize(
    "wrong",
    [
        {"indices": (1, 1)},
        {"indices": (-1,)},
        {"indices": (ARRAY_INDEX_MAX + 1,)},
        {"indices": (1,), "parallel": -5},
    ],
)
def test_no_array(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec) as refused:
        ArraySpec(**wrong)
    assert refused.value.field == "array"


@pytest.mark.parametrize("wrong", [{"signal": 0}, {"signal": -1}, {"signal": SIGNAL_MAX + 1}])
def test_no_signal(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec) as refused:
        StopCall((1,), **wrong)
    assert refused.value.field == "signal"


@pytest.mark.parametrize("grace_s", [-1.0, GRACE_MAX_S + 1, 1e15])
def test_no_grace(grace_s: float) -> None:
    with pytest.raises(InvalidSpec) as refused:
        StopCall((1,), grace_s=grace_s)
    assert refused.value.field == "grace"


def test_arguments_that_no_program_can_be_handed() -> None:
    words = ("x" * 100_000,) * (COMMAND_BYTES // 100_000)
    assert JobSpec(words)
    with pytest.raises(InvalidSpec, match="use a file") as refused:
        JobSpec((*words, "y" * 100_000))
    assert refused.value.field == "command"


@pytest.mark.parametrize("index", [-1, ARRAY_INDEX_MAX + 1])
def test_no_index(index: int) -> None:
    with pytest.raises(InvalidSpec):
        JobSpec(("true",), array_index=index)


@pytest.mark.parametrize(
    "params",
    [
        (("", "1"),),
        (("a b", "1"),),
        (("a=b", "1"),),
        (("a\0", "1"),),
        (("lr", "1"), ("lr", "2")),
        (("lr", "1\0"),),
        (("lr", "\ud800"),),
        (("lr", "x" * PARAMS_BYTES),),
        tuple((f"p{number}", "") for number in range(PARAMS_MAX + 1)),
    ],
)
def test_no_parameters(params: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(InvalidSpec) as refused:
        JobSpec(("true",), params=params)
    assert refused.value.field == "param"


@pytest.mark.parametrize("mark", ["\x01", "ü", "\udcff", "😀", '"'])
def test_parameters_fit_into_a_variable(mark: str) -> None:
    """Whatever they hold, escaped as JSON."""
    most = (PARAMS_BYTES - 2) // len(mark.encode("utf-8", "surrogateescape"))
    spec = JobSpec(("true",), params=(("lr", mark * most),))
    assert len(params_json(spec.params)) < ARGUMENT_BYTES

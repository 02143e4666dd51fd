"""A thread that lasts goes on whatever its work raises."""

from __future__ import annotations

import logging

import pytest

from runyard.foreign.lasting import lasting

WAIT_S = 30.0


def test_it_goes_on_until_its_work_returns(caplog: pytest.LogCaptureFixture) -> None:
    left: list[Exception] = [KeyError("one"), RecursionError("two"), MemoryError()]

    def work() -> None:
        while left:
            raise left.pop(0)

    with caplog.at_level(logging.ERROR, "runyard.thread"):
        thread = lasting("work", work, again_s=0.0)
        thread.start()
        thread.join(WAIT_S)
    assert not thread.is_alive()
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [
        KeyError,
        RecursionError,
        MemoryError,
    ]

"""What a serial pipeline prints in front of somebody."""

from __future__ import annotations

from pathlib import Path

import pytest

from runyard.pipeline.pipeline import Pipeline

TOLD = """\
### 1 / 4 "grün"
on the way
### 1 / 4 "grün": failed (exit code 137)
### 2 / 4 "needs it": skipped, since "grün" did not pass
### 3 / 4 "unlogged"
### 3 / 4 "unlogged": failed (exit code 143)
### 4 / 4 "descriptors"
of ours:
### 1 passed, 2 failed, 1 skipped
"""


def test_what_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Names as they are, and of a job that a signal ends nothing of how it was started."""
    pipeline = Pipeline.create("said", directory=str(tmp_path / "run"))
    pipeline.submit("echo on the way; kill -KILL $$", name="grün")
    pipeline.submit("echo never", name="needs it", depends="grün")
    pipeline.submit("kill -TERM $$", name="unlogged", log=False)
    pipeline.submit(
        "cd /proc/$$/fd; echo of ours: [1-9][0-9]", name="descriptors", preamble="shopt -s nullglob", log=False
    )
    pipeline.run()
    said = capfd.readouterr()
    assert said.err == ""
    assert said.out == TOLD

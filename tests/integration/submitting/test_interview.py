"""A script that is asked for its parameters and never reads its command line: it is ended, and all of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from runyard.errors import InvalidSpec
from runyard.foreign import process
from runyard.submitting import interview

PARSER = "import argparse, time\nparser = argparse.ArgumentParser()\n"
NEVER = {"hang": "while True: time.sleep(1)\n", "flood": "while True: print('x' * 100_000)\n"}


@pytest.mark.parametrize("what", NEVER)
def test_one_that_never_reads_its_command_line_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(interview, "LOOKS", (("light", 1.0), *interview.LOOKS[1:]))
    script = tmp_path / f"{what}.py"
    script.write_text(PARSER + NEVER[what])
    with pytest.raises(InvalidSpec, match=r"did not read its command line within 1 seconds; name them by hand"):
        interview.ask([sys.executable, str(script)], str(tmp_path), dict(os.environ))
    assert not [pid for pid in process.processes() if str(script) in process.command_line(pid)]

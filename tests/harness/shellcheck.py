"""What shellcheck says of scripts that we write: nothing."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest


def check(scripts: Iterable[Path]) -> None:
    """All of these, whatever their severity. Skips where there is no shellcheck."""
    found = shutil.which("shellcheck")
    if found is None:
        pytest.skip("takes shellcheck")
    paths = [str(path) for path in scripts]
    assert paths
    done = subprocess.run([found, *paths], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

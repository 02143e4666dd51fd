"""docs/pipelines.md, done as it stands: its files written, its commands typed, what is printed compared."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.acceptance.test_readme import ROOT, commands, compare, environ, in_a_terminal

PAGE = ROOT / "docs" / "pipelines.md"
_FILE = re.compile(r"^```yaml\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

__all__ = ["environ"]


@pytest.mark.usefixtures("environ")
def test_the_page(environ: dict[str, str], tmp_path: Path) -> None:
    for name, text in _FILE.findall(PAGE.read_text(encoding="utf-8")):
        (tmp_path / name).write_text(text)
    environ = {**environ, "TMUX_TMPDIR": str(tmp_path)}
    steps = list(commands(PAGE))
    assert len(steps) > 10
    code = ""
    for step in steps:
        printed = in_a_terminal(f"(exit {code or 0}); {step.text}; echo $? > code", environ, tmp_path)
        code = (tmp_path / "code").read_text().strip()
        compare(step, printed)
    in_a_terminal("ry pipeline rm --all --yes", environ, tmp_path)

"""Draws `yard.svg`: a real yard with a small sweep of trainings, as a terminal shows it.

    .venv/bin/python docs/pictures/make.py

It starts a private yard in a temporary directory, submits trainings of `examples/digits`, waits until some have ended
and some run, types a few commands on a terminal, and ends the yard. The picture holds what those commands printed.
"""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BIN = Path(sys.executable).parent
COLUMNS = 102
TITLE = "ry"
WAIT_S = 90.0
LOOK_S = 0.5

SETTINGS = (("0.1", 16), ("0.03", 16), ("0.01", 32), ("0.01", 16), ("0.003", 32))
TRAIN = ROOT / "examples" / "digits" / "train.py"
TRAINING = "python train.py --lr {lr} --hidden {hidden} --min-seconds 8 --out {name}"
SHOWN = (
    "ry queue set default --parallel 2",
    "ry submit -J lr0.1-h64 -t 10m -- python train.py --lr 0.1 --hidden 64 --out lr0.1-h64",
    "ry",
    "ry why report",
    "ry tail -3 lr0.01-h32",
)
"""Typed before the eyes of the reader."""


class Yard:
    """A yard in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environ = {
            "HOME": str(directory),
            "RUNYARD_HOME": str(directory / "yard"),
            "PATH": f"{BIN}:{os.environ.get('PATH', os.defpath)}",
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "COLUMNS": str(COLUMNS),
        }

    def run(self, command: str) -> str:
        """What a command prints in a pipe."""
        return subprocess.run(
            ["bash", "-c", command],
            env=self.environ,
            cwd=self.directory,
            stdout=subprocess.PIPE,
            text=True,
            timeout=WAIT_S,
            check=True,
        ).stdout

    def typed(self, command: str) -> str:
        """What a command prints on a terminal, colours included."""
        master, slave = pty.openpty()
        process = subprocess.Popen(
            ["bash", "-c", command], stdin=slave, stdout=slave, stderr=slave, env=self.environ, cwd=self.directory
        )
        os.close(slave)
        printed = b""
        while piece := _read(master):
            printed += piece
        os.close(master)
        process.wait(timeout=WAIT_S)
        return printed.decode().replace("\r\n", "\n")

    def end(self) -> None:
        for command in ("ry kill all --yes", "ry wait all --timeout 20", "ry server stop"):
            subprocess.run(["bash", "-c", command], env=self.environ, capture_output=True, timeout=WAIT_S, check=False)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="runyard-picture-") as directory:
        yard = Yard(Path(directory))
        try:
            text = scene(yard)
        finally:
            yard.end()
    (HERE / "yard.svg").write_text(drawn(text), encoding="utf-8")


def scene(yard: Yard) -> str:
    """Two trainings have ended, two run, and the rest waits."""
    os.symlink(TRAIN, yard.directory / "train.py")
    yard.run(SHOWN[0])
    for lr, hidden in SETTINGS:
        name = f"lr{lr}-h{hidden}"
        yard.run(f"ry submit -J {name} -t 10m -- {TRAINING.format(lr=lr, hidden=hidden, name=name)}")
    yard.run("ry submit -J report -d 'lr*' -- python report.py")
    end = time.monotonic() + WAIT_S
    while not _is_scenic(json.loads(yard.run("ry ls --json"))):
        if time.monotonic() > end:
            raise SystemExit("the trainings did not come as far as they should have")
        time.sleep(LOOK_S)
    lines = []
    for command in SHOWN[1:]:
        lines += [f"\x1b[1;32m$\x1b[0m \x1b[1m{command}\x1b[0m", yard.typed(command).rstrip("\n"), ""]
    return "\n".join(lines).rstrip("\n")


def drawn(text: str) -> str:
    """The terminal as SVG, with the fonts of whoever looks at it: nothing is fetched."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(text), soft_wrap=False)
    svg = console.export_svg(title=TITLE, theme=MONOKAI, unique_id="runyard")
    svg = re.sub(r"\s*@font-face \{.*?\}\n", "\n", svg, flags=re.DOTALL)
    svg = svg.replace("<svg ", '<svg xml:space="preserve" ', 1)  # some viewers cut blanks at the ends of a text
    return svg.replace("Fira Code, monospace", "ui-monospace, DejaVu Sans Mono, Menlo, Consolas, monospace")


def _is_scenic(rows: list[dict[str, object]]) -> bool:
    ended = [row for row in rows if row["outcome"]]
    running = [row for row in rows if row["state"] == "running" and time.time() - float(str(row["started_at"])) > 2.5]
    return len(ended) >= 2 and len(running) == 2


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other side is closed
        return b""


if __name__ == "__main__":
    main()

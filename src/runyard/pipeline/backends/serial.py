"""One job after the other, by a bash script that needs nothing but bash."""

from __future__ import annotations

import shutil

from runyard.pipeline.backends import scripted
from runyard.pipeline.backends.base import Start
from runyard.pipeline.backends.scripted import Scripted
from runyard.pipeline.layout import Layout, Rendering
from runyard.pipeline.render import serial
from runyard.pipeline.runs import Run


class Serial(Scripted):
    name = "serial"

    def lacks(self) -> str:
        return "" if shutil.which("bash") else "bash is not installed here"

    def render(self, layout: Layout) -> Rendering:
        return serial.render(layout)

    def start(self, run: Run, how: Start) -> None:
        self.kill(run)  # what a killed script has left
        scripted.start(run, run.layout.script(), how.environ, how.block)

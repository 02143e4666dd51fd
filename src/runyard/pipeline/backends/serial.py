"""One job after the other, by a bash script that needs nothing but bash."""

from __future__ import annotations

import shutil

from runyard.foreign import script
from runyard.pipeline.backends import scripted
from runyard.pipeline.backends.base import Start
from runyard.pipeline.layout import Layout, Rendering
from runyard.pipeline.render import serial
from runyard.pipeline.runs import Run, read_json
from runyard.pipeline.spec import PipelineSpec
from runyard.pipeline.state import PipelineState


class Serial:
    name = "serial"

    def lacks(self) -> str:
        return "" if shutil.which("bash") else "bash is not installed here"

    def render(self, layout: Layout) -> Rendering:
        return serial.render(layout)

    def readable(self, spec: PipelineSpec) -> str:
        return serial.readable(spec)

    def facts(self, spec: PipelineSpec, directory: str) -> dict[str, str]:
        return {}

    def start(self, run: Run, how: Start) -> None:
        scripted.forget(run)
        argv = ["bash", run.layout.script()]
        if how.block:
            script.foreground(argv, how.environ)
        else:
            scripted.began(run, script.background(argv, how.environ, output=run.layout.at("output.log")))

    def state(self, run: Run) -> PipelineState:
        return scripted.state(run)

    def wait(self, run: Run, timeout_s: float) -> None:
        scripted.wait(run, timeout_s)

    def kill(self, run: Run) -> None:
        pid = scripted.process_of(read_json(run.layout.state))
        if pid is not None:
            script.end([pid])

    def attach(self, run: Run, job: str = "") -> tuple[str, ...]:
        return ()

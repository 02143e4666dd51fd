"""Pipelines: the DAG of `dag` in tmux and in the yard, and the rendering of many jobs, beside cmd_queue's tmux."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from statistics import median

from bench.directory import directory
from bench.figures import NOT_INSTALLED, Beside, Line, ms
from bench.peers import cmd_queue
from bench.rows.dag import IDEAL_S, JOB_S, LAYERS, PARALLEL, TARGET, WIDTH
from bench.scale import Scale
from bench.yard import yard
from runyard.pipeline.pipeline import Pipeline

RENDERED_S = 1.0


def measure(scale: Scale) -> Iterator[Line]:
    """The makespans, tmux beside tmux in each round, then the rendering."""
    installed = cmd_queue.tmux_installed()
    tmux: list[float] = []
    theirs: list[float] = []
    for _ in range(scale.repeats):
        if shutil.which("tmux"):
            tmux.append(_in_tmux())
        if installed:
            with directory() as path:
                theirs.append(cmd_queue.makespan(path))
    with yard(parallel=PARALLEL) as own:
        queued = [_in_yard(own.environ) for _ in range(scale.repeats)]
    for backend, taken in (("tmux", tmux), ("yard", queued)):
        if taken:
            yield _makespan(backend, taken, theirs)
    yield _rendering(scale, installed)


def _makespan(backend: str, taken: list[float], theirs: list[float]) -> Line:
    ratio = median(taken) / IDEAL_S
    besides = [Beside("ideal", f"{IDEAL_S:.1f} s", ratio)]
    if theirs:
        peer = median(theirs)
        shown = f"{peer:.2f} s = {peer / IDEAL_S:.2f} of ideal"
        besides.append(Beside(cmd_queue.TMUX.name, shown, median(taken) / peer))
    else:
        besides.append(Beside(cmd_queue.TMUX.name, NOT_INSTALLED))
    return Line(
        f"pipeline of {LAYERS} x {WIDTH} jobs of {JOB_S} s, {PARALLEL} at a time, {backend}",
        f"{median(taken):.2f} s = {ratio:.3f} of ideal",
        tuple(besides),
        f"< {TARGET} of ideal",
        ratio < TARGET,
        {"seconds": taken},
    )


def _rendering(scale: Scale, installed: bool) -> Line:
    taken = [_rendered(scale.rendered) for _ in range(scale.repeats)]
    besides = [Beside(cmd_queue.TMUX.name, NOT_INSTALLED)]
    if installed:  # its time grows with the square of the jobs: it is given fewer, and so are we to compare
        ours = median(_rendered(scale.rendered_beside) for _ in range(scale.repeats))
        with directory() as path:
            theirs = cmd_queue.rendering(path, scale.rendered_beside)
        besides = [Beside(cmd_queue.TMUX.name, f"{ms(theirs)} for {scale.rendered_beside:,}", ours / theirs)]
    return Line(
        f"rendering a tmux pipeline of {scale.rendered:,} jobs",
        ms(median(taken)),
        tuple(besides),
        f"< {RENDERED_S:.0f} s",
        median(taken) < RENDERED_S,
        {"seconds": taken},
    )


def _rendered(jobs: int) -> float:
    with directory() as path:
        pipeline = _layered(Pipeline.create("bench", "tmux", size=PARALLEL, directory=path), jobs // WIDTH, "true")
        begin = time.perf_counter()
        pipeline.render()
        return time.perf_counter() - begin


def _layered(pipeline: Pipeline, layers: int, command: str) -> Pipeline:
    """Layers that each wait for all of the one before. No logs, as cmd_queue has it; only `size` limits them."""
    for depth in range(layers):
        needs = [f"job-{depth - 1}-{number}" for number in range(WIDTH)] if depth else []
        for number in range(WIDTH):
            pipeline.submit(command, name=f"job-{depth}-{number}", depends=needs, log=False, cpus=0)
    return pipeline


def _in_tmux() -> float:
    with directory() as path, _environment({"HOME": path, "TMUX_TMPDIR": path, "TMUX": ""}):
        try:
            return _run(Pipeline.create("bench", "tmux", size=PARALLEL, directory=os.path.join(path, "run")))
        finally:
            subprocess.run(["tmux", "kill-server"], capture_output=True, check=False)


def _in_yard(environ: Mapping[str, str]) -> float:
    with directory() as path, _environment({"RUNYARD_HOME": environ["RUNYARD_HOME"]}):
        return _run(Pipeline.create("bench", "yard", size=PARALLEL, directory=os.path.join(path, "run")))


def _run(pipeline: Pipeline) -> float:
    _layered(pipeline, LAYERS, f"sleep {JOB_S}")
    begin = time.perf_counter()
    state = pipeline.run()
    taken = time.perf_counter() - begin
    if state["passed"] != LAYERS * WIDTH:
        raise RuntimeError(f"{pipeline!r} ended with {state['passed']} of {LAYERS * WIDTH} jobs")
    return taken


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """These variables for the time of a measurement."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            del os.environ[name]
        os.environ.update({name: value for name, value in before.items() if value is not None})

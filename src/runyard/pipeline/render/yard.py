"""The jobs of a pipeline as a yard takes them (`client.handle.Yard.pipeline`), and as text to read. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from runyard.pipeline.layout import Layout, Rendering, ScriptFile
from runyard.pipeline.reading import sbatch
from runyard.pipeline.render import bash
from runyard.pipeline.spec import PipelineJob, PipelineSpec

SHELL = "bash"


def jobs(spec: PipelineSpec, environ: Mapping[str, str], output: Callable[[PipelineJob], str]) -> list[dict[str, Any]]:
    """Every job with its options. `environ` is set beside the variables of the pipeline; `output` says in which file
    what a job prints is kept ("": where the yard keeps it)."""
    common = {**environ, **dict(spec.env)}
    return [_job(spec, job, common, output(job)) for job in spec.jobs]


def _job(spec: PipelineSpec, job: PipelineJob, common: Mapping[str, str], output: str) -> dict[str, Any]:
    native = sbatch.chosen(spec, job)
    return {
        "name": job.name,
        "command": _command(spec, job),
        "needs": job.needs,
        "shell": SHELL,
        **{name: value for name, value in _asked(job) if value is not None},
        **({"env": {**common, **dict(job.env)}} if common or job.env else {}),
        **({"output": output.replace("%", "%%")} if output else {}),
        **({"sbatch": native} if native else {}),
    }


def _command(spec: PipelineSpec, job: PipelineJob) -> str:
    """The program of one job, without the end of its last line where that means nothing."""
    text = bash.job_text(spec, job)
    return text if text.endswith("\\\n") else text.removesuffix("\n")


def _asked(job: PipelineJob) -> list[tuple[str, Any]]:
    memory = f"{job.memory_mb}M" if job.memory_mb is not None else None
    return [("cpus", job.cpus), ("mem", memory), ("gpus", job.gpus)]


def render(layout: Layout) -> Rendering:
    """A list of the jobs to read, one on each line, with the names of variables and the values of the public ones."""
    spec = layout.spec
    lines = [json.dumps(_shown(one, spec.public), ensure_ascii=False) for one in jobs(spec, {}, lambda job: "")]
    text = "[\n" + ",\n".join(lines) + "\n]\n"
    return Rendering((ScriptFile(layout.script(".json"), text, program=False),))


def _shown(job: dict[str, Any], public: tuple[str, ...]) -> dict[str, Any]:
    env = [f"{name}={value}" if name in public else name for name, value in job.get("env", {}).items()]
    shown = {name: value for name, value in job.items() if name != "shell" and value != ()}
    return {**shown, **({"env": env} if env else {})}

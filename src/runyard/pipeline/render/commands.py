"""The commands of a pipeline for people, in an order in which they could be typed: what most backends show. Pure."""

from __future__ import annotations

from runyard.model.record import changed
from runyard.pipeline.graph import Graph
from runyard.pipeline.render import bash
from runyard.pipeline.spec import PipelineJob, PipelineSpec


def readable(spec: PipelineSpec) -> str:
    """What would be run, in an order in which it could be typed."""
    lines = [bash.heading(bash.title(spec), "The commands, in an order in which they can be run.").rstrip()]
    if spec.preamble:
        lines.extend(("#", "# Preamble", "#", *spec.preamble))
    lines.extend(("#", "# Jobs"))
    jobs: dict[str, PipelineJob] = {job.name: job for job in spec.jobs}
    bare = changed(spec, preamble=())
    for number, name in enumerate(Graph(spec.needs).order, 1):
        lines.extend(
            ("#", f"### Command {number} / {len(jobs)} - {name}", bash.job_text(bare, jobs[name]).rstrip("\n"))
        )
    return "\n".join(lines) + "\n"

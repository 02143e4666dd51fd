"""The commands of a pipeline for people, in an order in which they could be typed: what most backends show. Pure."""

from __future__ import annotations

from runyard.model.record import changed
from runyard.pipeline.render import bash
from runyard.pipeline.spec import PipelineSpec


def readable(spec: PipelineSpec) -> str:
    """What would be run, in an order in which it could be typed."""
    lines = [bash.heading(bash.title(spec), "The commands, in an order in which they can be run.").rstrip()]
    if spec.preamble:
        lines.extend(("#", "# Preamble", "#", *spec.preamble))
    lines.extend(("#", "# Jobs"))
    bare = changed(spec, preamble=())
    for number, job in enumerate(spec.in_order, 1):
        lines.extend(("#", f"### Command {number} / {len(spec.jobs)} - {job.name}"))
        lines.append(bash.job_text(bare, job).rstrip("\n"))
    return "\n".join(lines) + "\n"

"""A pipeline is checked when it is built, and comes back from its manifest as it was."""

from __future__ import annotations

from runyard.model import codec
from runyard.pipeline.runs import Manifest
from runyard.pipeline.spec import PipelineJob, PipelineSpec


def test_a_manifest_comes_back_whole() -> None:
    options = (("partition", "gpu"), ("begin", 5), ("hold", True))
    first = PipelineJob("first", "true", cpus=2, memory_mb=8, gpus=0, env=(("A", "1"),), options=options)
    spec = PipelineSpec("demo", (first, PipelineJob("second", "true", ("first",))), options=options)
    manifest = Manifest("slurm", spec, {"fact": "1"})
    assert codec.loads(Manifest, codec.dumps(manifest)) == manifest

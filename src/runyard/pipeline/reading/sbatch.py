"""The options of sbatch that a pipeline and its jobs may have, by their names with `_` for `-`, and what becomes of
them. Pure.

`options` asks for the names, the renderer of Slurm's script for what a job asks. A job's option goes before that of its
pipeline; what only sbatch can know (a partition that there is not) it says itself, when the job is submitted.
"""

from __future__ import annotations

from collections.abc import Iterable

from runyard.errors import InvalidSpec
from runyard.model import sbatch, sizes
from runyard.pipeline.spec import Option, PipelineJob, PipelineSpec

OURS = frozenset({"gpus", "job-name", "kill-on-invalid-dep", "parsable", "wrap"})
"""What a pipeline says itself."""

NOTHING = frozenset({"test-only", "usage", "resv-ports", "segment"})
"""What would submit nothing, or is not in every Slurm that pipelines are for."""


def _named(options: Iterable[str]) -> frozenset[str]:
    return frozenset(option.replace("-", "_") for option in options if option not in OURS | NOTHING)


FLAGS, EITHER, VALUED = map(_named, (sbatch.FLAGS, sbatch.EITHER, sbatch.VALUED))
"""Options without a value, that can have one, and with one."""

SBATCH = FLAGS | EITHER | VALUED

ALIASES = {"cpus": "cpus_per_task", "output_fpath": "output"}
"""Other names of some, for who is used to cmd_queue. (`cpus` of a job is read before, and holds in every backend.)"""

RIVALS = (("mem", "mem_per_cpu", "mem_per_gpu"), ("requeue", "no_requeue"), ("exclusive", "oversubscribe"))
"""Of these a job that has one has none of the pipeline's."""

MEMORY = frozenset(RIVALS[0])

Asked = dict[str, str]
"""Options of sbatch, each once, with their values ("": the option alone)."""


def chosen(spec: PipelineSpec, job: PipelineJob) -> dict[str, Option]:
    """The options of a job, and those of its pipeline that it does not say itself; without those that are switched off.

    What the job asks for by `cpus`, `mem` and `gpus` is not among them.
    """
    own = dict(job.options)
    said = {option for option, value in own.items() if _given(option, value)}
    if job.memory_mb is not None:
        said.add("mem")
    displaced = {option for rivals in RIVALS if not said.isdisjoint(rivals) for option in rivals} - own.keys()
    common = {option: value for option, value in spec.options if option not in displaced}
    return {option: value for option, value in {**common, **own}.items() if _given(option, value)}


def asked(spec: PipelineSpec, job: PipelineJob) -> Asked:
    """What sbatch is told. InvalidSpec where it would not understand it, or we."""
    options = chosen(spec, job)
    if job.cpus:
        options["cpus_per_task"] = job.cpus
    if job.memory_mb is not None:
        options["mem"] = job.memory_mb
    try:
        if job.gpus:
            options["gres"] = _with_gpus(job.gpus, str(dict(job.options).get("gres", "")), str(options.get("gres", "")))
        told = {option: _told(option, value) for option, value in options.items()}
    except InvalidSpec as error:
        raise InvalidSpec(f"job {job.name!r}: {error}") from None
    return {option: value for option, value in told.items() if option not in NEEDLESS}


def _given(option: str, value: Option) -> bool:
    return value is not False and not (option in FLAGS and value == 0)


NEEDLESS = frozenset({"quiet", "ignore_pbs"})
"""Options that make no difference: what sbatch says is not shown, and #PBS lines of a command are never read."""


def _told(option: str, value: Option) -> str:
    """The value as sbatch takes it."""
    if option == "wait":
        raise InvalidSpec("leave it out: to run a pipeline waits for all its jobs", option)
    if option in FLAGS:
        if isinstance(value, str):
            raise InvalidSpec(f"has no value: true or false was expected, not {value!r}", option)
        return ""
    if value is True:
        if option not in EITHER:
            raise InvalidSpec("needs a value", option)
        return ""
    if option == "begin" and isinstance(value, int):
        return f"now+{value}"
    if option in MEMORY:
        return str(sizes.megabytes(str(value), option))
    if not str(value):
        raise InvalidSpec("needs a value, not an empty text", option)
    return str(value)


def _with_gpus(count: int, own: str, common: str) -> str:
    """So many GPUs, and the other resources of the job, or of the pipeline."""
    if any(_is_gpu(part) for part in own.split(",")):
        raise InvalidSpec("GPUs are asked for twice, by gpus and by gres; leave one of them out", "gres")
    others = [part for part in common.split(",") if part and not _is_gpu(part)]
    return ",".join((f"gpu:{count}", *others))


def _is_gpu(part: str) -> bool:
    return part.strip().removeprefix("gres:").partition(":")[0] == "gpu"

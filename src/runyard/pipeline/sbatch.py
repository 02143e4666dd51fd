"""The options of sbatch that a pipeline and its jobs may have, by their names with `_` for `-`, and what becomes of
them. Pure.

`options` asks for the names, the renderer of Slurm's script for what a job asks. A job's option goes before that of its
pipeline; what only sbatch can know (a partition that there is not) it says itself, when the job is submitted.

What a pipeline says itself is missing: job-name, wrap, parsable, and what would submit nothing.
"""

from __future__ import annotations

from runyard.errors import InvalidSpec
from runyard.model import sizes
from runyard.pipeline.spec import Option, PipelineJob, PipelineSpec


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


FLAGS = _names(
    "contiguous hold ignore_pbs no_requeue overcommit oversubscribe quiet reboot requeue spread_job use_min_nodes"
    " verbose wait"
)
"""Options without a value."""

EITHER = _names("exclusive get_user_env nice no_kill propagate")
"""Options that can have a value."""

VALUED = _names(
    "account acctg_freq array batch bb bbf begin chdir cluster_constraint clusters comment constraint container"
    " core_spec cores_per_socket cpu_freq cpus_per_gpu cpus_per_task deadline delay_boot dependency distribution error"
    " exclude export export_file extra extra_node_info gid gpu_bind gpu_freq gpus_per_node gpus_per_socket"
    " gpus_per_task gres gres_flags hint input licenses mail_type mail_user mcs_label mem mem_bind mem_per_cpu"
    " mem_per_gpu mincpus network nodefile nodelist nodes ntasks ntasks_per_core ntasks_per_gpu ntasks_per_node"
    " ntasks_per_socket open_mode output partition power prefer priority profile qos reservation signal"
    " sockets_per_node switches thread_spec threads_per_core time time_min tmp tres_bind tres_per_task uid"
    " wait_all_nodes wckey"
)
"""Options with a value."""

SBATCH = FLAGS | EITHER | VALUED

ALIASES = {"cpus": "cpus_per_task", "output_fpath": "output"}
"""Other names of some, for who is used to cmd_queue. (`cpus` of a job is read before, and holds in every backend.)"""

RIVALS = (("mem", "mem_per_cpu", "mem_per_gpu"), ("requeue", "no_requeue"), ("exclusive", "oversubscribe"))
"""Of these a job that has one has none of the pipeline's."""

MEMORY = frozenset(RIVALS[0])

Asked = dict[str, str]
"""Options of sbatch, each once, with their values ("": the option alone)."""


def asked(spec: PipelineSpec, job: PipelineJob) -> Asked:
    """What a job asks of sbatch, or the pipeline for it. InvalidSpec where sbatch would not understand it, or we."""
    own = dict(job.options)
    if job.cpus:
        own["cpus_per_task"] = job.cpus
    if job.memory_mb is not None:
        own["mem"] = job.memory_mb
    common = dict(spec.options)
    for rivals in RIVALS:
        if any(own.get(option) for option in rivals):
            common = {option: value for option, value in common.items() if option not in rivals}
    merged = {**common, **own}
    if job.gpus:
        merged["gres"] = _with_gpus(job, str(own.get("gres", "")), str(common.get("gres", "")))
    try:
        told = {option: _told(option, value) for option, value in merged.items() if value is not False}
    except InvalidSpec as error:
        raise InvalidSpec(f"job {job.name!r}: {error}") from None
    return {option: value for option, value in told.items() if option not in NEEDLESS}


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


def _with_gpus(job: PipelineJob, own: str, common: str) -> str:
    """The other resources of the job, or of the pipeline, and so many GPUs."""
    others = [part for part in (own or common).split(",") if part]
    if any(_is_gpu(part) for part in own.split(",")):
        raise InvalidSpec(f"job {job.name!r} asks for GPUs twice, by gpus and by gres; leave one of them out", "gres")
    return ",".join((f"gpu:{job.gpus}", *(part for part in others if not _is_gpu(part))))


def _is_gpu(part: str) -> bool:
    return part.strip().removeprefix("gres:").partition(":")[0] == "gpu"

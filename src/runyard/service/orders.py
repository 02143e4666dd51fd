"""From an assigned job to the order for its agent."""

from __future__ import annotations

from runyard.model.attempt import AttemptKey, Placement, attempt_name
from runyard.model.beat import Order, StopOrder, Terms
from runyard.model.checkpoint import RESUME_VARIABLE
from runyard.model.host import Host
from runyard.model.job import Job, StopRequest
from runyard.model.params import PARAMS_VARIABLE, params_json
from runyard.planner import retry
from runyard.service.twins import slurm_twins

SIGKILL = 9


def key_of(job: Job) -> AttemptKey:
    """The key of a job's present attempt."""
    if job.attempt is None:
        raise ValueError(f"job {job.id} has no attempt")
    return AttemptKey(job.id, job.attempt.number, job.attempt.token)


def order_of(job: Job, placement: Placement, host: Host | None, group_size: int = 0) -> Order:
    """What the agent needs to start this placement. `group_size` counts the jobs of its group, for Slurm's names."""
    spec = job.spec
    accepted = job.attempt is not None and job.attempt.accepted
    policy = "warn" if accepted and spec.drift == "hold" else spec.drift
    return Order(
        key=key_of(job),
        rank=placement.rank,
        command=spec.command,
        workdir=spec.workdir,
        shell=spec.shell,
        script=spec.script,
        environment=spec.environment,
        setup=spec.setup,
        variables=tuple(_variables(job, placement, host, group_size).items()),
        output=spec.output,
        input=spec.input,
        cpus=placement.cpus,
        memory_mb=placement.memory_mb,
        devices=placement.devices,
        device_memory_mb=placement.device_memory_mb,
        time_limit_s=spec.time_limit_s,
        grace_s=spec.grace_s,
        detach=spec.detach,
        follows=placement.follows,
        assigned_boot_id=placement.boot_id,
        tty=spec.tty,
        checkpoint=spec.checkpoint,
        ports=spec.ports_wanted,
        code=spec.code if spec.code is not None and spec.code.frozen else None,
        python=spec.python if policy != "ignore" else None,
        drift=policy,
    )


def stop_order(job: Job, request: StopRequest) -> StopOrder:
    """What the agent needs to end a job's present attempt."""
    grace_s = 0.0 if request.signal == SIGKILL else request.grace_s
    grace_s = job.spec.grace_s if grace_s is None else grace_s
    return StopOrder(key_of(job), request.outcome.value, request.signal, grace_s, request.at)


def terms_of(job: Job) -> Terms:
    """How a job's present attempt is to go on."""
    return Terms(key_of(job), job.spec.time_limit_s, job.paused)


def _variables(job: Job, placement: Placement, host: Host | None, group_size: int) -> dict[str, str]:
    number = job.attempt.number if job.attempt else 1
    variables = {
        "RUNYARD_JOB_ID": str(job.id),
        "RUNYARD_ATTEMPT": str(number),
        "RUNYARD_JOB_NAME": job.spec.label,
        "RUNYARD_QUEUE": job.spec.queue,
    }
    if job.spec.retry.env and job.attempt is not None:
        variables.update(retry.variables(job.spec.retry, job.attempt.earlier))
    if job.resume is not None:
        variables.update(job.resume.variables)
        variables[RESUME_VARIABLE] = "1"
        variables["RUNYARD_RESUMED_FROM"] = attempt_name(job.id, job.resume.number)
    if job.group is not None:
        variables["RUNYARD_GROUP_ID"] = str(job.group)
    if job.spec.array_index is not None:
        variables["RUNYARD_ARRAY_INDEX"] = str(job.spec.array_index)
    if job.spec.params:
        variables[PARAMS_VARIABLE] = params_json(job.spec.params)
    devices = {device.uuid: device.index for device in host.devices} if host else {}
    if devices:
        variables["CUDA_VISIBLE_DEVICES"] = ",".join(placement.devices)
        variables["RUNYARD_GPUS"] = ",".join(str(devices[uuid]) for uuid in placement.devices if uuid in devices)
    if job.spec.slurm_env:
        variables.update(slurm_twins(job, placement, host, variables, group_size))
    return variables

"""What a job asks of sbatch."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from runyard.errors import InvalidSpec
from runyard.pipeline.reading.options import job_options, spec_of
from runyard.pipeline.reading.sbatch import EITHER, FLAGS, VALUED, asked
from runyard.pipeline.render import slurm
from runyard.pipeline.spec import PipelineJob


def asks(pipeline: dict[str, Any] | None = None, **options: Any) -> dict[str, str]:
    spec = spec_of("p", pipeline or {}, warnings.warn)
    return asked(spec, PipelineJob("job", "true", **job_options(options, warnings.warn)))


def test_each_option_is_of_one_kind() -> None:
    assert not FLAGS & EITHER
    assert not FLAGS & VALUED
    assert not EITHER & VALUED


def test_the_words_of_every_backend() -> None:
    assert asks(cpus=2, mem="8GB", gpus=[0, 1]) == {"cpus_per_task": "2", "mem": "8192", "gres": "gpu:2"}
    assert asks({"cpus": 4, "mem": "1GB"}) == {"cpus_per_task": "4", "mem": "1024"}
    assert asks(gpus=0, output_fpath="/o.log") == {"output": "/o.log"}


def test_flags_and_values() -> None:
    assert asks(requeue=True, container="/bundle", mem_per_cpu="2GB", exclusive=True, nice=0, verbose=2) == {
        "requeue": "",
        "container": "/bundle",
        "mem_per_cpu": "2048",
        "exclusive": "",
        "nice": "0",
        "verbose": "",
    }
    assert asks(begin=60) == {"begin": "now+60"}
    assert asks(begin="16:00") == {"begin": "16:00"}
    assert asks(quiet=True, ignore_pbs=True, hold=False, reboot=0, time=None) == {}


def test_a_job_goes_before_its_pipeline() -> None:
    common = {"hold": True, "partition": "long", "mem": 100, "requeue": True, "gres": "gpu:4,shard:1"}
    assert asks(common, hold=False, mem_per_cpu=5, no_requeue=True, partition="short", gpus=1) == {
        "partition": "short",
        "gres": "gpu:1,shard:1",
        "mem_per_cpu": "5",
        "no_requeue": "",
    }
    assert asks(common) == {"hold": "", "partition": "long", "mem": "100", "requeue": "", "gres": "gpu:4,shard:1"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"time": True}, "job 'job': time: needs a value"),
        ({"time": ""}, "time: needs a value"),
        ({"hold": "yes"}, "hold: has no value"),
        ({"wait": True}, "wait: leave it out"),
        ({"mem_per_cpu": "much"}, "mem_per_cpu: 'much' is no amount of memory"),
        ({"gpus": 1, "gres": "gpu:1"}, "GPUs are asked for twice"),
    ],
)
def test_what_sbatch_would_not_understand(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidSpec, match=says):
        asks(**options)


def test_readable() -> None:
    spec = spec_of("demo", {"partition": "main"}, warnings.warn)
    first = PipelineJob("first", "echo hello", **job_options({"gpus": 1, "comment": "it's $me"}, warnings.warn))
    second = PipelineJob("second", "echo world", ("first",), options=(("dependency", "afterany:7"),))
    text = slurm.readable(type(spec)("demo", (first, second), options=spec.options))
    assert text.split("\n#\n", 1)[1] == GOLDEN


GOLDEN = """\
### Command 1 / 2 - first
JOB_000=$(sbatch --parsable --job-name="first" --partition=main --comment="it's \\$me" --gres=gpu:1 <<'JOB'
#!/usr/bin/env bash
echo hello
JOB
)
#
### Command 2 / 2 - second
JOB_001=$(sbatch --parsable --job-name="second" "--dependency=afterok:${JOB_000},"afterany:7 --partition=main <<'JOB'
#!/usr/bin/env bash
echo world
JOB
)
"""

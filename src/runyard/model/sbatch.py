"""The options of sbatch, by whether they have a value. Lines of scripts and pipelines are read by this table."""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


FLAGS = _names(
    "contiguous hold ignore-pbs no-requeue overcommit oversubscribe parsable quiet reboot requeue spread-job test-only"
    " usage use-min-nodes verbose wait"
)
"""Options without a value."""

EITHER = _names("exclusive get-user-env nice no-kill propagate resv-ports")
"""Options that can have a value."""

VALUED = _names(
    "account acctg-freq array batch bb bbf begin chdir cluster-constraint clusters comment constraint container"
    " core-spec cores-per-socket cpu-freq cpus-per-gpu cpus-per-task deadline delay-boot dependency distribution error"
    " exclude export export-file extra extra-node-info gid gpu-bind gpu-freq gpus gpus-per-node gpus-per-socket"
    " gpus-per-task gres gres-flags hint input job-name kill-on-invalid-dep licenses mail-type mail-user mcs-label mem"
    " mem-bind mem-per-cpu mem-per-gpu mincpus network nodefile nodelist nodes ntasks ntasks-per-core ntasks-per-gpu"
    " ntasks-per-node ntasks-per-socket open-mode output partition power prefer priority profile qos reservation"
    " segment signal sockets-per-node switches thread-spec threads-per-core time time-min tmp tres-bind tres-per-task"
    " uid wait-all-nodes wckey wrap"
)
"""Options with a value."""

OPTIONS = FLAGS | EITHER | VALUED

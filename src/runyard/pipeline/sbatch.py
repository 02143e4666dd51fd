"""The options of sbatch that a pipeline and its jobs may have, by their names with `_` for `-`. Pure.

What a pipeline says itself is missing: job-name, dependency, wrap, parsable, and what would submit nothing.
"""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


FLAGS = _names(
    "contiguous get_user_env hold ignore_pbs no_kill no_requeue overcommit oversubscribe quiet reboot requeue"
    " spread_job use_min_nodes verbose wait"
)
"""Options without a value (some of them may have one)."""

VALUED = _names(
    "account acctg_freq array batch bb bbf begin chdir cluster_constraint clusters comment constraint container"
    " core_spec cores_per_socket cpu_freq cpus_per_gpu cpus_per_task deadline delay_boot dependency distribution error"
    " exclude exclusive export export_file extra extra_node_info gid gpu_bind gpu_freq gpus_per_node gpus_per_socket"
    " gpus_per_task gres gres_flags hint input licenses mail_type mail_user mcs_label mem_bind mem_per_cpu mem_per_gpu"
    " mincpus network nice nodefile nodelist nodes ntasks ntasks_per_core ntasks_per_gpu ntasks_per_node"
    " ntasks_per_socket open_mode output partition power prefer priority profile propagate qos reservation signal"
    " sockets_per_node switches thread_spec threads_per_core time time_min tmp tres_bind tres_per_task uid"
    " wait_all_nodes wckey"
)
"""Options with a value."""

SBATCH = FLAGS | VALUED

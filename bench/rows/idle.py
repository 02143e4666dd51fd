"""What a yard costs that does nothing: memory of server, agent and zygote, CPU time, and one runner's own memory."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench import processes
from bench.figures import Beside, Line
from bench.scale import Scale
from bench.yard import yard

MEMORY_MB, CPU_PERCENT, RUNNER_MB = 100.0, 0.5, 3.0
DAEMONS = ("ry-server", "ry-agent", "ry-zygote")
SETTLE_S = 2.0


def measure(scale: Scale) -> Iterator[Line]:
    """Three Lines."""
    with yard() as own:
        time.sleep(SETTLE_S)
        pids = {name: processes.named(own.home.root, name) for name in DAEMONS}
        memory = {name: [processes.memory(pid) for pid in of_name] for name, of_name in pids.items()}
        before, begin = {pid: processes.cpu_s([pid]) for pid in processes.of_home(own.home.root)}, time.monotonic()
        time.sleep(scale.idle_s)
        left = processes.of_home(own.home.root)  # an agent lets runners go that it has too many of
        used = sum(processes.cpu_s([pid]) - before.get(pid, 0.0) for pid in left)
        cpu = 100 * used / (time.monotonic() - begin)
        their = [processes.memory(pid) for pid, name in left.items() if name == "ry-runner"]
    if not their or not all(memory.values()):
        raise RuntimeError(f"not all daemons were found: {pids}, {len(their)} runners")
    rss = sum(one.rss for of_name in memory.values() for one in of_name) / 1024
    pss = sum(one.pss for of_name in memory.values() for one in of_name) / 1024
    each = ", ".join(f"{name[3:]} {sum(one.rss for one in of) / 1024:.0f}" for name, of in memory.items())
    yield Line(
        "idle server + agent + zygote, resident together (what they share counted once; sum of RSS)",
        f"{pss:.0f} MB ({rss:.0f} MB)",
        (Beside("each:", each),),
        f"< {MEMORY_MB:.0f} MB",
        pss < MEMORY_MB,
        {"rss_mb": [rss], "pss_mb": [pss]},
    )
    yield Line(
        f"the same and its runners, CPU over {scale.idle_s:.0f} s",
        f"{cpu:.2f} % of a core",
        target=f"< {CPU_PERCENT} %",
        met=cpu < CPU_PERCENT,
        samples={"percent": [cpu]},
    )
    own_mb = max(one.own for one in their) / 1024
    yield Line(
        "one runner's own memory (Private_Dirty)",
        f"{own_mb:.1f} MB",
        (Beside("its RSS", f"{max(one.rss for one in their) / 1024:.1f} MB"),),
        f"< {RUNNER_MB:.0f} MB",
        own_mb < RUNNER_MB,
        {"own_mb": [one.own / 1024 for one in their]},
    )

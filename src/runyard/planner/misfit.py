"""Why a job that may run does not fit now: the Reason with its numbers, blockers and time.

Called by `planner.plan` for each shape that it closes. Code `foreign` means that no end of a job of ours would help;
where one would, what sits on the devices from outside is told behind the numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

from runyard.model.listing import shown
from runyard.model.spec import Resources
from runyard.model.view import Reason
from runyard.planner.fit import HostLedger
from runyard.planner.reserve import Chance, Outlook
from runyard.planner.words import BLOCKERS, LISTED, gpus, megabytes, plural


def reason(resources: Resources, hosts: Sequence[HostLedger], chances: Sequence[Chance], outlook: Outlook) -> Reason:
    """Why none of these hosts takes a job that asks for this now; `chances` are those of `outlook`."""
    if not chances:
        return _helpless(resources, hosts)
    best = chances[0]
    if not best.ends:
        return _later(best.host)
    text = _lack(resources, best.host) + (f" on {best.host.name}" if len(hosts) > 1 else "")
    found = _withheld(resources, best.host)
    blockers = dict.fromkeys(holding.job_id for holding in outlook.needed(best, resources))
    return Reason(
        "resources", f"{text}; {shown(found, LISTED)}" if found else text, tuple(blockers)[:BLOCKERS], best.at
    )


def _later(host: HostLedger) -> Reason:
    """It would fit, but what is free is kept for a job before it."""
    first = host.promise.job_id if host.promise is not None else 0
    return Reason("priority", f"job {first} comes first", (first,), None)


def _helpless(resources: Resources, hosts: Sequence[HostLedger]) -> Reason:
    """Nothing that the queue runs could make room: outsiders, faults, or jobs that cannot be killed."""
    found = [text for host in hosts for text in _withheld(resources, host)]
    stuck = sorted({h.job_id for host in hosts for h in host.holdings if h.stuck})
    if found:
        return Reason("foreign", shown(found, LISTED), tuple(stuck))
    text = _lack(resources, hosts[0]) + (f"; job {stuck[0]} cannot be killed" if stuck else "")
    return Reason("resources", text, tuple(stuck))


def _withheld(resources: Resources, host: HostLedger) -> list[str]:
    if not resources.gpus.count:
        return []
    slots = [host.free.slots[i] for i in host.wanted(resources.gpus)]
    return [slot.withheld for slot in slots if slot.withheld]


def _lack(resources: Resources, host: HostLedger) -> str:
    """What is asked for and not there: "2 GPUs; 1 free", or "2 GPUs (1 free), 4 CPUs (0 free)"."""
    free, lacks = host.free, []
    wanted = host.wanted(resources.gpus) if resources.gpus.count else []
    count = sum(free.slots[i].open_to(resources.gpus) for i in wanted)
    if count < resources.gpus.count:
        lacks.append((gpus(resources.gpus), str(count)))
    if resources.cpus > max(free.cpus, 0):
        lacks.append((plural(resources.cpus, "CPU"), str(max(free.cpus, 0))))
    if resources.memory_mb > max(free.memory_mb, 0):
        lacks.append((f"{megabytes(resources.memory_mb)} memory", megabytes(max(free.memory_mb, 0))))
    if len(lacks) == 1:
        return f"{lacks[0][0]}; {lacks[0][1]} free"
    return ", ".join(f"{asked} ({left} free)" for asked, left in lacks)

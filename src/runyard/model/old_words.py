"""The words of older systems for where a job stands, and ours for them.

They are accepted after `state:`, in any case of letters, wherever they are not ours already (`running`, `failed`,
`done`, `killed`, `timeout` mean what they mean here). Que's four locations are views of `ls` too.
"""

from __future__ import annotations

from runyard.model.job import ON_HOSTS, WAITING
from runyard.model.outcome import ENDED_BADLY

SUCCEEDED = ("succeeded",)
UNWANTED = ("cancelled", "skipped")
ENDED = SUCCEEDED + ENDED_BADLY + UNWANTED

NEW, CURRENT, OLD, FAIL = "new", "cur", "old", "fail"

VIEWS = {NEW: WAITING, CURRENT: ON_HOSTS, OLD: SUCCEEDED, FAIL: ENDED_BADLY + UNWANTED}
"""Que's locations: each job is in one of them."""

LOCATIONS = {
    **dict.fromkeys(("new", "to_run", "tr"), NEW),
    **dict.fromkeys(("cur", "cur_run", "cr"), CURRENT),
    **dict.fromkeys(("old", "old_runs", "or"), OLD),
    **dict.fromkeys(("fail", "fail_runs", "fr"), FAIL),
}
"""Every name of a location, in small letters."""

OLD_STATES: dict[str, tuple[str, ...]] = {
    **{name: VIEWS[view] for name, view in LOCATIONS.items()},
    # Que's worker
    "training": ("running",),
    "testing": ("running",),
    # dq
    "queue": WAITING,
    "active": ON_HOSTS,
    "complete": ENDED,
    "abort": ("cancelled",),
    # cloudmesh job and queue
    "undefined": WAITING,
    "ready": WAITING,
    "submitted": ON_HOSTS,
    "run": ("starting", "running"),
    "start": ("running",),
    "end": (*SUCCEEDED, "failed"),
    "kill": ("killed", "cancelled"),
    "crash": ("lost",),
    "fail_start": ("not-started",),
    # Slurm's words and letters
    "pd": WAITING,
    "configuring": ("starting",),
    "cf": ("starting",),
    "r": ("running",),
    "completing": ("stopping",),
    "cg": ("stopping",),
    "completed": SUCCEEDED,
    "cd": SUCCEEDED,
    "f": ("failed", "killed"),
    "ca": ("cancelled",),
    "to": ("timeout",),
    "out_of_memory": ("oom",),
    "nf": ("lost",),
    "node_fail": ("lost",),
    "suspended": ("paused",),
    "s": ("paused",),
    # PBS and Grid Engine
    "q": WAITING,
    "qw": WAITING,
    "h": ("held",),
    "hqw": ("held",),
    "e": ("stopping",),
    "c": ENDED,
    # the message queue of learning servers, and others
    "pushed": ON_HOSTS + ENDED,
    "error": ENDED_BADLY,
    "success": SUCCEEDED,
    "passed": SUCCEEDED,
    "aborted": ("cancelled",),
    "canceled": ("cancelled",),
}


def location(word: str) -> str:
    """Which of the four views this is a name of ("" if of none)."""
    return LOCATIONS.get(word.lower(), "")

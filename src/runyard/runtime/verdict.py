"""What is known of an attempt from its run file, on the machine that took the claim. The one table:

    lock held                         adopt: the runner lives
    ended                             ended: report it
    no claim, and we create it        never-started: a late runner finds our claim and starts nothing
    claim, no ended, other boot id    lost: the host was restarted
    claim, no ended, same boot        lost: the runner died (end what is left of the family before saying so)

(A runner that lives may hold the lock of an attempt that has ended: that one has ended.) A claim that an agent took,
to give the attempt up, is never-started too. A claim whose record is not whole, or one that may have been swallowed by
a restart of the host (`assigned_boot_id`), is lost: never-started is said only where it is certain. Where the file is
gone, but a runner has told of the attempt, that counts as claim and start, and the file is made again.
"""

from __future__ import annotations

import time
from typing import NamedTuple, Optional

from runyard.runtime import runfile
from runyard.runtime.rundir import RunDir, make_private
from runyard.runtime.runfile import Claim, Ended, Records

ADOPT = "adopt"
ENDED = "ended"
NEVER_STARTED = "never-started"
LOST = "lost"

REBOOT = "the host was restarted"
RUNNER_DIED = "the runner died"
DAMAGED = "the run file is damaged"

TRIES = 3


class Here(NamedTuple):
    """Where and who we are; it becomes part of our claims."""

    host_id: str
    boot_id: str
    pid_namespace: int
    pid: int
    start_time: int


class Verdict(NamedTuple):
    """`word` is one of the four above; `reason` says why it is lost."""

    word: str
    records: Records
    reason: str = ""

    @property
    def family_may_live(self) -> bool:
        """What is left of the family has to be ended before the attempt is called lost."""
        return self.word == LOST and self.reason != REBOOT and self.records.claim is not None


def judge(
    run_dir: RunDir, token: str, here: Here, assigned_boot_id: str = "", told: Optional[Records] = None
) -> Verdict:
    """The verdict over an attempt that no runner of ours answers for. Takes the claim where there is none, so an
    attempt that never started never will. `token` is that of the order; `assigned_boot_id` the boot in which the
    order was made; `told` what its runner has said while it lived. Raises OSError where the claim cannot be written
    (disk full): nothing is known then."""
    rebooted = assigned_boot_id not in ("", here.boot_id)
    for _ in range(TRIES):
        seen = look(run_dir, here)
        if seen is not None and (seen.records.touched or not rebooted):
            return seen
        if rebooted:
            return Verdict(LOST, Records(), REBOOT)
        records = told or Records(claim_of(here, run_dir, token))
        make_private(run_dir.path)
        if records.claim is not None and runfile.give_up(run_dir.run, records.claim, records.started):
            return _over(records, here)
    raise OSError(f"{run_dir.run} comes and goes")


def look(run_dir: RunDir, here: Here) -> Optional[Verdict]:
    """The verdict as far as it can be read without taking anything; None where there is no run file."""
    try:
        held, records = runfile.look(run_dir.run)
    except FileNotFoundError:
        return None
    return Verdict(ADOPT, records) if held and records.ended is None else _over(records, here)


def _over(records: Records, here: Here) -> Verdict:
    """The verdict over an attempt whose lock is free."""
    claim = records.claim
    if records.ended is not None:
        return Verdict(ENDED, records)
    if claim is None:
        return Verdict(LOST, records, DAMAGED) if records.touched else Verdict(NEVER_STARTED, records)
    if claim.by == "agent":
        return Verdict(NEVER_STARTED, records)
    return Verdict(LOST, records, RUNNER_DIED if claim.boot_id == here.boot_id else REBOOT)


def record_lost(run_dir: RunDir, reason: str) -> None:
    """Make the verdict final in the run file: every later look finds the same."""
    now = time.time()
    runfile.add_ended(run_dir.run, Ended(None, LOST, reason, "inferred", 0.0, 0.0, now, 0.0))


def claim_of(here: Here, run_dir: RunDir, token: str) -> Claim:
    """The claim by which an agent gives an attempt up."""
    return Claim(run_dir.job, run_dir.number, token, *here, time.time(), "agent")

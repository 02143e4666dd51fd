"""A verb on another machine's yard: `ry --host gpu1 ls` beside `ry ls` on that machine, by a real sshd on loopback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.directory import directory
from bench.figures import Beside, Line, ms, spread
from bench.rows.command import wall
from bench.scale import Scale
from bench.yard import COMMAND, yard
from tests.harness import processes
from tests.harness.sshd import SSHD, Sshd

MOST = 1.5
"""So much longer than on the machine itself may a verb take."""


def measure(scale: Scale) -> Iterator[Line]:
    """Two Lines: a login, and every later verb; that takes turns with the same verb on the machine itself."""
    if not SSHD:
        yield Line("a verb on another machine's yard", "not measured: there is no sshd here (openssh-server)")
        return
    with yard() as there, directory() as place:
        path = f"{os.path.dirname(COMMAND)}:{os.defpath}"
        machine = Sshd(Path(place) / "sshd", f"export PATH='{path}' RUNYARD_HOME='{there.home.root}'")
        home = os.path.join(place, "laptop")
        here = machine.environ({**there.environ, "RUNYARD_HOME": home})
        far = (COMMAND, "--host", "gpu1", "ls")
        login: list[float] = []
        near: list[float] = []
        later: list[float] = []
        try:
            for _ in range(scale.repeats):
                login.append(wall((COMMAND, "use", "gpu1"), here))
                wall((COMMAND, "use", "local"), here)
            wall(far, here)
            for _ in range(scale.latencies):
                near.append(wall((COMMAND, "ls"), there.environ))
                later.append(wall(far, here))
        finally:
            machine.end()
            processes.end_all(home)
    here_s, far_s = median(near), median(later)
    yield Line("a login, as the first verb makes one (`ry use gpu1`)", spread(login), samples={"seconds": login})
    yield Line(
        "a later `ry --host gpu1 ls` in a pipe",
        spread(later),
        (Beside("`ry ls` on that machine", ms(here_s), far_s / here_s),),
        f"< {MOST} of it",
        far_s < MOST * here_s,
        {"seconds": later, "there_s": near},
    )

"""Nothing of one attempt reaches the next: what a command can change of itself, and of its runner, stays with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.runtime.rig import Rig

REPORT = """
import json, os, resource, signal, sys
limits = {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")}
print(json.dumps({
    "umask": os.umask(0),
    "cwd": os.getcwd(),
    "nice": os.nice(0),
    "limits": limits,
    "ignored": [int(n) for n in signal.valid_signals() if n not in (13, 25)
                and signal.getsignal(n) == signal.SIG_IGN],
    "status": [line for line in open("/proc/self/status") if line.startswith(("SigBlk", "SigIgn", "SigCgt"))],
    "files": sorted(os.readlink("/proc/self/fd/" + fd) for fd in "012"),
    "open": len(os.listdir("/proc/self/fd")),
    "environment": sorted(name for name in os.environ if name != "LC_CTYPE"),
    "affinity": sorted(os.sched_getaffinity(0)),
    "groups": os.getgroups(),
    "oom": open("/proc/self/oom_score_adj").read(),
    "argv": sys.argv,
}, indent=1, sort_keys=True))
"""

SPOIL = """
import os, resource, signal, sys
def spoil():
    os.umask(0o777)
    os.nice(5)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    for number in (1, 2, 3, 10, 12, 13, 15):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [10, 12])
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    open("/proc/self/oom_score_adj", "w").write("500")
    os.environ["LEFT"] = "over"
    os.set_inheritable(os.open("/dev/zero", os.O_RDONLY), True)
spoil()
child = os.fork()
if child:
    os.waitpid(child, 0)
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
for fd in range(3, 20):
    try:
        os.close(fd)
    except OSError:
        pass
spoil()
os.system("exit 1")
"""
"""All that a command can do to itself, then again in a daemon of its own that the runner gets as a child."""


def report(rig: Rig, job: int) -> str:
    key = rig.start("python3", "-I", "-S", "-c", REPORT, job=job, workdir="/")
    assert rig.result(key).wait_status == 0, rig.output(key)
    rig.engine.forget(key)
    return rig.output(key).replace(f"{key.job_id}.1", "JOB")


def test_every_attempt_is_born_alike(rig: Rig) -> None:
    first = report(rig, 1)
    spoiler = rig.start("python3", "-I", "-S", "-c", SPOIL, job=2, variables=(("MINE", "1"),))
    assert rig.result(spoiler).wait_status == 0, rig.output(spoiler)
    runner = rig.runner(spoiler)
    rig.wait(lambda: runner in rig.idle())
    for job in range(3, 7):
        key = rig.start("true", job=job)
        rig.ended(key)
        if rig.runner(key) == runner:
            break
    else:
        pytest.fail("the runner of the spoiler takes no more")
    assert report(rig, 10) == first
    assert report(rig, 11) == first


ODD_SHELL = """
import os, signal, sys
from pathlib import Path
for number in (1, 2, 3, 10, 12, 15, 17, 20, 21, 22):
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [2, 10, 12, 15])
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
os.umask(0o777)
os.environ["LEFT"] = "over"
os.set_inheritable(os.open("/dev/zero", os.O_RDONLY), True)
os.umask(0o022)
from tests.integration.runtime.rig import Rig
from tests.integration.runtime.test_isolation import report
signal.signal(17, signal.SIG_DFL)
rig = Rig(Path(sys.argv[1]))
print(report(rig, 1))
assert rig.clean() == []
"""


def test_the_shell_that_started_the_agent_does_not_reach_a_job(tmp_path: Path, rig: Rig) -> None:
    """Signals ignored and blocked, one CPU, a variable, an open file."""
    argv = [sys.executable, "-c", ODD_SHELL, str(tmp_path / "odd")]
    (tmp_path / "odd").mkdir()
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.replace(str(tmp_path / "odd"), str(tmp_path)).strip() == report(rig, 1).strip()


@pytest.mark.parametrize("number", range(3))
def test_a_token_is_of_one_attempt(rig: Rig, number: int) -> None:
    keys = [rig.start("printenv", "RUNYARD_TOKEN", job=job + 1) for job in range(number + 1)]
    for key in keys:
        rig.ended(key)
        assert rig.output(key) == key.token + "\n"

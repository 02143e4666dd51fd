"""A real Slurm on loopback: munged, slurmctld and three slurmd with two fake GPUs each, as the account of the test.

`Slurm` is the cluster; `environ` is what a shell needs so that `sbatch` and its like reach it. Nothing outside `root`
is read or written. A job that was submitted starts at the next full second of slurmctld, one that waits for another
some 30 ms after its end: an epilog, even an empty one, has slurmctld schedule at once. A thousand jobs take 16 s, as
long as their sbatch. Slurm knows a job for an hour (`job`). There is no accounting: sacct has nothing to say.

Slurm takes a GPU whose file is a character device, and any will do, as nothing confines a job to it: it only sets
CUDA_VISIBLE_DEVICES (0 and 1 on each node).
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.harness import processes
from tests.harness.ports import free_ports
from tests.harness.processes import PATIENCE_S

NODES = ("n1", "n2", "n3")
GPUS_OF_A_NODE = ("/dev/null", "/dev/zero")
CPUS_OF_A_NODE = 16

SBIN = "/usr/sbin:/usr/local/sbin:/sbin"
DAEMONS = {name: shutil.which(name, path=SBIN) for name in ("munged", "slurmctld", "slurmd")}
INSTALLED = all(DAEMONS.values())

LOOK_S = 0.02
MUNGE_KEY_BYTES = 128

SLURM_CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={account}
SlurmdUser={account}
AuthType=auth/munge
AuthInfo=socket={root}/munge.sock
CredType=cred/munge
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/%n.spool
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/%n.log
PlugStackConfig=/dev/null
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=0,batch_sched_delay=0,default_queue_depth=10000
Epilog=/bin/true
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
MinJobAge=3600
MaxJobCount=20000
KillWait=1
MailProg=/bin/true
GresTypes=gpu
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} RealMemory=16000 Gres=gpu:{gpus}"
GPU = "NodeName={name} Name=gpu File={device}"


class Slurm:
    """The cluster. It is up, with idle nodes, when it has been made; `end` leaves no process of it and of its jobs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(mode=0o700, parents=True)
        self._conf = root / "slurm.conf"
        self._configure()
        self._running: list[subprocess.Popen[bytes]] = []
        try:
            self._start_munged()
            self._start("slurmctld", "-D", "-f", self._conf)
            for name in NODES:
                self._start("slurmd", "-D", "-N", name, "-f", self._conf)
            self._when("its nodes are idle", lambda: self._nodes() == ["idle"] * len(NODES))
        except BaseException:
            self.end()
            raise

    def environ(self, environ: Mapping[str, str]) -> dict[str, str]:
        """These variables, and which Slurm is meant."""
        return {**environ, "SLURM_CONF": str(self._conf)}

    def ask(self, *argv: str) -> str:
        """What a command of Slurm prints; it has to succeed."""
        ended = self._call(*argv)
        assert not ended.returncode, f"{' '.join(argv)}: {ended.stderr}{self._log()}"
        return ended.stdout

    def job(self, number: int) -> dict[str, str]:
        """What `scontrol show job` knows: `JobState` (COMPLETED), `ExitCode` (7:0: code and signal), `Reason` ..."""
        words = self.ask("scontrol", "--oneliner", "show", "job", str(number)).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def queue(self) -> list[int]:
        """The numbers of the jobs that wait or run."""
        return [int(line) for line in self.ask("squeue", "--noheader", "--array", "--format", "%A").split()]

    def drain(self, patience_s: float = PATIENCE_S) -> None:
        """Wait until every job has ended."""
        self._when("its queue is empty", lambda: not self.queue(), patience_s)

    def clear(self) -> None:
        """Cancel what a test has left in the queue, and wait until it is gone."""
        if left := self.queue():
            self.ask("scancel", "--full", *map(str, left))
            self.drain()

    def end(self) -> None:
        """Kill the daemons, the steps of jobs and their commands."""
        processes.end_marked(f"SLURM_CONF={self._conf}")
        for daemon in self._running:
            daemon.wait(PATIENCE_S)

    def _configure(self) -> None:
        (self.root / "state").mkdir()
        host = os.uname().nodename.split(".")[0]
        port, *ports = free_ports(1 + len(NODES))
        nodes = [
            NODE.format(name=name, host=host, port=its, cpus=CPUS_OF_A_NODE, gpus=len(GPUS_OF_A_NODE))
            for name, its in zip(NODES, ports, strict=True)
        ]
        account = pwd.getpwuid(os.getuid()).pw_name
        text = SLURM_CONF.format(root=self.root, host=host, port=port, account=account, nodes="\n".join(nodes))
        self._conf.write_text(text)
        gpus = [GPU.format(name=name, device=device) for name in NODES for device in GPUS_OF_A_NODE]
        (self.root / "gres.conf").write_text("\n".join(gpus) + "\n")
        (self.root / "cgroup.conf").write_text("")

    def _start_munged(self) -> None:
        """Whoever has its key signs messages; `--force`, as it wants its socket where everybody can reach it."""
        key = self.root / "munge.key"
        key.touch(0o600)
        key.write_bytes(os.urandom(MUNGE_KEY_BYTES))
        files = {
            "key-file": key,
            "log-file": self.root / "munge.log",
            "pid-file": self.root / "munge.pid",
            "seed-file": self.root / "munge.seed",
            "socket": self.root / "munge.sock",
        }
        options = [f"--{option}={path}" for option, path in files.items()]
        self._start("munged", "--foreground", "--force", "--num-threads=2", *options)
        self._when("munged listens", files["socket"].exists)

    def _start(self, name: str, *arguments: str | Path) -> None:
        """A daemon in the foreground, which dies with the test run if that is killed."""
        argv = ["setpriv", "--pdeathsig", "KILL", DAEMONS[name] or name, *arguments]
        with open(self.root / "daemons.log", "ab") as log:
            self._running.append(
                subprocess.Popen(
                    argv,
                    env=self.environ(os.environ),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def _call(self, *argv: str) -> subprocess.CompletedProcess[str]:
        environ = self.environ(os.environ)
        return subprocess.run(argv, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)

    def _nodes(self) -> list[str]:
        """Their states; nothing while slurmctld does not answer."""
        return self._call("sinfo", "--noheader", "--Node", "--format", "%t").stdout.split()

    def _when(self, what: str, holds: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        end = time.monotonic() + patience_s
        while not holds():
            dead = [daemon.args for daemon in self._running if daemon.poll() is not None]
            assert not dead, f"{dead} has ended: {self._log()}"
            assert time.monotonic() < end, f"not so in {patience_s:g} s: {what}. {self._log()}"
            time.sleep(LOOK_S)

    def _log(self) -> str:
        """The last that its daemons have said."""
        logs = [self.root / name for name in ("daemons.log", "slurmctld.log")]
        return "\n".join(log.read_text(errors="replace")[-2000:] for log in logs if log.exists())

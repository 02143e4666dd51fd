"""What `make demo` runs: a real sweep through the installed `ry`, with a kill -9 of the server in the middle.

A template of the training script, whose parameters are found in its parser; nine cells of a sweep, two at a time; one
fails on purpose and is retried; a job that depends on all of them ranks the results and draws them. The exit code is 0
only if every training ran exactly as often as it should, the killed server's successor adopted the running ones, the
results are right and nothing is left running.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from screen import Row, Screen
from yard import DemoError, Job, Process, Server, Yard, wait_until

HERE = Path(__file__).resolve().parent
NAME = "digits"
"""Of the template and of the sweep."""
PICTURE = "digits-results.png"
COLLECTOR = "collect"
PARALLEL = 2
EPOCHS = 40
TRAINING_S = 9.0
SHORTEST_S = 5.0
LIMIT_S = 115.0
ADOPTION_S = 20.0
CHECKPOINT_S = 5.0
KILL_BEFORE_SHARE = 0.65
"""The server is killed when the running trainings have done no more than this: they outlast its successor's start."""
PATIENCE = 5
"""With so many done, the server is killed even if only one of the running trainings is as far as that."""


@dataclass(frozen=True)
class Setting:
    """One cell of the sweep; `cell` is its number."""

    cell: int
    lr: str
    hidden: int
    broken: bool = False

    @property
    def name(self) -> str:
        """Of its job."""
        return f"{NAME}[{self.cell}]"

    @property
    def directory(self) -> str:
        """Where its results are."""
        return f"lr{self.lr}-h{self.hidden}"

    @property
    def attempts(self) -> list[int]:
        """The attempts that this training has to need."""
        return [1, 2] if self.broken else [1]


SWEEP = (
    Setting(0, "0.01", 32),
    Setting(1, "0.003", 32, broken=True),
    Setting(2, "0.003", 128),
    Setting(3, "0.001", 64),
    Setting(4, "0.03", 64),
    Setting(5, "0.1", 32),
    Setting(6, "0.001", 16),
    Setting(7, "0.2", 16),
    Setting(8, "0.0003", 16),
)
BY_NAME = {setting.name: setting for setting in SWEEP}


def main() -> int:
    parser = argparse.ArgumentParser(description="A sweep of trainings that survives the death of the server.")
    parser.add_argument("--keep", action="store_true", help="keep the yard's temporary directory")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    began = time.monotonic()
    try:
        with Yard(keep=options.keep) as yard:
            show(yard, began + LIMIT_S)
        if yard.left_over:
            raise DemoError("left running, and killed: " + ", ".join(yard.left_over))
    except DemoError as error:
        print(f"the demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; nothing is left running", file=sys.stderr)
        return 130
    say("done", f"all right, in {time.monotonic() - began:.0f} s; the server is stopped and nothing is left running")
    return 0


def show(yard: Yard, deadline: float) -> None:
    """The demo, step by step."""
    screen = Screen(yard, deadline)
    add_template(yard)
    submit_sweep(yard)
    collector = submit_collector(yard)
    say("4/7", "live progress, from `ry ls --cells` and `ry tail`")
    try:
        rows = screen.watch(good_moment)
        adopted = kill_server(yard, in_the_midst(rows))
        rows = screen.watch(lambda rows: all(row.job.done for row in rows))
        jobs = [row.job for row in rows]
        check_outcomes(jobs)
        print_ranking(yard, collector)
        verify(jobs, yard.work, adopted)
    except DemoError:
        print_traces(yard)
        raise


def add_template(yard: Yard) -> None:
    """Makes a template of the training script; what stands in braces, and what its parser takes, can be swept over."""
    train = [sys.executable, str(HERE / "train.py"), "--epochs", str(EPOCHS), "--min-seconds", str(TRAINING_S)]
    train += ["--lr", "{lr}", "--hidden", "{hidden}", "--out", "runs/lr{lr}-h{hidden}"]
    say("1/7", f"ry template add {NAME} -- python train.py ...: its parameters come from the script's own parser")
    tell(yard.ry("template", "add", NAME, "--", *train).strip())


def submit_sweep(yard: Yard) -> None:
    """Submits a cell for each line of a table."""
    lines = [f"{one.lr},{one.hidden},{'true' if one.broken else 'false'}" for one in SWEEP]
    (yard.work / "settings.csv").write_text("\n".join(["lr,hidden,broken", *lines, ""]))
    say(
        "2/7",
        f"ry sweep add {NAME} --csv settings.csv --parallel {PARALLEL} --retries 1: {len(SWEEP)} cells; "
        f"{broken_name()} will fail once, on purpose",
    )
    ids = yard.ry("sweep", "add", NAME, "--csv", "settings.csv", "--parallel", str(PARALLEL), "--retries", "1").split()
    if len(ids) != len(SWEEP):
        raise DemoError(f"{len(SWEEP)} cells submitted, {len(ids)} ids returned: {' '.join(ids)}")


def submit_collector(yard: Yard) -> int:
    say("3/7", f"ry submit --after sweep:{NAME} ...: one job that waits for all of them and collects the results")
    names = [setting.directory for setting in SWEEP]
    collect = [sys.executable, str(HERE / "collect.py"), "runs", "--plot", PICTURE, "--expect", *names]
    return int(yard.ry("submit", "--name", COLLECTOR, "--after", f"sweep:{NAME}", "--", *collect))


def good_moment(rows: list[Row]) -> bool:
    """Whether some are done and as many as may train are in the midst of it; later one in the midst is enough."""
    done = sum(row.job.done for row in rows)
    if done == len(rows):
        raise DemoError("everything ended before the server could be killed")
    return done > 0 and len(in_the_midst(rows)) >= (PARALLEL if done < PATIENCE else 1)


def in_the_midst(rows: list[Row]) -> list[Row]:
    """The trainings that have begun, will not fail on purpose and will outlast the start of a server."""
    running = [row for row in rows if row.job.state == "running" and row.job.name in BY_NAME]
    return [row for row in running if 0 < row.share <= KILL_BEFORE_SHARE and not about_to_fail(row.job)]


def about_to_fail(job: Job) -> bool:
    return BY_NAME[job.name].broken and job.attempt == 1


def kill_server(yard: Yard, running: list[Row]) -> dict[str, int]:
    """Kills the server under the running trainings and returns the pid of each, by name, once they are adopted."""
    before = yard.server()
    trainings = {row.job.name: training_process(row, before) for row in running}
    listed = ", ".join(f"{row.job.name} (pid {trainings[row.job.name].pid}, epoch {row.step})" for row in running)
    say("5/7", f"kill -9 {before.pid}: the server dies while {listed} run")
    killed = Process.of(before.pid)
    os.kill(before.pid, signal.SIGKILL)
    if not wait_until(lambda: killed is None or not killed.alive, CHECKPOINT_S):
        raise DemoError(f"the server (pid {before.pid}) does not die")
    check_still_training(yard.work, trainings)
    after = next_server(yard, before, {row.job.id: row.job.name for row in running})
    tell(f"the next command, `ry ls`, started a new server (pid {after.pid}), which adopted them: same pids")
    return {name: process.pid for name, process in trainings.items()}


def training_process(row: Row, server: Server) -> Process:
    pid = server.running.get(row.job.id)
    process = Process.of(pid) if pid else None
    if process is None:
        raise DemoError(f"{row.job.name} is running, but `ry server status` has no living pid for it")
    return process


def check_still_training(work: Path, trainings: dict[str, Process]) -> None:
    """Without a server: the same processes live and go on writing checkpoints."""
    files = {name: out(work, BY_NAME[name]) / "checkpoint.pkl" for name in trainings}
    written = {name: file.stat().st_mtime_ns for name, file in files.items()}
    for name, process in trainings.items():
        if not wait_until(partial(written_since, files[name], written[name]), CHECKPOINT_S):
            raise DemoError(f"{name} does not train on without the server")
        if not process.alive:
            raise DemoError(f"{name} (pid {process.pid}) died with the server")
    tell("no server now; the trainings are alive and wrote new checkpoints meanwhile")


def written_since(file: Path, moment_ns: int) -> bool:
    return file.stat().st_mtime_ns > moment_ns


def next_server(yard: Yard, before: Server, names: dict[int, str]) -> Server:
    """The server that the next command starts, once it has adopted what ran under the one before."""
    deadline = time.monotonic() + ADOPTION_S
    while True:
        ended = {job.id for job in yard.jobs() if job.done}
        now = yard.server()
        if now.pid == before.pid:
            raise DemoError(f"the killed server (pid {before.pid}) still answers")
        strange = [names[n] for n in names if n in now.running and now.running[n] != before.running[n]]
        if strange:
            raise DemoError(f"started a second time instead of adopted: {', '.join(strange)}")
        if names.keys() & now.running.keys() and names.keys() <= now.running.keys() | ended:
            return now
        if time.monotonic() > deadline:
            raise DemoError(f"the new server has not adopted {', '.join(names.values())}")


def print_ranking(yard: Yard, collector: int) -> None:
    """Waits for the collector, prints what it printed and takes its picture out of the yard."""
    say("6/7", f"ry wait {collector} && ry logs {collector}: the ranking")
    code = yard.call("wait", str(collector)).returncode
    print(yard.ry("logs", str(collector)))
    if code:
        raise DemoError(f"the collector exited with {code}")
    picture = Path.cwd() / PICTURE
    shutil.copyfile(yard.work / PICTURE, picture)
    tell(f"the picture: {picture}")


def check_outcomes(jobs: list[Job]) -> None:
    wrong = [f"{job.name}: {job.word}, exit code {job.exit_code}" for job in jobs if not succeeded(job)]
    if wrong:
        raise DemoError("; ".join(wrong))


def verify(jobs: list[Job], work: Path, adopted: dict[str, int]) -> None:
    """Every attempt was started once, no training was too short, the adopted ones kept their pids."""
    wrong = []
    if sorted(job.name for job in jobs) != sorted([*BY_NAME, COLLECTOR]):
        wrong.append(f"other jobs than submitted: {', '.join(job.name for job in jobs)}")
    attempts = {job.name: job.attempt for job in jobs}
    if attempts.get(COLLECTOR) != 1:
        wrong.append(f"{COLLECTOR}: attempt {attempts.get(COLLECTOR)} instead of 1")
    for setting in SWEEP:
        wrong += check_training(setting, attempts.get(setting.name, 0), out(work, setting))
    for name, pid in adopted.items():
        if starts(out(work, BY_NAME[name]))[-1]["pid"] != pid:
            wrong.append(f"{name}: adopted as pid {pid}, ended as another process")
    if wrong:
        raise DemoError("; ".join(wrong))
    say("7/7", f"verified: {len(jobs)} jobs succeeded; by the trainings' own account each attempt started once")
    tell(f"{broken_name()} needed attempt 2, everything else attempt 1; {', '.join(adopted)} kept their pids")


def succeeded(job: Job) -> bool:
    return job.done and job.outcome == "succeeded" and job.exit_code == 0


def check_training(setting: Setting, attempt: int, directory: Path) -> list[str]:
    """What is wrong with one training, by its own account of its starts and by its result."""
    wrong = []
    started = [start["attempt"] for start in starts(directory)]
    if started != setting.attempts:
        wrong.append(f"{setting.name}: started as attempts {started} instead of {setting.attempts}")
    if attempt != setting.attempts[-1]:
        wrong.append(f"{setting.name}: ended with attempt {attempt} instead of {setting.attempts[-1]}")
    seconds = json.loads((directory / "result.json").read_text())["seconds"]
    if seconds < SHORTEST_S:
        wrong.append(f"{setting.name}: trained {seconds:.1f} s only")
    return wrong


def starts(directory: Path) -> list[dict[str, int]]:
    return [json.loads(line) for line in (directory / "starts.jsonl").read_text().splitlines()]


def out(work: Path, setting: Setting) -> Path:
    return work / "runs" / setting.directory


def broken_name() -> str:
    return next(setting.name for setting in SWEEP if setting.broken)


def print_traces(yard: Yard) -> None:
    """What helps to understand a failure, before the yard is deleted."""
    commands = [["ls", "--all"], ["server", "status"], ["server", "logs"]]
    with contextlib.suppress(DemoError):
        commands += [["logs", str(job.id)] for job in yard.jobs() if job.done and not succeeded(job)]
    for command in commands:
        with contextlib.suppress(DemoError):
            ended = yard.call(*command)
            print(f"--- ry {' '.join(command)}\n{ended.stdout[-4000:]}{ended.stderr[-1000:]}", file=sys.stderr)


def say(step: str, text: str) -> None:
    print(f"\n[{step}] {text}", flush=True)


def tell(text: str) -> None:
    print(f"      {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

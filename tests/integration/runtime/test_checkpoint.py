"""What a command is offered to stop and go on, and what is made of its end: signal, exit code 85, out of memory."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from runyard.model.attempt import AttemptKey, Result
from runyard.model.checkpoint import DIRECTORY_VARIABLE, Checkpoint
from runyard.runtime.checkpoints import Checkpoints
from runyard.runtime.progress import ENTRIES_MAX, Mark, mark
from tests.integration.runtime.rig import Rig

WORKERS = "(trap 'echo worker >> heard' USR1; echo x >> ready; while :; do sleep 0.02; done) &"
LISTENS = "trap 'echo command >> heard' USR1; echo x >> ready; while :; do sleep 0.02; done"


class TestTheSignal:
    def asked(self, to_all: bool = False, before_s: float = 30.0) -> Checkpoint:
        return Checkpoint(signal=int(signal.SIGUSR1), signal_before_s=before_s, signal_all=to_all)

    def start(self, rig: Rig, **asked: Any) -> AttemptKey:
        """A command and a worker of it, both ready to hear; its time limit is far away."""
        key = rig.sh(f"{WORKERS} {LISTENS}", checkpoint=self.asked(**asked), time_limit_s=1_000.0, grace_s=0.1)
        rig.wait(lambda: rig.file("ready").read_text() == "x\nx\n", "both")
        rig.started(key)
        return key

    def test_it_comes_before_the_time_limit_and_to_the_command_alone(self, rig: Rig) -> None:
        key = self.start(rig)
        rig.adjust(key, 30.1)
        assert rig.file("heard").read_text() == "command\n"
        rig.adjust(key, 30.2)
        rig.wait(lambda: (rig.out / "heard").read_text() == "command\n" * 2, "once for each time limit")
        rig.stop(key)
        rig.ended(key)

    def test_to_all(self, rig: Rig) -> None:
        key = self.start(rig, to_all=True)
        rig.adjust(key, 30.1)
        rig.wait(lambda: sorted(rig.file("heard").read_text().split()) == ["command", "worker"], "both heard")
        rig.stop(key)
        rig.ended(key)

    def test_the_same_time_limit_told_again_is_no_news(self, rig: Rig) -> None:
        """As it is when an agent starts anew."""
        key = self.start(rig)
        rig.adjust(key, 30.1)
        rig.file("heard")
        rig.restart()
        rig.adjust(key, 30.1)
        rig.stop(key)
        rig.ended(key)
        assert (rig.out / "heard").read_text() == "command\n"

    def test_not_while_it_stands_still(self, rig: Rig) -> None:
        key = self.start(rig)
        rig.adjust(key, 1_000.0, paused=True)
        rig.adjust(key, 30.0, paused=True)
        rig.adjust(key, 1_000.0)
        rig.stop(key)
        rig.ended(key)
        assert not (rig.out / "heard").exists()


class TestExitCode85:
    def run(self, rig: Rig, text: str, job: int = 1, **more: Any) -> Result:
        directory = rig.out / "kept"
        directory.mkdir(exist_ok=True)
        more.setdefault("checkpoint", Checkpoint(requeue=True))
        key = rig.sh(text, job=job, variables=((DIRECTORY_VARIABLE, str(directory)),), **more)
        return rig.result(key)

    @pytest.mark.parametrize(
        "saves", ["echo x > $RUNYARD_CHECKPOINT_DIR/new", "echo more >> kept/old", "touch kept/old"]
    )
    def test_with_a_new_checkpoint(self, rig: Rig, saves: str) -> None:
        (rig.out / "kept").mkdir()
        (rig.out / "kept" / "old").write_text("x\n")
        result = self.run(rig, f"{saves}; exit 85")
        assert (result.why, result.wait_status) == ("checkpoint", 85 << 8)

    def test_without_one(self, rig: Rig) -> None:
        assert self.run(rig, "cat kept/*; exit 85").why == "unchanged"

    def test_at_the_time_limit(self, rig: Rig) -> None:
        text = "trap 'echo x > kept/new; exit 85' TERM; while :; do sleep 0.02; done"
        assert self.run(rig, text, time_limit_s=0.3).why == "checkpoint"

    def test_who_was_stopped_is_not_run_again(self, rig: Rig) -> None:
        (rig.out / "kept").mkdir()
        text = "trap 'echo x > kept/new; exit 85' TERM; echo x > ready; while :; do sleep 0.02; done"
        key = rig.sh(
            text, checkpoint=Checkpoint(requeue=True), variables=((DIRECTORY_VARIABLE, str(rig.out / "kept")),)
        )
        rig.file("ready")
        rig.started(key)
        rig.stop(key)
        assert (rig.result(key).why, rig.result(key).wait_status) == ("cancelled", 85 << 8)

    def test_only_where_it_was_asked_for(self, rig: Rig) -> None:
        assert self.run(rig, "echo x > kept/new; exit 85", checkpoint=Checkpoint(directory=True)).why == ""

    def test_another_code_is_another_end(self, rig: Rig) -> None:
        assert self.run(rig, "echo x > kept/new; exit 86").why == ""


class TestMarks:
    def test_what_is_below_counts_and_links_are_not_followed(self, tmp_path: Path) -> None:
        assert mark(str(tmp_path / "none")) == Mark()
        (tmp_path / "a" / "b").mkdir(parents=True)
        (tmp_path / "a" / "b" / "file").write_bytes(b"12345")
        (tmp_path / "loop").symlink_to(tmp_path)
        found = mark(str(tmp_path))
        assert found.files == 2
        (tmp_path / "a" / "b" / "file").write_bytes(b"123456")
        assert mark(str(tmp_path)).size == found.size + 1

    def test_very_many_are_read_in_part(self, tmp_path: Path) -> None:
        for index in range(ENTRIES_MAX + 50):
            (tmp_path / str(index)).touch()
        assert mark(str(tmp_path)).files == ENTRIES_MAX


class TestDirectories:
    def test_one_for_each_job_of_its_account_alone(self, tmp_path: Path) -> None:
        kept = Checkpoints(str(tmp_path / "checkpoints"))
        path = Path(kept.make(1_234))
        (path / "file").write_text("x")
        assert kept.make(1_234) == kept.path(1_234) == str(path)
        assert (path / "file").exists()
        for private in (path, path.parent, path.parent.parent):
            assert private.stat().st_mode & 0o777 == 0o700

    def test_those_that_nobody_wants_go_with_all_that_is_in_them(self, tmp_path: Path) -> None:
        kept = Checkpoints(str(tmp_path / "checkpoints"))
        assert kept.collect(lambda job: False) == []
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "file").touch()
        for job in (1, 2, 1_001):
            os.makedirs(f"{kept.make(job)}/deep/deeper")
            os.symlink(outside, f"{kept.path(job)}/link")
        (tmp_path / "checkpoints" / "0" / "notes").mkdir()
        assert kept.collect(lambda job: job == 2, dry=True) == [1, 1_001]
        assert kept.collect(lambda job: job == 2) == [1, 1_001]
        assert [os.path.exists(kept.path(job)) for job in (1, 2, 1_001)] == [False, True, False]
        assert (outside / "file").exists()


class TestOutOfMemory:
    SAYS = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB."

    def test_by_its_last_words(self, rig: Rig) -> None:
        result = rig.result(rig.sh(f"echo '{self.SAYS}'; exit 1"))
        assert (result.why, result.detail, result.wait_status) == ("oom", self.SAYS, 1 << 8)

    def test_a_real_one(self, rig: Rig) -> None:
        result = rig.result(rig.start(sys.executable, "-c", "bytearray(1 << 62)"))
        assert (result.why, result.detail) == ("oom", "MemoryError")

    def test_who_succeeds_may_say_what_he_likes(self, rig: Rig) -> None:
        assert rig.result(rig.sh(f"echo '{self.SAYS}'")).why == ""

    def test_what_was_said_long_before_is_not_the_end(self, rig: Rig) -> None:
        text = f"echo '{self.SAYS}'; head -c 20000 /dev/zero | tr '\\0' '\\n'; exit 1"
        assert rig.result(rig.sh(text)).why == ""

    def test_in_a_file_of_its_own_only_what_this_attempt_said(self, rig: Rig) -> None:
        result = rig.result(rig.sh(f"echo '{self.SAYS}'; exit 1", output="log"))
        assert result.why == "oom"
        assert rig.result(rig.sh("exit 1", number=2, output="log")).why == ""

    def test_who_was_stopped_was_stopped(self, rig: Rig) -> None:
        key = rig.sh(f"trap 'exit 1' TERM; echo '{self.SAYS}'; echo x > ready; while :; do sleep 0.02; done")
        rig.file("ready")
        rig.started(key)
        rig.stop(key)
        assert rig.result(key).why == "cancelled"

    def test_an_output_that_cannot_be_read_says_nothing(self, rig: Rig) -> None:
        """The job has put a pipe in the place of its output: nobody waits for it."""
        key = rig.sh(f"echo '{self.SAYS}'; rm -f $LOG; mkfifo $LOG; exit 1", variables=self.log(rig))
        assert rig.result(key).why == ""

    def log(self, rig: Rig) -> tuple[tuple[str, str], ...]:
        return (("LOG", rig.dirs.live(1, 1).output),)


class TestPorts:
    def test_they_are_known_again_after_the_agents_death(self, rig: Rig) -> None:
        key = rig.sh("echo $$ > pid; exec sleep 1000", granted=(20_001, 20_002))
        assert rig.started(key).ports == (20_001, 20_002)
        rig.pid()
        assert [seen.ports for seen in rig.restart()] == [(20_001, 20_002)]
        rig.stop(key)
        assert rig.ended(key).ports == (20_001, 20_002)

    def test_even_if_its_run_directory_is_gone(self, rig: Rig) -> None:
        key = rig.sh(
            "echo $$ > pid; rm -rf $RUNS; echo x > gone; exec sleep 1000",
            granted=(20_001,),
            variables=(("RUNS", rig.home.runs),),
        )
        rig.started(key)
        rig.file("gone")
        assert [seen.ports for seen in rig.restart()] == [(20_001,)]
        rig.stop(key, number=signal.SIGKILL)
        rig.ended(key)

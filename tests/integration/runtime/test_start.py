"""From an order to a result: what the command gets, and what is told of it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from runyard.model.attempt import AttemptKey
from runyard.model.beat import Observed
from tests.harness import processes
from tests.integration.runtime.rig import Rig


class TestResults:
    @pytest.mark.parametrize(
        ("text", "status"),
        [
            ("exit 0", 0),
            ("exit 3", 3 << 8),
            ("exit 255", 255 << 8),
            ("kill -TERM $$", signal.SIGTERM),
            ("kill -KILL $$", signal.SIGKILL),
            ("ulimit -c 0; kill -SEGV $$", signal.SIGSEGV),
        ],
    )
    def test_the_wait_status_is_the_kernels(self, rig: Rig, text: str, status: int) -> None:
        result = rig.result(rig.sh(text))
        assert (result.wait_status, result.why, result.source) == (status, "", "runner")

    def test_times_and_usage(self, rig: Rig) -> None:
        key = rig.sh("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done")
        ended = rig.ended(key)
        assert ended.pid and ended.started_at and ended.ended_at and ended.result
        assert ended.started_at <= ended.ended_at
        assert ended.result.cpu_s > 0
        assert ended.result.max_rss_mb > 0
        record = rig.records(key).ended
        assert record is not None
        assert 0 < record.seconds < 30

    def test_a_long_command_is_told_as_started_first(self, rig: Rig) -> None:
        key = rig.sh("mkfifo fifo; echo $$ > pid; read line < fifo")
        started = rig.started(key)
        assert started.pid == rig.pid()
        assert started.started_at is not None
        (rig.out / "fifo").write_text("go\n")
        assert rig.result(key).wait_status == 0
        assert [seen.stage for seen in rig.told] == ["started", "ended"]

    def test_one_runner_takes_one_after_the_other(self, rig: Rig) -> None:
        runners = set()
        for job in range(1, 6):
            key = rig.sh("exit 0", job=job)
            rig.ended(key)
            runners.add(rig.runner(key))
            rig.engine.forget(key)
        assert len(runners) <= 2

    def test_many_at_once(self, rig: Rig) -> None:
        keys = [rig.sh(f"echo {job}; exit {job}", job=job) for job in range(1, 21)]
        for key in keys:
            assert rig.result(key).wait_status == key.job_id << 8
            assert rig.output(key) == f"{key.job_id}\n"

    def test_forgotten_only_the_output_is_left(self, rig: Rig) -> None:
        key = rig.sh("echo hello")
        rig.ended(key)
        rig.engine.forget(key)
        rig.wait(lambda: rig.dirs.is_done(1, 1))
        assert os.listdir(rig.dirs.done(1, 1).path) == ["output.log"]
        assert rig.output(key) == "hello\n"
        assert rig.dirs.scan() == []


class TestNotStarted:
    def told(self, rig: Rig, key: AttemptKey) -> str:
        result = rig.result(key)
        assert (result.why, result.wait_status) == ("not-started", None)
        return result.detail

    def test_no_such_command(self, rig: Rig) -> None:
        assert self.told(rig, rig.start("no-such-command")) == "no-such-command: command not found"

    def test_not_executable(self, rig: Rig) -> None:
        (rig.out / "plain").write_text("#!/bin/sh\n")
        assert self.told(rig, rig.start("./plain")) == "./plain: Permission denied"

    def test_no_such_workdir(self, rig: Rig) -> None:
        assert self.told(rig, rig.start("true", workdir="/no/where")) == "workdir /no/where: No such file or directory"

    def test_a_command_that_is_the_workdir(self, rig: Rig) -> None:
        """The system's error names a path; here it may be either."""
        assert self.told(rig, rig.start(str(rig.out))) == f"{rig.out}: Permission denied"

    def test_no_such_input(self, rig: Rig) -> None:
        assert "No such file" in self.told(rig, rig.start("true", input="missing"))

    def test_a_pipe_as_input_does_not_hold_the_runner(self, rig: Rig) -> None:
        os.mkfifo(rig.out / "fifo")
        assert rig.result(rig.start("cat", input="fifo")).wait_status == 0

    def test_no_such_directory_for_the_output(self, rig: Rig) -> None:
        assert "No such file" in self.told(rig, rig.start("true", output="no/where.log"))

    @pytest.mark.parametrize(
        "text", ["[", "[]", "3", '"A=1"', '{"A": 1}', '{"A": null}', "[" * 100_000, '{"A": "\\ud800"}']
    )
    def test_an_environment_that_cannot_be_read(self, rig: Rig, text: str) -> None:
        (rig.out / "blob").write_text(text)
        assert "environment" in self.told(rig, rig.start("true", environment=str(rig.out / "blob")))
        assert rig.records(rig.order("true").key).ended is not None
        assert rig.result(rig.sh("exit 4", job=2)).wait_status == 4 << 8

    def test_what_nobody_has_thought_of(self, rig: Rig) -> None:
        """Any error before the command begins."""
        assert "TypeError" in self.told(rig, rig.start(3))  # type: ignore[arg-type]  # that is the point
        assert rig.records(rig.order("true").key).ended is not None
        assert rig.result(rig.sh("exit 4", job=2)).wait_status == 4 << 8

    def test_too_long_an_argument(self, rig: Rig) -> None:
        assert "too long" in self.told(rig, rig.start("true", "x" * 200_000))

    def test_the_runner_takes_the_next(self, rig: Rig) -> None:
        self.told(rig, rig.start("no-such-command"))
        assert rig.result(rig.sh("exit 4", job=2)).wait_status == 4 << 8


class TestCommand:
    def test_argv_is_taken_as_it_is(self, rig: Rig) -> None:
        key = rig.start("printf", "%s|", "$HOME", "a b", "", "*")
        rig.ended(key)
        assert rig.output(key) == "$HOME|a b||*|"

    @pytest.mark.parametrize("shell", ["sh", "bash"])
    def test_a_text_is_run_by_its_shell(self, rig: Rig, shell: str) -> None:
        key = rig.start("echo $0 && true | false || echo $?", shell=shell)
        rig.ended(key)
        assert rig.output(key) == f"{shell}\n1\n"

    def test_a_login_shell(self, rig: Rig) -> None:
        blob = _blob(rig, {"SHELL": "/bin/bash", "PATH": os.environ["PATH"], "HOME": str(rig.out)})
        (rig.out / ".bash_profile").write_text("export FROM_PROFILE=yes\n")
        key = rig.start("echo $FROM_PROFILE", shell="login", environment=blob)
        rig.ended(key)
        assert rig.output(key) == "yes\n"

    def test_a_script_runs_from_a_copy_by_its_own_interpreter(self, rig: Rig) -> None:
        script = _write(
            rig.out / "blob", '#!/usr/bin/env python3\nimport sys; print(sys.argv[1:], "script" in sys.argv[0])\n'
        )
        key = rig.start("train.py", "--lr", "0.1", script=script)
        assert rig.result(key).wait_status == 0
        assert rig.output(key) == "['--lr', '0.1'] True\n"

    def test_a_script_without_interpreter_is_run_by_sh(self, rig: Rig) -> None:
        key = rig.start("x", "arg", script=_write(rig.out / "blob", "echo got $1\n"))
        rig.ended(key)
        assert rig.output(key) == "got arg\n"

    def test_the_setup_comes_first_and_stays(self, rig: Rig) -> None:
        key = rig.start("sh", "-c", 'echo "$A $1"', "-", "b c", setup=("export A='1 2'", "cd /tmp"))
        assert rig.result(key).wait_status == 0
        assert rig.output(key) == "1 2 b c\n"

    def test_a_setup_that_fails_ends_the_job_and_says_so(self, rig: Rig) -> None:
        key = rig.start("echo", "never", setup=("true", "sh -c 'exit 9'"))
        assert rig.result(key).wait_status == 9 << 8
        assert rig.output(key) == "runyard: setup failed (exit code 9): sh -c 'exit 9'\n"

    def test_a_command_missing_after_setup(self, rig: Rig) -> None:
        key = rig.start("no-such-command", setup=("true",))
        assert rig.result(key).wait_status == 127 << 8


class TestSurroundings:
    def test_the_environment_is_the_blob_and_the_variables_and_the_token(self, rig: Rig) -> None:
        blob = _blob(rig, {"A": "1", "B": "2", "ODD": "\udcff", "PATH": os.environ["PATH"]})
        key = rig.start("env", environment=blob, variables=(("B", "3"), ("RUNYARD_JOB_ID", "1")))
        rig.ended(key)
        found = set(Path(rig.run_dir(key).output).read_bytes().splitlines())
        path, token = b"PATH=" + os.environb[b"PATH"], b"RUNYARD_TOKEN=" + key.token.encode()
        assert found == {b"A=1", b"B=3", b"ODD=\xff", b"RUNYARD_JOB_ID=1", token, path}

    def test_without_a_blob_it_is_short(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        key = rig.start("env")
        rig.ended(key)
        names = {line.partition("=")[0] for line in rig.output(key).splitlines()}
        assert {"PATH", "RUNYARD_HOME", "RUNYARD_TOKEN"} <= names
        assert not names & {"PYTEST_CURRENT_TEST", "RUNYARD_DAEMON"}

    def test_stdin_is_empty(self, rig: Rig) -> None:
        key = rig.start("wc", "-c")
        rig.ended(key)
        assert rig.output(key) == "0\n"

    def test_stdin_from_a_file(self, rig: Rig) -> None:
        _write(rig.out / "in", "hello")
        key = rig.start("cat", input="in")
        rig.ended(key)
        assert rig.output(key) == "hello"

    def test_output_pattern(self, rig: Rig) -> None:
        variables = (("RUNYARD_ARRAY_INDEX", "7"), ("RUNYARD_JOB_NAME", "../a/b"))
        key = rig.sh("echo out; echo err >&2", output="%x-%j-%a-%%.log", variables=variables)
        rig.ended(key)
        path = rig.out / ".._a_b-1-7-%.log"
        assert path.read_text() == "out\nerr\n"
        assert rig.output_path(key) == str(path)
        assert path.stat().st_mode & 0o777 == 0o644
        rig.ended(rig.sh("echo more", output=str(path), job=2))
        assert path.read_text() == "out\nerr\nmore\n"

    def test_rights_of_what_we_make(self, rig: Rig) -> None:
        key = rig.start("true", script=_write(rig.out / "blob", "#!/bin/sh\n"))
        rig.ended(key)
        where = rig.run_dir(key)
        paths = (where.path, where.run, where.output, where.script)
        assert [os.stat(path).st_mode & 0o777 for path in paths] == [0o700, 0o600, 0o600, 0o700]
        sockets = rig.home.runner_sockets
        assert os.stat(sockets).st_mode & 0o777 == 0o700
        assert {os.stat(os.path.join(sockets, name)).st_mode & 0o777 for name in os.listdir(sockets)} == {0o600}

    def test_what_the_command_is_born_with(self, rig: Rig) -> None:
        key = rig.start(
            "sh",
            "-c",
            "umask; pwd; ls -l /proc/self/fd | wc -l; cat /proc/self/status; echo; ps -o sid= -p $$; echo $$",
        )
        rig.ended(key)
        text = rig.output(key).splitlines()
        assert text[:2] == ["0022", str(rig.out)]
        assert int(text[2]) == 5  # a heading, three descriptors, and the directory that ls reads
        status = dict(line.split(":\t", 1) for line in text if ":\t" in line)
        masks = {int(status[name], 16) & ~processes.OF_THE_C_LIBRARY for name in ("SigBlk", "SigIgn", "SigCgt")}
        assert masks == {0}
        assert text[-1].strip() == text[-2].strip()


class TestNames:
    def test_our_processes_are_named(self, rig: Rig) -> None:
        key = rig.sh("exit 0")
        rig.ended(key)
        for pid, name in ((rig.runner(key), "ry-runner"), (rig.zygote(key), "ry-zygote")):
            assert Path(f"/proc/{pid}/comm").read_text() == name + "\n"
            assert Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0") == name.encode()

    def test_a_long_home(self, tmp_path: Path) -> None:
        deep = tmp_path / ("x" * 120)
        deep.mkdir()
        rig = Rig(deep)
        key = rig.sh("mkfifo fifo; read line < fifo")
        rig.started(key)
        assert [seen.stage for seen in rig.restart()] == ["started"]
        rig.stop(key)
        assert rig.result(key).why == "cancelled"
        assert rig.clean() == []


def told(rig: Rig, key: AttemptKey) -> list[Observed]:
    return [seen for seen in rig.told if seen.key == key]


def _write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def _blob(rig: Rig, values: dict[str, str]) -> str:
    return _write(rig.out / "environment", json.dumps(values))

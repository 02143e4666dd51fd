"""Queues with cmd_queue's words: what they add to a pipeline, and which of cmd_queue's defects they do not have."""

from __future__ import annotations

import argparse
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import runyard
from runyard.base_queue import DuplicateJobError, UnknownBackendError
from runyard.errors import InvalidSpec
from runyard.pipeline.cmd_queue import arguments
from runyard.pipeline.cmd_queue.queue import TIMEOUT, block_timeout_s
from runyard.serial_queue import BashJob, SerialQueue
from runyard.tmux_queue import TMUXMultiQueue
from tests.harness.tmux import tmux_server


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing of the user's is seen or touched."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RUNYARD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(TIMEOUT, raising=False)
    return tmp_path


def queue(**options: Any) -> runyard.Queue:
    return runyard.Queue.create(name="demo", **options)


def test_a_queue_runs_and_says_how_it_stands(capfd: pytest.CaptureFixture[str]) -> None:
    made = queue()
    first = made.submit("echo hello", log=True)
    failed = made.submit("exit 3", depends=first, name="failed")
    skipped = made.submit("echo never", depends=["failed"])
    other = made.submit("echo other")
    assert (len(made), made.read_state()["status"]) == (4, "unknown")
    state = made.run()
    assert state == made.read_state()
    assert {key: state[key] for key in ("status", "passed", "failed", "skipped", "total")} == {
        "status": "done",
        "passed": 2,
        "failed": 1,
        "skipped": 1,
        "total": 4,
    }
    assert first.log_fpath.read_text() == "hello\n"
    assert first.pass_fpath.exists() and failed.fail_fpath.exists() and skipped.skip_fpath.exists()
    assert not other.log_fpath.exists()  # nothing is kept unless it is asked for
    made.job_details()
    assert "status=failed, code=3" in capfd.readouterr().out


def test_names_and_dependencies_are_checked_before_anything_is_added() -> None:
    made = queue()
    made.submit("true", name="one")
    with pytest.raises(DuplicateJobError, match="there is a job 'one' already"):
        made.submit("false", name="one")
    with pytest.raises(KeyError, match="no job 'two'"):
        made.submit("false", depends="two")
    with pytest.raises(KeyError, match="no job 'one'"):
        made.submit("false", depends=[BashJob("true", "one")])
    with pytest.raises(KeyError, match="did you mean 'one'"):
        made.submit(BashJob("true", "three", depends=BashJob("true", "onee")))
    with pytest.raises(InvalidSpec):
        made.submit(" ")
    with pytest.raises(TypeError):
        made.submit(None)  # type: ignore[arg-type]
    assert len(made) == 1 == len(made.named_jobs)
    assert made.run()["passed"] == 1
    with pytest.raises(UnknownBackendError, match="use serial, tmux"):
        runyard.Queue.create("screen")
    with pytest.raises(ValueError, match="from 1 on"):
        TMUXMultiQueue(size=0)


def test_an_unknown_option_warns_with_the_nearest_one_where_it_stands() -> None:
    with pytest.warns(UserWarning, match="'parition'; did you mean 'partition'") as told:
        made = queue(backend="slurm", parition="gpu")
        made.submit("true", parition="gpu")
    assert [(warning.filename, len(told)) for warning in told] == [(__file__, 2)] * 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = queue(size=9, shell="/bin/bash")
        made.submit("true", allow_indent=False, gpus=[0, 1], mem="8GB", partition="gpu", output_fpath="x", begin=5)
        made.run(system=True, with_textual=False, other_session_handler="ask", verbose=0, onfail="kill")
    with pytest.warns(UserWarning, match="not by 'zsh'"):
        queue(shell="zsh")
    with pytest.raises(InvalidSpec, match="did you mean 'partition'"):
        runyard.Pipeline.create("demo").submit("true", parition="gpu")


def test_values_are_never_executed(tmp_path: Path) -> None:
    value = f'$(touch {tmp_path / "run"}) `touch {tmp_path / "run"}` "'
    made = queue(environ={"VALUE": value}, dpath=tmp_path / "made", rootid="root")
    job = made.submit('printf %s "$VALUE"', log=True)
    made.run()
    assert job.log_fpath.read_text() == value
    assert not (tmp_path / "run").exists()
    assert made.dpath == tmp_path / "made" / "demo_root" and made.fpath.parent == made.dpath


def test_a_job_may_be_changed_until_the_queue_is_written() -> None:
    made = SerialQueue("demo", preamble="A=1")
    made.add_preamble_command(["B=2"])
    with pytest.warns(DeprecationWarning):
        made.add_header_command("C=3")
    job = made.submit("echo $A$B$C$D")
    job.log, job.preamble = True, ["D=4"]
    made.run()
    assert job.log_fpath.read_text() == "1234\n"


def test_another_backend_keeps_everything(tmp_path: Path) -> None:
    made = queue(environ={"A": "1"}, preamble=["true"], size=3)
    made.submit("echo one", name="one", tags="a, b", log=True, cwd=tmp_path, setup="true", teardown="true", cpus=2)
    made.sync()
    made.submit("echo two", name="two", time="1:00")
    other = made.change_backend("serial")
    assert [job.record for job in other.jobs] == [job.record for job in made.jobs]
    assert other.pipeline.spec == made.pipeline.spec
    assert other.jobs[1].depends == [other.jobs[0]]
    assert other.dpath != made.dpath
    text = other.finalize_text(with_status=False, with_gaurds=False, exclude_tags=["a"])
    assert "echo two" in text and "echo one" not in text


@pytest.mark.parametrize("style", ["colors", "rich", "plain", "auto"])
def test_commands_are_printed_in_every_style(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    made = queue()
    made.submit("echo [bold]hello[/bold]")
    made.print_commands(style=style)
    assert "### Command 1 / 1 - demo-job-0" in capsys.readouterr().out
    made.print_commands(1, 1, style=style)
    text = capsys.readouterr().out
    assert "echo [bold]hello[/bold]" in text and "tell_all" in text


def test_what_is_printed_turns_no_terminal_and_tells_no_value(capsys: pytest.CaptureFixture[str]) -> None:
    made = queue(environ={"KEY": "secret"})
    made.submit("echo \033[31m\thello")
    made.print_commands(1, 1)
    told = capsys.readouterr().out
    assert "echo \\x1b[31m" in told and "\033" not in told and "secret" not in told
    made.print_commands(style="plain")
    assert "echo \033[31m\thello" in capsys.readouterr().out


def test_a_style_that_there_is_not() -> None:
    with pytest.raises(InvalidSpec, match="did you mean 'rich'"):
        queue().print_commands(style="ritch")


def test_the_text_of_a_job_alone(tmp_path: Path) -> None:
    def run(job: BashJob) -> str:
        hooks = {"on_pass": "echo passed", "on_fail": ["echo failed"], "on_skip": "echo skipped"}
        text = job.finalize_text(with_status=True, conditionals=hooks)
        return subprocess.run(["bash", "-u"], input=text, text=True, capture_output=True, check=True).stdout

    first = BashJob("echo hi", "it's a job", log=True, info_dpath=tmp_path / "a place")
    assert first.finalize_text(False, False) == f"(\necho hi\n) 2>&1 | tee -- '{first.log_fpath}'\n"
    after = BashJob("exit 126", "after", depends=first)
    assert run(after) == "skipped\n" and after.skip_fpath.exists()
    assert run(first) == "hi\npassed\n" and first.log_fpath.read_text() == "hi\n"
    assert run(after) == "failed\n" and after.fail_fpath.exists()  # its own 126 is a failure


def test_a_blocking_run_can_be_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = queue()
    made.submit(f"read -r < {tmp_path / 'gate'}")
    (tmp_path / "gate").unlink(missing_ok=True)
    subprocess.run(["mkfifo", str(tmp_path / "gate")], check=True)
    monkeypatch.setenv(TIMEOUT, "0.1")
    with pytest.raises(TimeoutError, match=r"still runs after 0\.1 seconds"):
        made.run()
    assert made.read_state()["status"] == "run"
    made.kill()
    ended = made.pipeline.wait(10)
    assert ended["passed"] == ended["running"] == 0


def test_how_long_a_run_may_take() -> None:
    assert [block_timeout_s(text) for text in ("", "None", "inf", "0", "1e999", "2.5")] == [None] * 5 + [2.5]
    with pytest.raises(InvalidSpec, match="seconds or 'none'"):
        block_timeout_s("soon")


def test_names_are_where_cmd_queue_has_them() -> None:
    names: dict[str, Any] = {}
    exec("from runyard.tmux_queue import *", names)
    assert names["TMUXMultiQueue"] is TMUXMultiQueue
    assert issubclass(BashJob, runyard.Job) and not issubclass(str, runyard.Job)
    assert (
        "runyard.pipeline"
        not in subprocess.run(
            [sys.executable, "-c", "import runyard, sys; print(*sys.modules)"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
    )


def _options(*words: str, **defaults: Any) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    arguments.add(parser, **defaults)
    return parser.parse_args(words)


def test_a_script_has_the_flags_of_cmd_queues_config(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "/a place")
    words = ("--run", "--backend=serial", "--print_queue", "0", "--virtualenv_cmd=auto", "--with_textual=auto")
    options = _options(*words, queue_name="mine")
    made = arguments.create_queue(options, environ={"A": "1"})
    assert (made.name, made.preamble, made.environ) == ("mine", ["source '/a place/bin/activate'"], {"A": "1"})
    made.preamble.clear()
    made.submit('echo "A is $A"')
    state = arguments.run_queue(options, made)
    assert state is not None and state["passed"] == 1
    told = capfd.readouterr().out
    assert "### Command 1 / 1 - mine-job-0" in told and "A is 1" in told and "Graph" not in told


def test_a_script_that_is_only_to_show_runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    options = _options("--run=0", "--backend=slurm", "--slurm-options={partition: gpu, hold: true, ntasks: 2}")
    made = arguments.create_queue(options)
    for number in range(arguments.SHOWN_MAX):
        made.submit(f"echo {number}")
    assert made.pipeline.spec.options == (("partition", "gpu"), ("hold", True), ("ntasks", "2"))
    assert arguments.run_queue(options, made) is None
    assert capsys.readouterr().out == "30 jobs; to see them: --print_commands --print_queue\n"
    assert arguments.create_queue(_options("--tmux_workers=3")).size == 3
    with pytest.raises(InvalidSpec, match="partition: gpu"):
        arguments.create_queue(_options("--backend=slurm", "--slurm_options=gpu"))
    with pytest.raises(SystemExit):
        _options("--run=maybe")


def test_a_graph_is_drawn_and_can_be_had(capsys: pytest.CaptureFixture[str]) -> None:
    made = queue()
    first = made.submit("true", name="first")
    made.submit("true", name="second", depends=[first])
    made.print_graph()
    drawn = capsys.readouterr().out
    assert drawn.startswith("Graph (reduced):") and "second" in drawn
    made.write_network_text(reduced=False)
    assert capsys.readouterr().out.startswith("Graph:")
    graph = made._dependency_graph()
    assert list(graph.edges) == [("first", "second")] and graph.nodes["first"]["job"] is first


def test_a_queue_in_tmux(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with tmux_server(monkeypatch) as server:
        made = TMUXMultiQueue(2, "demo", gpus=[3])
        made.capture()
        made.submit("echo $CUDA_VISIBLE_DEVICES; false")
        state = made.run(other_session_handler="ask", monitor="hybrid")
        assert (state["status"], state["failed"], state["worker_states"][0]["total"]) == ("done", 1, 1)
        assert len(server.sessions()) == 1  # to be looked at
        capsys.readouterr()
        made.capture()
        assert "\n3\n" in capsys.readouterr().out
        assert [len(worker) for worker in made.workers] == [1]
        made.kill()
        assert not server.sessions()


def test_the_words_for_the_end_of_a_run_in_tmux() -> None:
    made = TMUXMultiQueue(2)
    assert made._ends(None, None) == {} == made._ends("kill", "")  # sessions of what failed stay there too
    assert made._ends("", None) == {"onexit": "keep"}
    assert made._ends("kill", "capture") == {"onexit": "capture", "onfail": "capture"}
    assert made._ends("keep", "kill") == {"onexit": "kill", "onfail": "keep"}

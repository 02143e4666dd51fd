"""Lines of scripts: what becomes of them, and what is said of those that become nothing."""

from __future__ import annotations

from typing import Any

import click
import pytest

from runyard.cli.job_options import JOB_OPTIONS
from runyard.errors import InvalidSpec
from runyard.submitting import job_options, sbatch
from runyard.submitting.directives import ALIASES, GRES, SHORTS, Directives, read
from runyard.submitting.ground import Here

HERE = Here({"HOME": "/h", "TOKEN": "t"}, "/", 1_700_000_000.0)


def lines(*text: str) -> Directives:
    return read("\n".join(("#!/bin/bash", *text, "")).encode(), "job.sh", HERE)


def options(*text: str) -> dict[str, Any]:
    """The options of these #SBATCH lines, which are all done."""
    found = lines(*(f"#SBATCH {line}" for line in text))
    assert found.remarks == ()
    return found.options


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("--job-name=train", {"name": "train"}),
        ("--job-name='my job'  # don't mind", {"name": "my job"}),
        ("-J train", {"name": "train"}),
        ("-Jtrain", {"name": "train"}),
        ("--output=out/%x-%A_%a.log", {"output": "out/%x-%A_%a.log"}),
        ("-t 1-12:00:00", {"time": "1-12:00:00"}),
        ("--time 02:00:00 --mem=16G", {"time": "02:00:00", "mem": "16G"}),
        ("--gres=gpu:a100:2", {"gpus": "a100:2"}),
        ("--gres=gpu", {"gpus": "1"}),
        ("--gres=gpu:2(S:0)", {"gpus": "2"}),
        ("--gpus=2", {"gpus": "2"}),
        ("-G a100:4", {"gpus": "a100:4"}),
        ("--gpus-per-node=v100:1", {"gpus": "v100:1"}),
        ("--cpus-per-task=8 --mem-per-cpu=2G", {"cpus": "8", "mem-per-cpu": "2G"}),
        ("-c4", {"cpus": "4"}),
        ("--array=0-31%4", {"array": "0-31%4"}),
        ("--dependency=afterok:12:13,afterany:14", {"after": ("afterok:12:13,afterany:14",)}),
        ("-p gpu", {"queue": "gpu"}),
        ("--chdir=/data", {"workdir": "/data"}),
        ("--begin=now+1hour", {"begin": "now+1hour"}),
        ("--begin=now+60", {"begin": "now+60s"}),
        ("--begin=midnight", {"begin": "00:00"}),
        ("--requeue", {"on-lost": "requeue"}),
        ("--no-requeue", {"on-lost": "end"}),
        ("--export=NONE", {"clean-env": "true"}),
        ("--export=ALL", {}),
        ("--export=\"ALL,EPOCHS=5,RATE='0,1'\"", {"env": ("EPOCHS=5", "RATE=0,1")}),
        ("--export=TOKEN,EPOCHS=5", {"clean-env": "true", "env": ("TOKEN", "EPOCHS=5")}),
        ("--nice", {"priority": "-100"}),
        ("--nice=50", {"priority": "-50"}),
        ("--nice=-50", {"priority": "50"}),
        ("--priority=7", {"priority": "7"}),
        ("-H", {"hold": "true"}),
        ("-i data.txt", {"input": "data.txt"}),
        ("--gres=gpu:2 --mem-per-gpu=10G --cpus-per-gpu=4", {"gpus": "2", "mem": "20480", "cpus": "8"}),
        ("-N 1 -n 1 --open-mode=append", {}),
        ("--dep=afterok:1", {"after": ("afterok:1",)}),
    ],
)
def test_what_sbatch_says(text: str, wanted: dict[str, Any]) -> None:
    assert options(text) == wanted


def test_the_last_line_counts_and_ours_count_more() -> None:
    assert options("--time=5", "--time=6") == {"time": "6"}
    assert lines("#RY --time 7", "#SBATCH --time=6").options == {"time": "7"}
    assert lines("#SBATCH --mem=1G", "#RY --mem-per-cpu 2G").options == {"mem-per-cpu": "2G"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("--account=lab", "job.sh, line 2: #SBATCH --account is not done here"),
        ("-A lab --qos=high", "job.sh, line 2: #SBATCH -A, --qos are not done here"),
        ("--no-such=1", "job.sh, line 2: #SBATCH --no-such is not done here"),
        ("--error=err.txt", "job.sh, line 2: #SBATCH --error: errors go where the output goes, in one file"),
        ("-e x -o y", "job.sh, line 2: #SBATCH -e: errors go where the output goes, in one file"),
        ("--ntasks=4 -c2", "job.sh, line 2: #SBATCH --ntasks: the script runs once, with the CPUs of all 4 tasks"),
        ("--nodes=2", "job.sh, line 2: #SBATCH --nodes is not done here"),
        ("--gres=gpu:1,lscratch:10", "job.sh, line 2: #SBATCH --gres=lscratch:10 is not done here"),
        ("--export=MISSING", "job.sh, line 2: #SBATCH --export: MISSING is not set here"),
        ("--mail-type=NONE --mail-user=ada", "job.sh, line 2: #SBATCH --mail-user: mail goes where"),
        ("--mail-type=FAIL", "job.sh, line 2: #SBATCH --mail-type: this yard has no hook 'mail'"),
        ("--mail-user=ada@x.org", "job.sh, line 2: #SBATCH --mail-user: without --mail-type no mail is sent"),
        ("hetjob", "job.sh, line 2: #SBATCH hetjob is not done here"),
        ("--exclusive", "job.sh, line 2: #SBATCH --exclusive is not done here"),
    ],
)
def test_what_is_not_done_is_told_by_name(text: str, says: str) -> None:
    (remark,) = lines(f"#SBATCH {text}").remarks
    assert remark.startswith(says)


def test_every_option_of_sbatch_is_done_or_told() -> None:
    """None of the names that it knows is dropped in silence."""
    odd = {"begin": "noon", "time": "5", "cpus-per-task": "2", "mem": "1G", "mem-per-cpu": "1G", "array": "0-1"}
    for name in sorted(sbatch.GRAMMAR.names):
        value = "" if name in sbatch.GRAMMAR.bare | sbatch.GRAMMAR.maybe else "=" + odd.get(name, "2")
        value = {"gres": "=gpu:2", "signal": "=USR1@30", "export": "=NONE", "dependency": "=afterok:1"}.get(name, value)
        text = [f"#SBATCH --{name}{value}"]
        text += ["#SBATCH --gpus=2"] if name in ("mem-per-gpu", "cpus-per-gpu") else []
        found = lines(*text)
        assert found.options or found.remarks, name


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("#SBATCH --time=soon", "job.sh, line 2: #SBATCH --time: 'soon' is no time span"),
        ("#SBATCH -t", "job.sh, line 2: #SBATCH -t: a value is missing"),
        ("#SBATCH --mem=lots", "job.sh, line 2: #SBATCH --mem: 'lots' is no amount of memory"),
        ("#SBATCH --array=5-1", "job.sh, line 2: #SBATCH --array: '5-1': a range goes from"),
        ("#SBATCH --dependency=singleton,after:3", "job.sh, line 2: #SBATCH --dependency: 'after' is none of"),
        ("#SBATCH --output=%t.txt", "job.sh, line 2: #SBATCH --output: '%t.txt': there is no %t"),
        ("#SBATCH --job-name='x", "job.sh, line 2: #SBATCH: a quote is not closed"),
        ("#SBATCH --ntasks=many", "job.sh, line 2: #SBATCH --ntasks: a whole number was expected, not 'many'"),
        ("#SBATCH --gpus-per-task=x:y", "job.sh, line 2: #SBATCH --gpus-per-task: 'x:y' is no request for GPUs"),
        ("#SBATCH --gres=gpu:a:1,gpu:b:1", "job.sh, line 2: #SBATCH --gres: .*GPUs of one model"),
        ("#RY --gpu 1", "job.sh, line 2: #RY --gpu: there is no such option; did you mean 'gpus'"),
        ("#RY -t soon", "job.sh, line 2: #RY -t: 'soon' is no time span"),
        ("#RY python train.py", "job.sh, line 2: #RY: 'python' is no option"),
        ("#RY -Z", "job.sh, line 2: #RY -Z: there is no such option"),
    ],
)
def test_a_wrong_line_is_named(text: str, says: str) -> None:
    with pytest.raises(InvalidSpec, match=says.replace("(", r"\(")):
        lines(text)


def test_ours_are_the_flags_of_submit() -> None:
    found = lines(
        "#RY -G1 -t 2h --retries=2 -H", "#RY -e A=1 -e B=2 --gres gpu:2", '#RY\t--setup "module load x" # why'
    )
    assert found.remarks == ()
    assert found.options == {
        "gpus": "2", "time": "2h", "retries": "2", "hold": "true", "env": ("A=1", "B=2"), "setup": ("module load x",),
    }  # fmt: skip


def test_lines_count_up_to_the_first_command() -> None:
    found = lines("# about", "", "   # indented", "#SBATCH -t 5", "echo", "#SBATCH -t 6", "#RY -c 4")
    assert found.options == {"time": "5"}
    assert found.remarks == ("job.sh, lines 7, 8: #SBATCH after the first command does not count",)


@pytest.mark.parametrize(
    "text", ["##SBATCH -t 5", "# SBATCH -t 5", " #SBATCH -t 5", "#SBATCHX -t 5", "#RYE", "#SBATCH"]
)
def test_what_is_no_line_for_us(text: str) -> None:
    assert lines(text) == Directives({}, {})


def test_lines_of_windows() -> None:
    assert read(b"#!/bin/sh\n#SBATCH -t 5\r\n", "job.sh", HERE).options == {"time": "5"}


def test_flags_win_and_variables_add_up() -> None:
    found = lines("#RY -t 5 -e A=1 --mem 1G --conda x")
    merged = found.below({"time": "6", "env": ("B=2",), "mem-per-cpu": "2G", "venv": "v"})
    assert merged == {"time": "6", "env": ("A=1", "B=2"), "mem-per-cpu": "2G", "venv": "v"}


def test_what_is_wrong_later_is_named_too() -> None:
    found = lines("#RY -P 99999999")
    error = InvalidSpec("a number from -1 to 1, please", "priority")
    assert found.located(error, {}).message == "job.sh, line 2: #RY -P: a number from -1 to 1, please"
    assert found.located(error, {"priority": 5}) is error


def test_lines_know_the_letters_and_words_of_submit() -> None:
    """What `ry submit` takes, #RY takes: every short flag and every other spelling."""
    command = click.Command("x", params=[])
    for option in JOB_OPTIONS:
        option(command)
    shorts, longs = {}, {}
    for parameter in command.params:
        if not isinstance(parameter, click.Option):
            continue
        name = (parameter.name or "").replace("_", "-")
        shorts.update({word[1:]: name for word in parameter.opts if not word.startswith("--")})
        longs.update({word[2:]: name for word in parameter.opts if word.startswith("--") and word[2:] != name})
    assert shorts == SHORTS
    assert longs == ALIASES
    assert GRES not in job_options.OPTIONS


def test_mail_goes_by_the_hook_of_that_name() -> None:
    text = b"#SBATCH --mail-type=BEGIN,FAIL,ARRAY_TASKS --mail-user=ada@example.org\n"
    found = read(text, "job.sh", HERE, hooks=lambda: ["mail"])
    assert found.options == {"notify": ("mail:ada@example.org:started,failed,each",)}
    assert read(b"#SBATCH --mail-type=ALL\n", "job.sh", HERE, hooks=lambda: ["mail"]).options == {
        "notify": ("mail:started,ended,retried",)
    }

"""What cannot be is refused at once: exit code 2, one line that names the flag, and nothing in the queue."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.typist import Typist

LONG = "x" * 300


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("-q", "nowhere"), "queue: there is no queue 'nowhere'; there are: default"),
        (("-q", "defualt"), "did you mean 'default'?"),
        (("-q", "../x"), "queue: there is no queue '../x'"),
        (("-d", "99999999"), "after: there is no job 99999999"),
        (("-d", "afterok:no-such-name"), "after: there is no job 'no-such-name'"),
        (("-d", "aftermath:1"), "after: 'aftermath' is none of afterok, afterany, afternotok"),
        (("-G", "1025"), "gpus: a number from 0 to 1024"),
        (("-G", "99"), "gpus: 99 GPUs asked for, but the largest host"),
        (("-G", "lots of them!"), "gpus: 'lots of them!' is no request for GPUs"),
        (("-G", "1,share"), "say how much of its memory"),
        (("--gres", "tpu:1"), "gres: 'tpu:1': only gpu"),
        (("-c", "4000"), "cpus: 4000 CPUs are asked for, but the largest host"),
        (("-c", "some"), "cpus: a whole number was expected"),
        (("--mem", "900T"), "mem: "),
        (("--mem", "much"), "mem: 'much' is no amount of memory"),
        (("-t", "soon"), "time: 'soon' is no time span"),
        (("-t", "400d"), "time: a time limit is more than nothing and at most a year"),
        (("--grace", "2d"), "grace: from 0 to a day"),
        (("-b", "yesterday"), "begin: 'yesterday' is no moment"),
        (("-P", "high"), "priority: a whole number was expected"),
        (("-a", "9-0"), "array: '9-0': a range goes from the lower index to the higher"),
        (("-a", "0-9%0"), "array: "),
        (("-a", "1,1"), "index 1 comes twice"),
        (("--retries", "-1"), "retries: a number from 0"),
        (("--retry-on", "boredom"), "retry-on: 'boredom' is neither"),
        (("--on-lost", "cry"), "on-lost: 'cry' is neither end nor requeue"),
        (("-D", "/no/such/place"), "workdir: there is no directory /no/such/place"),
        (("-i", "nothing.txt"), "input: there is no file nothing.txt"),
        (("--venv", "."), "venv: "),
        (("--shell", "fish"), "shell: "),
        (("-J", LONG), "name: longer than 255 bytes"),
        (("-J", "two\nlines"), "name: no NUL characters or line breaks"),
        (("--unique", LONG), "unique: longer than 255 bytes"),
        (("--venv", ".", "--conda", "x"), "conda"),
    ],
    ids=lambda value: " ".join(value)[:24] if isinstance(value, tuple) else None,
)
def test_a_wrong_flag(ry: Typist, words: tuple[str, ...], says: str) -> None:
    before = len(ry.yard.rows())
    assert says in ry.refused("submit", *words, "--", "true")
    assert len(ry.yard.rows()) == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("submit",), "command: there is nothing to run"),
        (("submit", "--"), "command: there is nothing to run"),
        (
            ("submit", "--nmae", "x", "--", "true"),
            "No such option '--nmae'; did you mean '--name'?",
        ),
        (("ls", "--srot", "x"), "No such option '--srot'; did you mean '--sort'?"),
        (("sumbit", "--", "true"), "there is no verb 'sumbit'; did you mean 'submit'?"),
        (("run", "-a", "1-3", "--", "true"), "run follows one job"),
        (("wait",), "Missing argument"),
        (("wait", "99999999"), "there is no job 99999999"),
        (("wait", "@", "--timeout", "soon"), "timeout: "),
        (("show", "no-such-name"), "there is no job named 'no-such-name'"),
        (("logs", "99999999"), "there is no job 99999999"),
        (("ls", "state:bored"), "state:bored: a job is one of"),
        (("ls", "9-3"), "a range goes from the lower id to the higher"),
        (("stop", "-s", "SIGNONSENSE", "@"), "signal: 'SIGNONSENSE' is no signal"),
        (("queue", "set", "nowhere", "--parallel", "1"), "there is no queue 'nowhere'"),
        (("queue", "add", "a/b"), "queue: 'a/b' is no name of a queue"),
        (("queue", "set", "default", "--default", "time=soon"), "time: "),
        (("queue", "set", "default", "--default", "name=x"), "name: a queue has no default for it"),
        (("queue", "set", "default", "--on-lost", "cry"), "Invalid value for '--on-lost'"),
        (("completion", "tcsh"), "tcsh"),
    ],
    ids=lambda value: " ".join(value)[:24] if isinstance(value, tuple) else None,
)
def test_a_wrong_call(ry: Typist, words: tuple[str, ...], says: str) -> None:
    assert says in ry.refused(*words)


def test_an_order_that_no_job_has(ry: Typist) -> None:
    ry.ok("submit", "--hold", "--", "true")
    assert "no job here has 'colour'" in ry.refused("ls", "--all", "--order", "colour")


def test_too_big_an_environment(ry: Typist, tmp_path: Path) -> None:
    (tmp_path / "big").write_text("".join(f"BIG{n}={'x' * 100_000}\n" for n in range(25)))
    said = ry.refused("submit", "--env-file", "big", "--", "true")
    assert "more than 1280 KB; the biggest: BIG" in said and "xxx" not in said


def test_json_tells_errors_too(ry: Typist) -> None:
    ended = ry("submit", "--json", "-q", "nowhere", "--", "true")
    assert (ended.code, ended.err) == (2, "")
    assert '"kind": "InvalidSpec"' in ended.out and '"exit_code": 2' in ended.out
    ended = ry("ls", "--json", "--nonsense")
    assert ended.code == 2 and '"kind": "UsageError"' in ended.out


def test_a_wrong_setting(ry: Typist, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("warm_runers = 2\n")
    assert "there is no setting 'warm_runers'" in ry.refused("ls", RUNYARD_HOME=str(tmp_path))
    assert "expected, not 'few'" in ry.refused("ls", RUNYARD_WARM_RUNNERS="few")

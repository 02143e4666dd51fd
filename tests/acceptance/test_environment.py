"""What a job finds in its environment, what it does not inherit, and where the values of it are never to be seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runyard.foreign import process
from tests.acceptance.typist import Typist
from tests.harness.yard import Yard

SECRET = "tr0ub4dor-and-3-horses"
PER_ATTEMPT = ("RUNYARD_ATTEMPT", "RUNYARD_ARRAY_INDEX", "RUNYARD_TOKEN", "RUNYARD_JOB_NAME", "RUNYARD_GPUS")


def environment(text: str) -> dict[str, str]:
    """What `env -0` printed."""
    return dict(entry.split("=", 1) for entry in text.split("\0") if entry)


def test_the_submitters_whole_environment(ry: Typist) -> None:
    odd = "two\nlines and \udcff"
    seen = environment(ry.output("-J", "mine", "--", "env", "-0", ODD=odd, EMPTY=""))
    assert (seen["ODD"], seen["EMPTY"]) == (odd, "")
    assert seen["PATH"] == ry.yard.environ["PATH"]
    assert (seen["RUNYARD_JOB_NAME"], seen["RUNYARD_QUEUE"], seen["RUNYARD_ATTEMPT"]) == ("mine", "default", "1")
    assert seen["RUNYARD_JOB_ID"] == str(ry.json("show")["id"])
    assert "RUNYARD_DAEMON" not in seen and "RUNYARD_ARRAY_INDEX" not in seen


def test_it_is_that_of_the_submit_not_of_the_start(ry: Typist) -> None:
    job = ry.submit("--hold", "--", "printenv", "WHEN", WHEN="then")
    ry.ok("release", str(job), WHEN="now")
    ry.ok("wait", str(job))
    assert ry.ok("logs", str(job)) == "then\n"


def test_variables_one_by_one_from_a_file_and_in_this_order(ry: Typist, tmp_path: Path) -> None:
    (tmp_path / "vars").write_text("# a comment\nexport A='from file'\nB=file\n\nHERE\n")
    words = ("--env-file", "vars", "-e", "B=flag", "-e", "C=x=y")
    seen = environment(ry.output(*words, "--", "env", "-0", A="shell", B="shell", HERE="shell"))
    assert [seen[name] for name in ("A", "B", "C", "HERE")] == ["from file", "flag", "x=y", "shell"]


def test_a_clean_environment_has_what_was_asked_for(ry: Typist) -> None:
    seen = environment(ry.output("--clean-env", "-e", "KEEP", "-e", "A=1", "--", "env", "-0", KEEP="kept", GONE="x"))
    assert (seen["KEEP"], seen["A"], seen["HOME"]) == ("kept", "1", ry.yard.environ["HOME"])
    assert "GONE" not in seen and seen["PATH"].startswith("/usr/")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("-e", "NOT_SET_HERE"), "NOT_SET_HERE is not set here"),
        (("-e", "=x"), "no name of a variable"),
        (("-e", "RUNYARD_TOKEN=x"), "set by Runyard itself"),
        (("--env-file", "nowhere"), "cannot be read"),
    ],
)
def test_refused_variables(ry: Typist, words: tuple[str, ...], says: str) -> None:
    assert says in ry.refused("submit", *words, "--", "true")


def test_a_job_calls_its_own_yard(ry: Typist) -> None:
    """Also where the home was given by a flag, or the submitter's own RUNYARD_HOME is another."""
    home = ry.yard.home.root
    elsewhere = f"{ry.yard.root}/elsewhere"
    for words in (("run",), ("run", "--clean-env"), ("run", "-e", f"RUNYARD_HOME={elsewhere}")):
        ended = ry("--home", home, *words, "--", "printenv", "RUNYARD_HOME", RUNYARD_HOME=elsewhere)
        assert (ended.code, ended.out) == (0, f"{home}\n"), words
    assert not Path(elsewhere).exists()


def test_a_submit_inside_a_job_leaves_behind_what_was_the_first_jobs(ry: Typist) -> None:
    inner = "ry submit -J inner -- env -0"
    outer = ry.submit_many(
        "-a", "7", "-J", "outer", f"CUDA_VISIBLE_DEVICES=GPU-granted RUNYARD_GPUS=0 MINE=kept {inner}"
    )
    ry.ok("wait", str(outer[0]))
    job = ry.ok("logs", str(outer[0])).strip()
    ry.ok("wait", job)
    seen = environment(ry.ok("logs", job))
    assert seen["MINE"] == "kept" and seen["RUNYARD_JOB_ID"] == job and seen["RUNYARD_JOB_NAME"] == "inner"
    assert seen["RUNYARD_TOKEN"] not in ry.ok("logs", str(outer[0]))
    assert not {"CUDA_VISIBLE_DEVICES", "RUNYARD_ARRAY_INDEX", "RUNYARD_GPUS"} & set(seen)


def test_outside_of_a_job_devices_are_the_submitters_own(ry: Typist) -> None:
    assert ry.output("--", "printenv", "CUDA_VISIBLE_DEVICES", CUDA_VISIBLE_DEVICES="3") == "3\n"


def test_one_environment_is_stored_once_however_many_jobs_share_it(ry: Typist) -> None:
    blobs = Path(ry.yard.home.blobs)

    def stored() -> set[Path]:
        return {path for path in blobs.rglob("*") if path.is_file()}

    before = stored()
    ry.submit_many("-a", "0-9", "--hold", "--", "true", SHARED=SECRET)
    ry.submit("--hold", "--", "false", SHARED=SECRET)
    (new,) = stored() - before
    assert new.stat().st_mode & 0o777 == 0o600


@pytest.fixture(scope="module")
def done(everybodys: Yard, tmp_path_factory: pytest.TempPathFactory) -> Typist:
    typist = Typist(everybodys, tmp_path_factory.mktemp("values"))
    script = 'test -n "$SECRET"'
    assert (
        typist("run", "-J", "secretive", "-e", f"SECRET={SECRET}", "--setup", "true", "--", "sh", "-c", script).code
        == 0
    )
    held = typist("submit", "--hold", "-J", "waiting", "--", "true", SECRET=SECRET)
    assert held.code == 0
    return typist


class TestValues:
    """They are shown by nothing, logged by nothing of ours, and written to nothing that others can read."""

    @pytest.mark.parametrize(
        "words",
        [
            ("ls", "--all"), ("ls", "--all", "--json"), ("show", "secretive"), ("show", "secretive", "--json"),
            ("show", "waiting", "--json"), ("why", "waiting", "--json"), ("server", "status", "--json"),
            ("server", "logs", "-n", "100000"), ("server", "logs", "--of", "agent", "-n", "100000"),
            ("server", "logs", "--of", "zygote", "-n", "100000"), ("doctor", "--json"), ("queue", "ls", "--json"),
            ("submit", "--dry-run", "--json", "-e", f"SECRET={SECRET}", "--", "true"),
        ],
        ids=" ".join,
    )  # fmt: skip
    def test_shown_nowhere(self, done: Typist, words: tuple[str, ...]) -> None:
        ended = done(*words)
        assert ended.code == 0, ended
        assert SECRET not in ended.out + ended.err

    def test_names_are_shown(self, done: Typist) -> None:
        assert "SECRET" in json.loads(done.ok("show", "secretive", "--json"))["environment"]

    def test_files_with_it_are_the_accounts_alone(self, done: Typist) -> None:
        found = [path for path in Path(done.yard.home.root).rglob("*") if path.is_file() and _holds(path)]
        assert found, "it has to be somewhere, for the job that waits"
        for path in found:
            assert path.stat().st_mode & 0o077 == 0, path
        assert {path.relative_to(done.yard.home.root).parts[0] for path in found} <= {"blobs", "agent"}

    def test_on_no_command_line_of_ours(self, done: Typist) -> None:
        lines = [process.command_line(pid) for pid in process.processes()]
        assert not [line for line in lines if SECRET in line]

    def test_no_daemon_inherits_it(self, done: Typist) -> None:
        for name in ("ry-server", "ry-agent", "ry-zygote", "ry-runner"):
            for pid in done.yard.named(name):
                assert not process.environ_has(pid, f"SECRET={SECRET}"), name


def _holds(path: Path) -> bool:
    try:
        return SECRET.encode() in path.read_bytes()
    except OSError:
        return False


def test_locale_and_odd_names_survive(ry: Typist) -> None:
    seen = environment(ry.output("--", "env", "-0", LC_ALL="C", **{"with.dot": "1", "BASH_FUNC_f%%": "() { :; }"}))
    assert (seen["LC_ALL"], seen["with.dot"], seen["BASH_FUNC_f%%"]) == ("C", "1", "() { :; }")


def test_parameters_are_kept_and_given_to_the_command(ry: Typist) -> None:
    job = ry.submit("--param", "lr=0.1", "--param", "opt=a=b", "--param", "lr=0.2", "--", "printenv", "RUNYARD_PARAMS")
    assert ry.done(job).params == (("lr", "0.2"), ("opt", "a=b"))
    assert json.loads(ry.ok("logs", str(job))) == {"lr": "0.2", "opt": "a=b"}
    assert "lr=0.2, opt=a=b" in ry.ok("show", str(job))
    assert ry.json("show", str(job))["spec"]["params"] == [["lr", "0.2"], ["opt", "a=b"]]
    assert "use NAME=VALUE" in ry.refused("submit", "--param", "lr", "--", "true")


class TestPublic:
    """Variables whose names begin as the yard says are shown with their values, and no others."""

    def test_shown_by_show_and_lists(self, ry: Typist) -> None:
        job = str(ry.submit("--hold", "--", "true", DQ_PROJECT="protein", DQ_RUN="7", SECRET=SECRET))
        shown = ry.ok("show", job)
        assert "DQ_PROJECT=protein" in shown and "SECRET" in shown and SECRET not in shown
        (row,) = ry.json("ls", job)
        assert row["public"] == [["DQ_PROJECT", "protein"], ["DQ_RUN", "7"]]
        assert ry.ok("ls", "--columns", "id,DQ_PROJECT", job).splitlines()[1].split() == [job, "protein"]
        assert [row["id"] for row in ry.json("ls", "--where", "DQ_PROJECT = protein")] == [int(job)]

    def test_prefixes_of_the_yard(self, ry: Typist) -> None:
        job = str(ry.submit("--hold", "--", "true", EXP_A="1", DQ_B="2", RUNYARD_PUBLIC_PREFIXES="EXP_"))
        assert ry.json("ls", job)[0]["public"] == [["EXP_A", "1"]]

    def test_long_values_are_cut_in_lists_alone(self, ry: Typist) -> None:
        long = "x" * 1_000
        assert ry.output("-c0", "--", "printenv", "DQ_LONG", DQ_LONG=long) == long + "\n"
        assert ry.json("ls", "@")[0]["public"] == [["DQ_LONG", "x" * 256]]


def test_defaults_of_the_yard(ry: Typist) -> None:
    """Below those of a queue, which lie below the flags."""
    config = Path(ry.yard.home.config)
    config.write_text('[defaults]\ntime = "1h"\npriority = 3\nmem = "70M"\n')
    try:
        ry.ok("queue", "add", "q", "--default", "priority=4")
        (spec,) = json.loads(ry.ok("submit", "--dry-run", "--json", "-q", "q", "--mem", "80M", "--", "true"))["specs"]
        config.write_text('[defaults]\ntime = "soon"\n')
        assert "'soon' is no time span" in ry.refused("submit", "--", "true")
    finally:
        config.unlink()
    assert (spec["time_limit_s"], spec["priority"], spec["resources"]["memory_mb"]) == (3600.0, 4, 80)

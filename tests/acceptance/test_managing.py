"""The queue is managed as a user does it: move, edit, copy, retry, remove, drain."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.typist import Typist, editor
from tests.harness import processes
from tests.harness.yard import Bell, Gate

Gates = Callable[[str], Gate]


@pytest.fixture
def line(ry: Typist) -> str:
    """A queue that runs one job at a time, and nothing until `ry queue resume`."""
    ry.ok("queue", "add", "line", "--parallel", "1")
    ry.ok("queue", "pause", "line")
    return "line"


def spec(ry: Typist, job: int | str) -> dict[str, Any]:
    found: dict[str, Any] = ry.json("show", str(job))["spec"]
    return found


class TestMove:
    def test_jobs_run_in_the_order_in_which_they_were_lined_up(self, ry: Typist, line: str, tmp_path: Path) -> None:
        ids = [ry.submit("-q", line, "-c0", "-J", name, f"echo {name} >> order") for name in "abcdef"]
        a, b, _, d, e, f = map(str, ids)
        assert ry.ok("move", e, f, "--first") == f"jobs {e}-{f} moved to the front of its queue\n"
        ry.ok("move", "a", "--last")
        ry.ok("move", d, "--before", b)
        ry.ok("move", f, "--after", "a")
        ry.ok("queue", "resume", line)
        ry.ok("wait", *map(str, ids))
        assert (tmp_path / "order").read_text().split() == ["e", "d", "b", "c", "a", "f"]
        assert a

    def test_another_priority_is_said(self, ry: Typist, line: str) -> None:
        ry.submit("-q", line, "-P", "7", "--", "true")
        late = ry.submit("-q", line, "--", "true")
        told = ry.ok("move", str(late), "--first")
        assert told.splitlines()[1] == f"job {late} has priority 7 now"

    def test_where_to_has_to_be_said(self, ry: Typist) -> None:
        job = str(ry.submit("--hold", "--", "true"))
        assert "where to? One of --first" in ry.refused("move", job)
        ry.refused("move", job, "--first", "--last")
        assert "there is no job named" in ry.refused("move", job, "--before", "nobody")

    def test_what_runs_has_no_place(self, ry: Typist, gate: Gates, bell: Bell) -> None:
        gate("door")
        job = str(ry.submit("-c0", "echo > bell; read x < door"))
        bell.wait()
        ended = ry("move", job, "--first")
        assert ended.code == 1 and "only a job that waits has a place in line" in ended.err


class TestEdit:
    def test_keys_are_those_of_submit(self, ry: Typist) -> None:
        job = str(ry.submit("--hold", "-J", "old", "-e", "KEPT=1", "--", "true"))
        sets = ("name=new", "time=2h", "mem=1G", "gpus=0", "note=why not", "priority=3", "retries=2", "env=SEED=7")
        assert ry.ok("edit", job, *(word for one in sets for word in ("--set", one))) == f"job {job} changed\n"
        made = spec(ry, job)
        assert (made["name"], made["time_limit_s"], made["note"], made["priority"]) == ("new", 7200, "why not", 3)
        assert (made["resources"]["memory_mb"], made["retry"]["limit"]) == (1024, 2)
        assert {"KEPT", "SEED"} <= set(ry.json("show", job)["environment"])
        ry.ok("edit", job, "--set", "command=echo $KEPT $SEED", "--set", "hold=false")
        ry.ok("wait", job)
        assert ry.ok("logs", job) == "1 7\n"

    def test_many_at_once(self, ry: Typist) -> None:
        ids = ry.submit_many("--hold", "-a", "1-3", "-J", "part", "--", "true")
        assert "confirm with --yes" in ry.refused("edit", "part", "--set", "time=1h")
        preview = ry.ok("edit", "part", "--set", "time=1h", "--dry-run")
        assert preview.splitlines()[0] == f"would edit job {ids[0]}: time: none -> 1h"
        ry.ok("edit", "part", "--set", "time=1h", "--yes")
        assert {row["spec"]["time_limit_s"] for row in (ry.json("show", str(job)) for job in ids)} == {3600}

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ("tiem=2h", "did you mean 'time'?"),
            ("time=soon", "is no time span"),
            ("time", "use KEY=VALUE"),
            ("cpus=9999", "CPUs are asked for"),
            ("queue=nowhere", "there is no queue 'nowhere'"),
            ("workdir=/nowhere/at/all", "there is no directory"),
            ("after=@~999", "there is no job"),
        ],
    )
    def test_it_is_checked_as_a_submit_is(self, ry: Typist, change: str, why: str) -> None:
        job = str(ry.submit("--hold", "--", "true"))
        ended = ry("edit", job, "--set", change)
        assert ended.code in (1, 2) and why in ended.err and ended.err.count("\n") == 1
        assert ry.json("show", job)["version"] == 1

    def test_in_an_editor(self, ry: Typist, tmp_path: Path) -> None:
        job = str(ry.submit("--hold", "-J", "one", "--", "sleep", "1"))
        typed = editor(tmp_path, r"'s/^time = .*/time = \"3h\"/; s/\"1\"/\"2\"/'")
        assert ry.ok("edit", job, EDITOR=typed, VISUAL="") == f"job {job} changed\n"
        assert (spec(ry, job)["time_limit_s"], spec(ry, job)["command"]) == (10800, ["sleep", "2"])
        sheet = (tmp_path / "seen.1").read_text()
        assert f"[{job}]  # one, held" in sheet and 'time = "none"  # its limit' in sheet

    def test_a_mistake_comes_back_to_the_editor_and_nothing_is_lost(self, ry: Typist, tmp_path: Path) -> None:
        job = str(ry.submit("--hold", "--", "true"))
        typed = editor(
            tmp_path, r"'s/^note = .*/note = \"kept\"/; s/^mem = .*/mem = \"lots\"/'", r"'s/^cpus = .*/cpus = \"/'",
            r"'s/^cpus = .*/cpus = 0/; s/lots/2G/'",
        )  # fmt: skip
        ry.ok("edit", job, VISUAL=typed)
        assert "#! mem: 'lots' is no amount of memory" in (tmp_path / "seen.2").read_text()
        third = (tmp_path / "seen.3").read_text()
        assert "#! this is not TOML" in third and "lots' is no amount" not in third and 'note = "kept"' in third
        made = spec(ry, job)
        assert (made["note"], made["resources"]["cpus"], made["resources"]["memory_mb"]) == ("kept", 0, 2048)

    def test_who_gives_up_keeps_the_text(self, ry: Typist, tmp_path: Path) -> None:
        job = str(ry.submit("--hold", "--", "true"))
        said = ry.refused("edit", job, EDITOR=editor(tmp_path, r"'s/^mem = .*/mem = \"lots\"/'"), VISUAL="")
        kept = Path(said.rpartition("kept in ")[2].strip().rstrip(")"))
        assert 'mem = "lots"' in kept.read_text()
        assert [path.stat().st_mode & 0o777 for path in (kept, kept.parent)] == [0o600, 0o700]
        shutil.rmtree(kept.parent)

    def test_an_editor_that_never_learns_is_given_up(self, ry: Typist, tmp_path: Path) -> None:
        job = str(ry.submit("--hold", "--", "true"))
        script = tmp_path / "stubborn"
        script.write_text('#!/bin/sh\necho "mem = $$" >> "$1"\n')
        script.chmod(0o755)
        said = ry.refused("edit", job, EDITOR=str(script), VISUAL="")
        kept = Path(said.rpartition("kept in ")[2].strip().rstrip(")"))
        assert "this is not TOML" in said and "mem = " in kept.read_text()
        shutil.rmtree(kept.parent)

    def test_nothing_changed_is_no_change(self, ry: Typist) -> None:
        job = str(ry.submit("--hold", "--", "true"))
        ended = ry("edit", job, EDITOR="true", VISUAL="")
        assert (ended.code, ended.err) == (0, "nothing was changed\n")
        ended = ry("edit", job, EDITOR="false", VISUAL="")
        assert ended.code != 0 and "nothing was changed" in ended.err
        assert "there is nobody to edit this" in ry.refused("edit", job, EDITOR="", VISUAL="")
        assert "there is no editor no-such-program" in ry("edit", job, EDITOR="no-such-program", VISUAL="").err
        assert ry.json("show", job)["version"] == 1

    def test_the_limit_of_a_job_that_runs(self, ry: Typist, bell: Bell) -> None:
        job = str(ry.submit("-c0", "echo > bell; sleep 600"))
        bell.wait()
        assert "command cannot be changed any more" in ry("edit", job, "--set", "command=true").err
        begun = time.monotonic()
        ry.ok("edit", job, "--set", "time=0.2s", "--set", "note=enough")
        assert ry("wait", job).code == 124
        assert time.monotonic() - begun < 60

    def test_what_ended_keeps_what_it_was(self, ry: Typist) -> None:
        job = str(ry.run("--", "true").id)
        assert "retry --edit" in ry("edit", job, "--set", "time=1h").err
        ry.ok("edit", job, "--set", "note=the good one")
        assert ry.ok("ls", "note:GOOD").splitlines()[1].split()[0] == job


class TestCopy:
    def test_a_copy_is_the_job_once_more(self, ry: Typist, tmp_path: Path) -> None:
        script = tmp_path / "job.sh"
        script.write_text('#!/bin/sh\necho "$1 $WORD $(pwd)"\n')
        job = ry.submit("-e", "WORD=first", "-t", "1h", "-P", "3", "--note", "x", "job.sh", "arg")
        ry.ok("wait", str(job))
        script.write_text("#!/bin/sh\necho changed\n")
        (tmp_path / "elsewhere").mkdir()
        copy = ry.ok("copy", str(job), cwd=tmp_path / "elsewhere", WORD="second").strip()
        ry.ok("wait", copy)
        assert ry.ok("logs", copy) == ry.ok("logs", str(job)) == f"arg first {tmp_path}\n"
        assert spec(ry, copy) == spec(ry, job)

    def test_with_changes(self, ry: Typist, tmp_path: Path) -> None:
        job = str(ry.submit("-J", "one", "-e", "SEED=1", "echo $SEED"))
        copy = ry.ok("copy", job, "--set", "env=SEED=2", "--set", "name=two").strip()
        ry.ok("wait", copy, job)
        assert (ry.ok("logs", copy), ry.ok("logs", job)) == ("2\n", "1\n")
        edited = ry.ok("copy", job, "--edit", EDITOR=editor(tmp_path, r"'s/^name = .*/name = \"three\"/'"), VISUAL="")
        assert spec(ry, edited.strip())["name"] == "three"

    def test_copies_wait_for_copies(self, ry: Typist) -> None:
        first = ry.submit("--hold", "--", "true")
        second = ry.submit("-d", str(first), "--", "true")
        copies = [int(word) for word in ry.ok("copy", str(first), str(second)).split()]
        assert spec(ry, copies[1])["after"] == [{"job_id": copies[0], "kind": "afterok"}]

    def test_a_whole_array_is_one_again(self, ry: Typist) -> None:
        first, *_, last = ry.submit_many("--hold", "-a", "1,4-5%2", "--", "true")
        copies = ry.json("ls", *ry.ok("copy", "--yes", f"{first}-{last}").split())
        assert [copy["array_index"] for copy in copies] == [1, 4, 5]
        (group,) = {copy["group"] for copy in copies}
        assert group not in (None, ry.row(first).group)
        (single,) = ry.ok("copy", str(first)).split()
        assert ry.row(int(single)).group is None


class TestRetry:
    def test_the_same_id_and_the_next_attempt(self, ry: Typist) -> None:
        job = str(ry.submit("test -e mended && echo well"))
        assert ry("wait", job).code == 1
        after = ry.submit("-d", job, "--", "true")
        assert ry("wait", str(after)).code == 71
        (ry.directory / "mended").touch()
        told = ry.ok("retry", job)
        assert told == f"job {job} waits again\njob {after} comes along: skipped because of it\n"
        ry.ok("wait", job, str(after))
        shown = ry.json("show", job)
        assert (shown["attempt"], shown["outcome"], len(shown["attempts"])) == (2, "succeeded", 2)

    def test_failed_cells_of_a_group(self, ry: Typist) -> None:
        ids = ry.submit_many("-a", "0-3", "-J", "cell", "test $RUNYARD_ARRAY_INDEX -gt 1 -o -e mended")
        ry("wait", *map(str, ids))
        (ry.directory / "mended").touch()
        group = ry.json("ls", str(ids[0]))[0]["group"]
        told = json.loads(ry.ok("retry", "--failed", f"group:{group}", "--yes", "--json"))
        assert told["changed"] == ids[:2]
        ry.ok("wait", *map(str, ids))

    def test_the_command_learns_that_it_goes_on(self, ry: Typist) -> None:
        job = str(ry.submit('echo "resume=$RUNYARD_RESUME from=$RUNYARD_RESUMED_FROM"; test "$RUNYARD_RESUME"'))
        assert ry("wait", job).code == 1
        ry.ok("retry", job, "--resume")
        ry.ok("wait", job)
        assert ry.ok("logs", job) == ry.ok("logs", f"{ry.row(int(job)).name}.2") == f"resume=1 from={job}.1\n"

    def test_changed(self, ry: Typist, tmp_path: Path) -> None:
        job = str(ry.run("-J", "bad", "exit 3").id)
        ry.ok("retry", job, "--set", "command=exit 0", "--set", "note=mended")
        ry.ok("wait", job)
        other = str(ry.run("-J", "bad", "exit 3").id)
        ry.ok("retry", other, "--edit", EDITOR=editor(tmp_path, "'s/exit 3/exit 0/'"), VISUAL="")
        ry.ok("wait", other)

    def test_what_did_not_end_is_not_retried(self, ry: Typist) -> None:
        job = str(ry.submit("--hold", "--", "true"))
        assert "only a job that has ended can be retried" in ry("retry", job).err
        assert "which jobs?" in ry.refused("retry")


class TestRemove:
    def test_a_job_goes_with_its_output_and_its_id_stays_used(self, ry: Typist) -> None:
        job = ry.run("--", "echo", "hello").id
        home = Path(ry.yard.home.root)  # its agent may be putting the run away just now
        runs = ry.yard.when("its directory", lambda: list(home.glob(f"runs/*/*/**/{job}.1")) or None)
        assert ry.ok("rm", str(job)) == f"job {job} removed\n"
        assert "there is no job" in ry.refused("show", str(job))
        assert not any(path.exists() for path in runs)
        assert ry.submit("--", "true") > job

    def test_one_that_runs_is_refused_unless_it_is_to_be_stopped(self, ry: Typist, bell: Bell) -> None:
        job = str(ry.submit("-c0", "--grace", "0.2", "trap '' TERM; echo $$ > bell; sleep 600"))
        pid = int(bell.wait()[0])
        assert f"`ry rm --stop {job}` ends it first" in ry("rm", job).err
        ry.ok("rm", "--stop", job)
        assert not processes.alive(pid)
        assert "there is no job" in ry.refused("show", job)

    def test_what_waits_does_not_start_in_the_place_of_what_is_ended(self, ry: Typist, bell: Bell) -> None:
        ry.submit_many("-J", "many", "-c0", "-a", "0-2%1", "--grace", "0.2", "echo > bell; sleep 600")
        bell.wait()
        ry.ok("rm", "--stop", "many", "--yes")
        assert "there is no job" in ry.refused("show", "many")

    def test_what_another_waits_for_stays(self, ry: Typist) -> None:
        first = ry.submit("--hold", "--", "true")
        second = ry.submit("-d", str(first), "--", "true")
        assert f"is waited for by job {second}" in ry("rm", str(first)).err
        ry.ok("rm", str(first), str(second))

    def test_old_ones_go_by_age(self, ry: Typist) -> None:
        old, waits = ry.run("--", "true").id, ry.submit("--hold", "--", "true")
        assert "30 of what?" in ry.refused("clean", "--older", "30")
        assert str(old) not in ry.ok("clean", "--older", "1h", "--dry-run")
        ry.ok("clean", "--older", "0s", "--yes")
        assert [row["id"] for row in ry.json("ls", str(waits))] == [waits]
        ry.refused("show", str(old))


class TestDrain:
    def test_what_runs_ends_and_nothing_starts(self, ry: Typist, gate: Gates, bell: Bell) -> None:
        door = gate("door")
        running = str(ry.submit("-c0", "echo > bell; read x < door"))
        bell.wait()
        try:
            assert ry.ok("server", "drain").startswith("nothing new is started until `ry server resume`")
            waits = str(ry.submit("--", "true"))
            assert "draining" in ry.ok("why", waits)
            assert "draining" in ry.ok("ls", waits)
            door.open()
            ry.ok("wait", running)
            assert ry.json("ls", waits)[0]["word"] == "queued"
            assert ry.json("server", "status")["draining"]
        finally:
            ry.ok("server", "resume")
        ry.ok("wait", waits)


class TestNotes:
    def test_a_note_is_kept_found_and_shown(self, ry: Typist) -> None:
        job = str(ry.submit("--hold", "--note", "the Long one", "--", "true"))
        other = str(ry.submit("--hold", "--", "true", DQ_DESC="from dq"))
        assert ry.json("ls", "note:long")[0]["id"] == int(job)
        assert ry.json("ls", "note:dq")[0]["id"] == int(other)
        assert "the Long one" in ry.ok("show", job)
        assert "the Long one" in ry.seen("ls", job)

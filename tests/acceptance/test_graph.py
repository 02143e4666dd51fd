"""`ry graph`: who waits for whom, of jobs that a user has submitted."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.acceptance.typist import Typist
from tests.harness.yard import Gate, Yard

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '</title><script>"'


@pytest.fixture
def jobs(yard: Yard, ry: Typist, gate: Callable[[str], Gate]) -> dict[str, int]:
    """One that has ended, one that runs, two that wait, one that looks at a failure, one that has nobody."""
    made = {"first": ry.submit("-J", "first", "--", "true")}
    ry.done(made["first"])
    gate("gate")
    made["runs"] = ry.submit("-J", "runs", "-d", str(made["first"]), "read x < gate")
    made["next"] = ry.submit("-J", "next", "-d", str(made["runs"]), "--", "true")
    made["last"] = ry.submit("-J", HOSTILE, "-d", f"{made['next']},{made['runs']}", "--", "true")
    made["tell"] = ry.submit("-J", "tell", "-d", f"afternotok:{made['next']}", "--", "true")
    made["lone"] = ry.submit("-J", "lone", "--hold", "--", "true")
    yard.running(made["runs"])
    return made


def test_what_is_open_is_drawn_with_what_it_waits_for(ry: Typist, jobs: dict[str, int]) -> None:
    drawn = ry("graph")
    assert (drawn.code, drawn.err) == (0, "")
    n = jobs
    assert (
        drawn.out
        == f"""\
╟── {n["first"]} first (succeeded)
╎   └─╼ {n["runs"]} runs (running)
╎       └─╼ {n["next"]} next (waiting)
╎           ├─╼ {n["last"]} {HOSTILE} (waiting)
╎           └─╼ {n["tell"]} tell (waiting, afternotok {n["next"]} next)
╙── {n["lone"]} lone (held)
"""
    )
    assert f"next (waiting) ╾ {n['runs']} runs" not in drawn.out
    assert f"{HOSTILE} (waiting) ╾ {n['runs']} runs" in ry.ok("graph", "--all-edges")
    assert f"╎   ╽\n╎   {n['runs']} runs (running)" in ry.ok("graph", "--vertical")


def test_jobs_that_are_named_are_drawn_alone_or_with_those_around(ry: Typist, jobs: dict[str, int]) -> None:
    assert ry.ok("graph", str(jobs["next"])) == f"╙── {jobs['next']} next (waiting)\n"
    around = ry.ok("graph", str(jobs["next"]), "--around")
    assert [str(jobs[name]) in around for name in ("first", "runs", "last", "tell", "lone")] == [True] * 4 + [False]
    assert "no job" in ry.refused("graph", "no-such-job")
    assert "no job" in ry.refused("graph", "nobody-is-called*")


def test_no_more_is_drawn_than_was_said(ry: Typist, jobs: dict[str, int]) -> None:
    cut = ry("graph", "-n", "2")
    assert len(cut.out.splitlines()) == 2 and "drawn are the latest 2 jobs alone" in cut.err
    cut = ry("graph", str(jobs["next"]), "--around", "-n", "3")
    assert len(cut.out.splitlines()) == 3 and "not all that are connected" in cut.err


def test_a_crowd_of_lone_jobs_is_told_not_drawn(ry: Typist) -> None:
    ry.ok("submit", "-J", "crowd", "--hold", "-a", "0-20", "--", "true")
    crowd = ry("graph")
    assert crowd.out == "" and "not drawn: 21 jobs without any connection" in crowd.err
    assert len(ry.ok("graph", "crowd").splitlines()) == 21


def test_a_picture_is_written_and_is_sound(ry: Typist, jobs: dict[str, int], tmp_path: Path) -> None:
    assert ry("graph", "-o", "yard.svg").err == "drawn into yard.svg\n"
    root = ElementTree.parse(tmp_path / "yard.svg").getroot()
    nodes = {node.get("data-node"): node.findtext(f"{SVG}title", "") for node in root.iter(f"{SVG}g")}
    assert nodes[str(jobs["last"])].startswith(f"{jobs['last']} {HOSTILE}\nwaiting\nwaits for")
    assert {str(job_id) for job_id in jobs.values()} == nodes.keys() - {None}
    assert not list(root.iter(f"{SVG}script"))
    assert ry.ok("graph", "--format", "svg") == (tmp_path / "yard.svg").read_text(encoding="utf-8")
    ry.ok("graph", "-o", "yard.gv")
    dot = (tmp_path / "yard.gv").read_text(encoding="utf-8")
    assert dot.startswith("digraph {") and '</title><script>\\"' in dot
    assert "nowhere" in ry.refused("graph", "-o", os.path.join("nowhere", "yard.svg"))


def test_there_is_nothing_to_draw(ry: Typist) -> None:
    nothing = ry("graph")
    assert (nothing.code, nothing.out) == (0, "") and "none of your jobs waits or runs" in nothing.err


def test_two_ways_of_waiting_for_one_job_are_both_drawn(ry: Typist) -> None:
    held = ry.submit("-J", "held", "--hold", "--", "true")
    ry.submit("-J", "both", "-d", f"afterany:{held},afternotok:{held}", "--", "true")
    assert f"(waiting, afterany {held} held, afternotok {held} held)" in ry.ok("graph", "--all-edges")

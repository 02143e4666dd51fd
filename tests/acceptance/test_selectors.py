"""How jobs are named, and that a change which one word spreads over several is confirmed."""

from __future__ import annotations

import json

import pytest

from tests.acceptance.typist import Typist

NAMES = ("job01", "job02", "job03", "job04", "job10", "other", "50%_off")


@pytest.fixture
def ids(ry: Typist) -> dict[str, int]:
    """Held jobs by name."""
    text = "\n".join(json.dumps({"name": name, "command": "true", "hold": True}) for name in NAMES)
    return dict(zip(NAMES, ry.submit_many("--file", "-", stdin=text), strict=True))


def found(ry: Typist, *selectors: str) -> list[str]:
    """Names of those that wait: other tests have had jobs of the same names."""
    return [row["name"] for row in ry.json("ls", *selectors) if row["name"] in NAMES and row["state"] != "done"]


def test_what_they_mean(ry: Typist, ids: dict[str, int]) -> None:
    first, last = ids["job01"], ids["50%_off"]
    group = ry.submit_many("-a", "1-2", "-J", "arr", "--hold", "--", "true")
    ry.submit("--hold", "-J", "last", "--", "true")
    meant = {
        (str(first),): ["job01"],
        (f"{first}-{first + 2}",): ["job01", "job02", "job03"],
        ("@~3",): ["50%_off"],
        ("job[01-04]",): ["job01", "job02", "job03", "job04"],
        ("job[1-10]",): ["job10"],
        ("job*",): ["job01", "job02", "job03", "job04", "job10"],
        ("job0?",): ["job01", "job02", "job03", "job04"],
        ("50%_off",): ["50%_off"],
        ("50%*",): ["50%_off"],
        ("name:other",): ["other"],
        ("other", str(last), "other"): ["other", "50%_off"],
        ("state:held",): list(NAMES),
        ("state:running,held",): list(NAMES),
        ("state:pending",): list(NAMES),
        ("all",): list(NAMES),
        (f"user:{ry.row(first).user}",): list(NAMES),
        ("queue:default",): list(NAMES),
        ("user:nobody",): [],
        ("state:oom,lost",): [],
        ("no-such-*",): [],
    }
    for selectors, names in meant.items():
        assert found(ry, *selectors) == names, selectors
    assert ry.json("show", "@")["name"] == "last"
    assert [row["id"] for row in ry.json("ls", "arr")] == group
    assert [row["id"] for row in ry.json("ls", "arr[2]")] == group[1:]
    assert [row["id"] for row in ry.json("ls", "arr[*]")] == group
    assert "there is no queue 'none'" in ry.refused("ls", "queue:none")
    assert "no job matches nothing-like-*" in ry.refused("wait", "nothing-like-*")
    assert [row["id"] for row in ry.json("ls", f"group:{ry.row(group[0]).group}")] == group


def test_at_is_my_last_one(ry: Typist) -> None:
    two = ry.submit("--hold", "--", "true"), ry.submit("--hold", "--", "true")
    assert [ry.json("ls", selector)[0]["id"] for selector in ("@~1", "@~0", "@")] == [two[0], two[1], two[1]]


def test_order_and_limit(ry: Typist, ids: dict[str, int]) -> None:
    assert [row["id"] for row in ry.json("ls", "--order", "-id", "-n", "2")] == [ids["50%_off"], ids["other"]]
    by_name = [row["name"] for row in ry.json("ls", "--order", "name", "job*")]
    assert by_name == sorted(by_name)


@pytest.mark.parametrize("selector", ["job[01-03]", "job0*", "{first}-{third}", "state:held", "all", "same"])
def test_a_change_of_several_by_one_word_needs_a_yes(ry: Typist, ids: dict[str, int], selector: str) -> None:
    ry.submit_many("-a", "1-2", "-J", "same", "--hold", "--", "true")
    word = selector.format(first=ids["job01"], third=ids["job03"])
    ended = ry("stop", word)
    assert (ended.code, ended.out) == (2, "")
    assert "this would stop " in ended.err and "confirm with --yes" in ended.err
    assert ry.row(ids["job01"]).word == "held", "nothing was changed"
    would = ry.json("stop", word, "--dry-run")["would_stop"]
    assert len(would) > 1 and ry.row(ids["job01"]).word == "held"
    assert ry.json("stop", word, "--yes")["changed"] == would


def test_one_that_is_named_needs_none_nor_do_several(ry: Typist, ids: dict[str, int]) -> None:
    assert ry.ok("stop", "other") == f"job {ids['other']} told to stop\n"
    assert ry.json("stop", str(ids["job01"]), "job02", "@")["changed"] == [ids["job01"], ids["job02"], ids["50%_off"]]
    assert ry.ok("release", f"{ids['job03']}-{ids['job03']}") == f"job {ids['job03']} released\n"


def test_what_is_over_is_left_out_where_a_word_spreads(ry: Typist, ids: dict[str, int]) -> None:
    ry.ok("stop", "job01")
    assert ry.json("stop", "job*", "--yes")["changed"] == [ids[name] for name in ("job02", "job03", "job04", "job10")]
    again = ry("stop", "job*", "--yes")
    assert (again.code, again.err) == (0, "nothing to stop\n")


@pytest.mark.parametrize(("verb", "aliases"), [("stop", ("cancel", "scancel")), ("ls", ("ps", "status", "squeue"))])
def test_aliases(ry: Typist, verb: str, aliases: tuple[str, ...]) -> None:
    job = ry.submit("--hold", "--", "true")
    for alias in aliases:
        assert str(job) in ry.ok(alias, *(("--dry-run",) if verb == "stop" else ()), str(job))


@pytest.mark.parametrize(("signal", "says"), [("INT", "got INT"), ("SIGUSR1", "got USR1"), ("15", "got TERM")])
def test_stop_with_a_signal(ry: Typist, signal: str, says: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    traps = "; ".join(f"trap 'echo got {name}; exit 0' {name}" for name in ("INT", "USR1", "TERM"))
    job = ry.submit(f"{traps}; touch ready; while :; do sleep 0.02; done")
    ry.yard.when("the traps", (ry.directory / "ready").exists)
    ry.ok("stop", "-s", signal, str(job))
    assert ry.done(job).outcome == "cancelled"
    assert says in ry.ok("logs", str(job))


def test_kill_gives_no_grace(ry: Typist) -> None:
    job = ry.submit("--grace", "1h", "trap '' TERM; touch ready; while :; do sleep 0.02; done")
    ry.yard.when("the trap", (ry.directory / "ready").exists)
    ry.ok("stop", str(job))
    ry.yard.until("stopping", lambda: ry.row(job).word == "stopping")
    ry.ok("kill", str(job))
    row = ry.done(job)
    assert (row.outcome, row.exit_code) == ("cancelled", 137)


def test_stop_with_another_grace(ry: Typist) -> None:
    job = ry.submit("--grace", "1h", "trap '' TERM; touch ready; while :; do sleep 0.02; done")
    ry.yard.when("the trap", (ry.directory / "ready").exists)
    ry.ok("stop", "--grace", "0.1", str(job))
    assert ry.done(job).exit_code == 137

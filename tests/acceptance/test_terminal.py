"""What somebody sees at a terminal, and what they are asked there."""

from __future__ import annotations

import pytest

from tests.acceptance.typist import COLUMNS, Typist, plain
from tests.harness.yard import Bell

HOSTILE = "a\x1b]0;title\x07\x1b[2J\rb\u202ec"
"""Retitles the window, clears the screen, goes back to the start of the line, turns the writing around."""


def test_a_table_fits_and_has_colours(ry: Typist) -> None:
    job = ry.submit("-J", "n" * 250, "--", "false")
    ry.done(job)
    seen = ry.seen("ls", str(job))
    assert "\x1b[" in seen and "failed" in seen
    for line in plain(seen).splitlines():
        assert len(line) <= COLUMNS, line


def test_a_graph_has_the_colours_of_states_and_names_do_nothing(ry: Typist) -> None:
    job = ry.submit("-J", HOSTILE, "--hold", "--", "true")
    seen = ry.seen("graph", str(job))
    assert plain(seen).rstrip() == f"╙── {job} a\\e]0;title\\x07\\e[2J\\rb\\u202ec (held)"
    assert "(\x1b[35mheld\x1b[0m)" in seen


def test_submit_says_what_is_going_to_happen(ry: Typist) -> None:
    seen = plain(ry.seen("submit", "--hold", "-J", "mine", "-t", "2h", "echo x"))
    assert "(mine) held: held by a user" in seen
    assert "1 cpu, no memory limit, no gpu, queue default, at most 2 hours, run by bash" in seen
    assert "3 jobs queued: " in plain(ry.seen("submit", "--hold", "-a", "1-3", "--", "true"))


@pytest.mark.parametrize(("answer", "word"), [("y", "cancelled"), ("n", "held"), ("", "held")])
def test_a_change_of_several_asks(ry: Typist, answer: str, word: str) -> None:
    ids = ry.submit_many("-a", "1-2", "--hold", "--", "true")
    with ry.terminal("stop", f"{ids[0]}-{ids[1]}") as terminal:
        terminal.until(r"stop 2 jobs .*\[y/N\]")
        terminal.send(answer + "\n")
        assert terminal.end() == (0 if answer == "y" else 1)
    assert {ry.row(job).word for job in ids} == {word}


@pytest.mark.parametrize(("key", "word", "code"), [("d", "running", 130), ("s", "cancelled", 130)])
def test_ctrl_c_in_a_run_asks(ry: Typist, bell: Bell, key: str, word: str, code: int) -> None:
    with ry.terminal("run", "echo > bell; exec sleep 600") as terminal:
        bell.wait()
        ry.yard.running(ry.yard.rows("@")[0].id)
        terminal.send("\x03")
        terminal.until(r"\(d\)etach, \(s\)top or \(c\)ontinue\?")
        terminal.send(key + "\n")
        assert terminal.end() == code
    assert ry.yard.rows("@")[0].word == word


def test_ctrl_c_twice_stops_it(ry: Typist, bell: Bell) -> None:
    with ry.terminal("run", "echo > bell; exec sleep 600") as terminal:
        bell.wait()
        terminal.send("\x03")
        terminal.until(r"ontinue\?")
        terminal.send("\x03")
        assert terminal.end() == 130
    assert ry.yard.rows("@")[0].word == "cancelled"


class TestHostileText:
    """Escape sequences of others act on nobody's terminal; a pipe gets the bytes."""

    @pytest.fixture
    def job(self, ry: Typist) -> str:
        return str(ry.run("-J", HOSTILE, "--", "printf", "%b", r"\033]0;title\007\033[2J\033[31mred\033[0m\n").id)

    @pytest.mark.parametrize("words", [("ls",), ("show",), ("why",), ("wait",)])
    def test_in_names(self, ry: Typist, job: str, words: tuple[str, ...]) -> None:
        seen = ry.seen(*words, job)
        for mark in ("\x1b]", "\x1b[2J", "\x07", "\u202e"):
            assert mark not in seen
        assert "\x1b]" not in ry.ok(*words, job), "nor in a pipe: it is our own line"

    def test_in_output(self, ry: Typist, job: str) -> None:
        for words in (("logs",), ("tail",), ("head",), ("grep", "red")):
            seen = ry.seen(*words, job)
            assert "\x1b[31mred" in seen, "colours pass"
            assert "\x1b]" not in seen and "\x1b[2J" not in seen
            assert "\x1b]0;title\x07\x1b[2J" in ry.ok(*words, job)
            assert "\x1b]0;title\x07" in ry.seen(words[0], "--raw", *words[1:], job)

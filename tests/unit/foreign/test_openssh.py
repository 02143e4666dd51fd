"""What ssh is called with, and how words reach the shell over there."""

from __future__ import annotations

import shlex

import pytest

from runyard.errors import UsageError
from runyard.foreign.openssh import Destination, in_login_shell, may_pass, quoted


@pytest.mark.parametrize("host", ["gpu1", "ada@gpu1", "ssh://ada@gpu1:2222", "[::1]", "gpu-1.example.org"])
def test_a_destination(host: str) -> None:
    assert Destination(host).options() == []


@pytest.mark.parametrize("bad", ["-oProxyCommand=x", "", " ", "a b", "a\nb", "a\x1b[2J", "a\x7f", "a\0"])
def test_no_destination(bad: str) -> None:
    with pytest.raises(UsageError):
        Destination(bad)


def test_user_and_key() -> None:
    assert Destination("gpu1", "ada", "/k").options() == ["-l", "ada", "-i", "/k"]
    for user, key in (("-x", ""), ("", "-oX"), ("a\nb", "")):
        with pytest.raises(UsageError):
            Destination("gpu1", user, key)


@pytest.mark.parametrize("word", ["plain", "it's", "a b", "$HOME", "`x`", "a\nb", '"', "\\", ""])
def test_words_stay_as_they_are(word: str) -> None:
    assert shlex.split(quoted(word)) == [word]
    *_, line = shlex.split(in_login_shell(["ry", word]))
    assert shlex.split(line) == ["exec", "ry", word]


def test_the_home_over_there() -> None:
    *_, line = shlex.split(in_login_shell(["~/venv/bin/ry", "~x"]))
    assert line == "exec \"$HOME\"/'venv/bin/ry' '~x'"


@pytest.mark.parametrize(
    ("complaint", "passes"),
    [
        ("ssh: connect to host gpu1 port 22: Connection refused", True),
        ("ssh: connect to host gpu1 port 22: Connection timed out", True),
        ("kex_exchange_identification: read: Connection reset by peer", True),
        ("Connection closed by 10.0.0.1 port 22", True),
        ("ssh: Could not resolve hostname gpu1: Temporary failure in name resolution", True),
        ("ssh: Could not resolve hostname gpu1: Name or service not known", False),
        ("ada@gpu1: Permission denied (publickey).", False),
        ("Host key verification failed.", False),
    ],
)
def test_what_may_be_over_in_a_moment(complaint: str, passes: bool) -> None:
    assert may_pass(complaint) is passes

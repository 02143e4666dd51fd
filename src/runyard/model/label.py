"""What a job is called that was given no name: its program, or what an interpreter runs.

Behind variables (`LR=1 python train.py`), `env` and an interpreter stands what people look for: `train.py`, or with
`-m` the module. A text for a shell is read roughly: up to the first character that is the shell's own.
"""

from __future__ import annotations

import re

LABEL_MAX = 40
READ_MAX = 400
"""How many characters of a text are looked at."""

SHELLS = frozenset(("bash", "dash", "ksh", "sh", "zsh"))
INTERPRETERS = SHELLS | {"python", "pypy", "perl", "ruby", "node", "julia", "Rscript"}
WITH_VALUE = frozenset(("-W", "-X", "--rcfile", "--init-file"))
"""Options of theirs that have a word behind them (`-o` and `-euo` of a shell too)."""

_SIMPLE = r"""("[^"\n]*"|'[^'\n]*'|[^|&;<>()\n])*"""
_WORD = r"""(?:"[^"]*"|'[^']*'|[^\s"']|["'])+"""


def program_name(command: tuple[str, ...], is_text: bool) -> str:
    """The name; `is_text` where the command is one text for a shell."""
    words = _first_words(command[0]) if is_text else command
    place = next((place for place, word in enumerate(words) if not _goes_before(word)), 0)
    name = _base(words[place])
    interpreter = name.rstrip(".0123456789")
    if interpreter in INTERPRETERS:
        name = _base(_what_runs(words[place + 1 :], interpreter in SHELLS)) or name
    return name[:LABEL_MAX]


def _first_words(text: str) -> tuple[str, ...]:
    start = re.match(_SIMPLE, text[:READ_MAX].lstrip(" \t\n(){};"))
    words = re.findall(_WORD, start[0]) if start else []
    return tuple(word.strip("'\"") or word for word in words) or (text.strip() or text,)


def _goes_before(word: str) -> bool:
    """Whether this is a variable that is set for the command, or `env`."""
    if "=" in word:
        return word.partition("=")[0].isidentifier()
    return "env" in word and _base(word) == "env"


def _what_runs(words: tuple[str, ...], by_shell: bool) -> str:
    """The script or module among an interpreter's arguments ("" where it is given a program as text, or nothing)."""
    left = iter(words)
    for word in left:
        if word == "-m" and not by_shell:
            return next(left, "")
        if word in WITH_VALUE or (by_shell and word[:1] in "-+" and word.endswith("o")):
            next(left, "")
        elif not word.startswith("-"):
            return word
        elif word[:2] != "--" and ("c" in word or ("e" in word and not by_shell)):
            return ""
    return ""


def _base(word: str) -> str:
    line = word.split("\n", 1)[0]
    return line.rstrip("/").rsplit("/", 1)[-1] or line

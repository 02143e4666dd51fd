"""The options in a script's head: its `#RY` lines, and the `#SBATCH` lines that it may have from Slurm.

`#RY` takes the flags of `submit`; a wrong one is refused. `#SBATCH` is read as sbatch reads it (`submitting.sbatch`
says what each option becomes), and what is not done here is told by name. As with sbatch, lines count up to the first
command. Flags win over them, and they over a queue's defaults. `Builder` loads this for scripts that have such lines.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

from runyard.errors import InvalidSpec
from runyard.model.nearest import meant
from runyard.submitting import gpus, job_options, sbatch, spelling
from runyard.submitting.grammar import Grammar, Option, Stray
from runyard.submitting.ground import Here

RY, SBATCH = "#RY", "#SBATCH"
MARKS = (RY, SBATCH)
HEAD_MAX = 1 << 20
"""Nobody's head of a script is longer."""

SHORTS = {
    "J": "name", "n": "name", "D": "workdir", "w": "workdir", "q": "queue", "p": "queue", "P": "priority",
    "G": "gpus", "c": "cpus", "t": "time", "d": "after", "a": "array", "e": "env", "o": "output", "i": "input",
    "H": "hold", "b": "begin",
}  # fmt: skip
ALIASES = {"job-name": "name", "partition": "queue", "dependency": "after", "cpus-per-task": "cpus"}
"""The other spellings of flags that `submit` takes (tested to be the same)."""

GRES = "gres"
_WORD = re.compile(r"""\s*(#.*|(?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\])+)""", re.DOTALL)


class Directives(NamedTuple):
    """What the lines of a script say: options by long flag, where each was said, and what the user should know."""

    options: dict[str, Any]
    places: dict[str, str]
    remarks: tuple[str, ...] = ()

    def below(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """These options, and above them those that were given otherwise: variables add up, the rest is replaced."""
        merged = job_options.layered(self.options, given)
        if "env" in self.options and "env" in given:
            merged["env"] = (*self.options["env"], *spelling.variables(given["env"], "env", NOWHERE))
        return merged

    def located(self, error: InvalidSpec, given: Mapping[str, Any]) -> InvalidSpec:
        """The error with the line that it comes from, where a line and no flag said what is wrong."""
        if error.field in given or error.field not in self.places:
            return error
        return InvalidSpec(error.message.removeprefix(f"{error.field}: "), self.places[error.field])


NOWHERE = Here({}, "/", 0.0)


class Line(NamedTuple):
    """A line for us: its number, its mark, and what follows."""

    number: int
    mark: str
    text: str


def read(
    data: bytes, name: str, here: Here, first: int = 1, hooks: Callable[[], Collection[str]] = tuple
) -> Directives:
    """What the script of this name says, whose first line has this number, in a yard with these hooks. InvalidSpec
    names the line that is wrong."""
    head, late = _lines(data, first)
    said = [option for line in head if line.mark == RY for option in _ours(line, name)]
    foreign = sbatch.translated(
        [option for line in head if line.mark == SBATCH for option in _foreign(line, name)], name, here.environ, hooks
    )
    options: dict[str, Any] = {}
    places: dict[str, str] = {}
    for option in (*foreign.options, *said):  # ours count more
        place = f"{name}, line {option.line}: {option.shown}"
        job_options.OPTIONS[option.name].read(option.value, place, here)
        if option.name in job_options.MANY:
            options[option.name] = (*options.get(option.name, ()), option.value)
        else:
            options = job_options.layered(options, {option.name: option.value})
        places[option.name] = place
    remarks = list(foreign.remarks)
    if late:
        lines = ", ".join(str(line.number) for line in late[:LATE_TOLD]) + (", ..." if len(late) > LATE_TOLD else "")
        which = f"line{'s' if len(late) > 1 else ''} {lines}"
        remarks.append(f"{name}, {which}: {late[0].mark} after the first command does not count")
    return Directives(options, places, tuple(remarks))


LATE_TOLD = 5


def _lines(data: bytes, first: int) -> tuple[list[Line], list[Line]]:
    """The lines for us in the head, and those that come too late: after the first command."""
    head: list[Line] = []
    late: list[Line] = []
    found = head
    for number, raw in enumerate(data[:HEAD_MAX].split(b"\n"), first):
        text = raw.decode("utf-8", "surrogateescape").rstrip("\r")
        mark, _, rest = text.replace("\t", " ", 1).partition(" ")
        if mark in MARKS:
            found.append(Line(number, mark, rest))
        elif text.strip() and not text.lstrip().startswith("#"):
            found = late
    return head, late


def _words(line: Line, place: str) -> list[str]:
    """The words of a line, with quotes as in a shell; `# ...` at the end is a comment."""
    words: list[str] = []
    end = 0
    for match in _WORD.finditer(line.text):
        if line.text[end : match.start()].strip():
            break
        end = match.end()
        if match[1].startswith("#"):
            return words
        words += shlex.split(match[1])
    if line.text[end:].strip():
        raise InvalidSpec("a quote is not closed", place)
    return words


def _ours(line: Line, name: str) -> Iterator[Option]:
    place = f"{name}, line {line.number}: {RY}"
    for option in GRAMMAR.options(_words(line, place), line.number, place):
        if isinstance(option, Stray):
            raise InvalidSpec(
                f"{option.word!r} is no option: lines hold flags of `ry submit`, as in #RY -G1 -t 2h", place
            )
        known = ALIASES.get(option.name, option.name)
        value = gpus.gres(option.value, f"{place} --gres") if known == GRES else option.value
        known = "gpus" if known == GRES else known
        if known not in job_options.OPTIONS:
            raise InvalidSpec(
                f"there is no such option{meant(option.name, job_options.OPTIONS)}", f"{place} {option.shown}"
            )
        yield Option(known, value, option.line, f"{RY} {option.shown}")


def _foreign(line: Line, name: str) -> Iterator[Option | Stray]:
    place = f"{name}, line {line.number}: {SBATCH}"
    yield from sbatch.GRAMMAR.options(_words(line, place), line.number, place)


GRAMMAR = Grammar(
    frozenset({*job_options.OPTIONS, *ALIASES, GRES}),
    SHORTS,
    bare=frozenset(name for name, option in job_options.OPTIONS.items() if option.read is spelling.flag),
)

"""Templates: a command with parameters, and the options that its jobs are submitted with.

A parameter knows what values it takes and how they are put on the command line. All values are texts, as a command
gets them; several values of one parameter are one text each. What is made of a template is in `model.rendering`.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import Optional

from runyard.errors import InvalidSpec
from runyard.model.params import PARAM_NAME_BYTES
from runyard.model.record import dataclass

TYPES = ("text", "int", "float", "bool", "path")
"""What the values of a parameter are."""

OPTION, EQUALS, HYDRA, POSITIONAL = "option", "equals", "hydra", "positional"
STYLES = (OPTION, EQUALS, HYDRA, POSITIONAL)
"""How a value stands on the command line: --lr 0.1, --lr=0.1, lr=0.1, or alone in its place."""

ONE, EACH, TOGETHER = "one", "each", "together"
MANY = (ONE, EACH, TOGETHER)
"""Several values: refused, the flag again for each (--tag a --tag b), or one flag before all (--size 1 2)."""

SOURCES = ("hand", "argparse", "click", "typer", "hydra")
PARAMETERS_MAX = 1_000
VALUE_BYTES = 8_192
TEMPLATE_BYTES = 256 * 1024
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
PARAMETER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.@/-]*")


@dataclass(frozen=True)
class Parameter:
    """One parameter. `default` None: it has none. `choices` (if any) are all the values that it takes, `least` and
    `most` bound a number.

    `flag` stands before its value, `off` is the flag that says no; a `bool` without `off` is said by its flag alone.
    `implied`: the command knows the default itself, so that it is not put on the command line.
    """

    name: str
    type: str = "text"
    default: Optional[str] = None
    required: bool = False
    choices: tuple[str, ...] = ()
    least: Optional[float] = None
    most: Optional[float] = None
    help: str = ""
    style: str = OPTION
    flag: str = ""
    off: str = ""
    many: str = ONE
    implied: bool = False

    def __post_init__(self) -> None:
        if not PARAMETER_NAME.fullmatch(self.name) or len(self.name) > PARAM_NAME_BYTES:
            raise InvalidSpec(f"{self.name[:80]!r} is no name of a parameter (letters, digits, _ . - @ /)", "param")
        _check_word(self.name, "type", self.type, TYPES)
        _check_word(self.name, "style", self.style, STYLES)
        _check_word(self.name, "many", self.many, MANY)
        for text in (self.default or "", self.flag, self.off, *self.choices):
            if "\0" in text or len(text) > VALUE_BYTES:
                raise InvalidSpec(f"{self.name}: a value has at most {VALUE_BYTES} characters and no NUL", "param")


def _check_word(parameter: str, what: str, word: str, known: tuple[str, ...]) -> None:
    if word not in known:
        raise InvalidSpec(f"{parameter}: {word!r} is none of {', '.join(known)}", what)


@dataclass(frozen=True)
class Template:
    """A command (an argv, or with `shell` one text) with its parameters. `options` are those of `submit` by long flag,
    each a text or several. `script`: the first word is a script, of which each job gets a copy.

    `{name}` in the command or in an option stands for a parameter's value; values that stand nowhere come at the end.
    `source` says where the parameters were found. `version` counts changes (0: not stored yet).
    """

    name: str
    command: tuple[str, ...]
    shell: bool = False
    script: bool = False
    parameters: tuple[Parameter, ...] = ()
    options: dict[str, tuple[str, ...]] = field(default_factory=dict)
    description: str = ""
    source: str = "hand"
    user: str = ""
    saved_at: float = 0.0
    version: int = 0

    def __post_init__(self) -> None:
        if self.name and not NAME.fullmatch(self.name):
            raise InvalidSpec(
                f"{self.name[:80]!r} is no name of a template (letters, digits, '.', '_', '-')", "template"
            )
        if not self.command or not self.command[0]:
            raise InvalidSpec("there is nothing to run: give a command after --", "command")
        if self.shell and len(self.command) != 1:
            raise InvalidSpec("a shell runs one text", "command")
        names = [parameter.name for parameter in self.parameters]
        if len(names) > PARAMETERS_MAX:
            raise InvalidSpec(f"{len(names)} parameters, at most {PARAMETERS_MAX} are taken", "param")
        for name in names:
            if names.count(name) > 1:
                raise InvalidSpec(f"{name!r} is there twice", "param")
        if self.source not in SOURCES:
            raise InvalidSpec(f"{self.source!r} is none of {', '.join(SOURCES)}", "source")

    def parameter(self, name: str) -> Optional[Parameter]:
        """The parameter of this name, with `-` for `_` or the other way round too."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        plain = name.replace("-", "_")
        return next((one for one in self.parameters if one.name.replace("-", "_") == plain), None)


@dataclass(frozen=True)
class NumbersCall:
    """Numbers for runs of a template: `count` in a row, from `least` on, that nobody was given before."""

    template: str
    count: int = 1
    least: int = 1

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.template):
            raise InvalidSpec(f"{self.template[:80]!r} is no name of a template", "template")
        if not 1 <= self.count <= 1_000_000 or not 1 <= self.least <= 1_000_000_000:
            raise InvalidSpec("from 1 to a million numbers, from 1 on", "numbers")

"""Two jobs side by side: how their code, their environment and what is installed for them differ."""

from __future__ import annotations

from runyard.model.code import Code
from runyard.model.record import dataclass

HIDDEN = "***"
"""Nothing is told of a secret, not even a hash: a short one could be guessed by that."""


@dataclass(frozen=True)
class Side:
    """The code of one of them: `tree` is all of it, and `patch` leads there from its commit."""

    code: Code
    tree: str = ""
    patch: bytes = b""


@dataclass(frozen=True)
class Variable:
    """A variable of the environment that differs: its value on both sides ("": not set), which is HIDDEN unless it is
    public."""

    name: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Comparison:
    """What differs from the first job to the second, beside what their specs say.

    `files` are as git names them ("M train.py"), `patch` leads from the code of the first to that of the second, and
    may be cut (`patch_cut`); `problem` says why they cannot be compared. `packages` are in words ("numpy 1.26 -> 2.0").
    """

    files: tuple[str, ...] = ()
    more: int = 0
    patch: str = ""
    patch_cut: bool = False
    problem: str = ""
    environment: tuple[Variable, ...] = ()
    packages: tuple[str, ...] = ()

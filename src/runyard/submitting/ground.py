"""The machine that jobs are submitted to, as far as a submit looks at it: environment, directories, programs.

`Near` is the machine on which the command is typed. Another one (`--host`) is `submitting.far.Far`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from runyard.settings import Settings

if TYPE_CHECKING:
    from runyard.submitting.far import Far


class Ground(Protocol):
    """Paths are absolute, or relative to `cwd`; `where` ends a sentence about something that is not there."""

    where: str

    @property
    def environ(self) -> Mapping[str, str]:
        """What the environment of a job begins with."""

    @property
    def cwd(self) -> str:
        """Where a job runs if nobody says where."""

    @property
    def is_far(self) -> bool:
        """Whether paths of the machine on which one types mean nothing there."""

    def expand(self, path: str) -> str:
        """The path with a `~` as the account there has it."""

    def real(self, path: str) -> str:
        """The path without symbolic links."""

    def exists(self, path: str) -> bool:
        """Whether there is such a file, directory or whatever."""

    def is_directory(self, path: str) -> bool:
        """Whether it is a directory."""

    def may_execute(self, path: str) -> bool:
        """Whether it is there and may be executed (or, a directory, be entered)."""

    def has_program(self, places: Sequence[str]) -> bool:
        """Whether at one of these paths is a program."""


class Near:
    """This machine."""

    where = ""
    is_far = False

    def __init__(self, environ: Mapping[str, str], cwd: str) -> None:
        self.environ = environ
        self.cwd = cwd

    def expand(self, path: str) -> str:
        return os.path.expanduser(path)

    def real(self, path: str) -> str:
        return os.path.realpath(path)

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    def is_directory(self, path: str) -> bool:
        return os.path.isdir(path)

    def may_execute(self, path: str) -> bool:
        return os.access(path, os.X_OK)

    def has_program(self, places: Sequence[str]) -> bool:
        return any(os.path.isfile(place) and os.access(place, os.X_OK) for place in places)


class Here(NamedTuple):
    """Where and when something is typed.

    `far` is the machine that it is submitted to, where that is another one. The rest are settings of the yard: the
    largest environment, whose variables are public, and options where nobody says any.
    """

    environ: Mapping[str, str]
    cwd: str
    now: float
    environment_max_kb: int = 1_280
    far: Ground | None = None
    public_prefixes: tuple[str, ...] = ("DQ_",)
    defaults: Mapping[str, Any] = MappingProxyType({})

    @property
    def ground(self) -> Ground:
        """The machine that it is submitted to: the one place that says so."""
        return self.far or Near(self.environ, self.cwd)


def here_of(environ: Mapping[str, str], now: float, settings: Settings, far: Far | None = None) -> Here:
    """This directory, now, with the settings of the yard: of another machine's, as the login there has found them."""
    if far is None:
        prefixes, defaults = settings.public_prefixes, settings.defaults
    else:
        prefixes, defaults = far.public_prefixes, far.defaults
    return Here(environ, os.getcwd(), now, settings.environment_max_kb, far, prefixes, defaults)

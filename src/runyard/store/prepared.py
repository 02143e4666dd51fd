"""Statements for the way that every job walks: compiled once, then run with plain tuples on the driver itself.

SQLAlchemy says the statement in the database's dialect; binding and fetching through it would cost more than the
database does. Everything that is not on that way is run by SQLAlchemy as usual.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.sql.expression import Executable

Values = Sequence[Any]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A statement whose rows are tuples in the order of `names`, which are its bound parameters."""

    statement: Executable
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Compiled:
    """A statement in one dialect: its text, and what makes of a row what the driver takes (None: the row itself)."""

    text: str
    bind: Callable[[Values], Any] | None

    def row(self, values: Values) -> Any:
        return values if self.bind is None else self.bind(values)

    def rows(self, values: Sequence[Values]) -> Sequence[Any]:
        return values if self.bind is None else list(map(self.bind, values))


def compile_for(dialect: Dialect, prepared: Prepared) -> Compiled:
    """The statement as this database's driver wants it."""
    compiled: Any = prepared.statement.compile(dialect=dialect)  # type: ignore[attr-defined]
    fixed = {name: value for name, value in compiled.params.items() if name not in prepared.names}
    if not compiled.positional:
        return Compiled(str(compiled), lambda row: {**fixed, **dict(zip(prepared.names, row, strict=True))})
    places = tuple(compiled.positiontup)
    if places == prepared.names:
        return Compiled(str(compiled), None)
    order = {name: place for place, name in enumerate(prepared.names)}

    def bind(row: Values) -> tuple[Any, ...]:
        return tuple([row[order[name]] if name in order else fixed[name] for name in places])

    return Compiled(str(compiled), bind)

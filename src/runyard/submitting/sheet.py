"""Jobs as a text for an editor (TOML, one table for each), and from that text to what its user changed."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from runyard.errors import InvalidSpec
from runyard.model.nearest import meant
from runyard.model.spec import JobSpec
from runyard.submitting import toml_text
from runyard.submitting.job_options import Option

MISTAKE = "#! "
"""How lines begin that say what was wrong."""

HEAD = """\
# Change what you like, save and leave the editor. Without saving, nothing changes; nor does a line that you take out.
# After a mistake the editor opens again with what you wrote.
"""


class Part(NamedTuple):
    """One job on the sheet: what is said of it, and which of its options can be changed."""

    id: int
    spec: JobSpec
    title: str
    keys: Mapping[str, Option]


class Sheet:
    """The text, and what has been changed in it."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = {str(part.id): part for part in parts}
        self.text = HEAD + "".join(map(_table, parts))
        self._before = tomllib.loads(self.text)

    def changes(self, text: str) -> dict[int, dict[str, Any]]:
        """Which options of which jobs differ from what was shown; InvalidSpec says what cannot be read."""
        try:
            told = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InvalidSpec(f"this is not TOML: {error}") from None
        found: dict[int, dict[str, Any]] = {}
        for name, table in told.items():
            part = self._parts.get(name)
            if part is None or not isinstance(table, dict):
                raise InvalidSpec(f"[{name}] is none of these jobs: {', '.join(self._parts)}")
            given = self._given(part, table, self._before[name])
            if given:
                found[part.id] = given
        return found

    def _given(self, part: Part, table: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        for name in table:
            if name not in part.keys:
                raise InvalidSpec(f"job {part.id}: this cannot be changed{meant(name, part.keys)}", name)
        given = {name: value for name, value in table.items() if value != before.get(name)}
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in given.items()}


def with_mistake(text: str, message: str) -> str:
    """The text with this said above it, instead of what was said before."""
    kept = [line for line in text.splitlines(keepends=True) if not line.startswith(MISTAKE)]
    said = "".join(f"{MISTAKE}{line}\n" for line in message.splitlines())
    return said + "".join(kept)


def _table(part: Part) -> str:
    lines = [f"\n[{part.id}]  # {part.title}\n"]
    for name, option in part.keys.items():
        value = toml_text.value(option.shown(part.spec))
        about = f"  # {option.about}" if option.about else ""
        if _is_text(value):
            lines.append(f"{toml_text.key(name)} = {value}{about}\n")
        else:
            lines.append(f"# {name} holds bytes that are no text; --set can change it\n")
    return "".join(lines)


def _is_text(value: str) -> bool:
    """Whether TOML can hold it: it is UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True

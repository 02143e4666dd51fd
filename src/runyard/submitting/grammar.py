"""Options in the way of getopt: `--name=value`, `--name value`, `-nvalue`, `-n value`; for lines in scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from runyard.errors import InvalidSpec


def names(text: str) -> frozenset[str]:
    """The words of a text as names of options."""
    return frozenset(text.split())


class Option(NamedTuple):
    """An option as it was given: its long name, its value ("true" for one that takes none), its line, and how it was
    spelled."""

    name: str
    value: str
    line: int
    shown: str


class Stray(NamedTuple):
    """A word that belongs to no option."""

    word: str
    line: int


class Grammar(NamedTuple):
    """What options there are. `bare` ones take no value, `maybe` ones only after `=`.

    With `abbreviates` a name may be cut where it stays clear. An option that is not known keeps the name that it was
    given; a value is its own only after `=`.
    """

    names: frozenset[str]
    shorts: Mapping[str, str]
    bare: frozenset[str] = frozenset()
    maybe: frozenset[str] = frozenset()
    abbreviates: bool = False

    def options(self, words: list[str], line: int, place: str) -> Iterator[Option | Stray]:
        """The options in these words. InvalidSpec (saying `place`) where a value is missing."""
        rest = iter(words)
        for word in rest:
            if word.startswith("--") and len(word) > 2:
                yield self._long(word[2:], rest, line, place)
            elif word.startswith("-") and len(word) > 1:
                yield from self._short(word[1:], rest, line, place)
            else:
                yield Stray(word, line)

    def _long(self, text: str, rest: Iterator[str], line: int, place: str) -> Option:
        given, equals, value = text.partition("=")
        name = self._whole(given)
        if equals:
            return Option(name, value, line, f"--{given}")
        if name in self.bare or name in self.maybe or name not in self.names:
            return Option(name, "true" if name in self.bare else "", line, f"--{given}")
        return Option(name, _value(rest, f"{place} --{given}"), line, f"--{given}")

    def _short(self, text: str, rest: Iterator[str], line: int, place: str) -> Iterator[Option]:
        while text:
            letter, text = text[0], text[1:]
            name = self.shorts.get(letter, letter)
            if name in self.bare:
                yield Option(name, "true", line, f"-{letter}")
                continue
            if not text and name in self.names and name not in self.maybe:
                text = _value(rest, f"{place} -{letter}")
            yield Option(name, text, line, f"-{letter}")
            return

    def _whole(self, name: str) -> str:
        if not self.abbreviates or name in self.names:
            return name
        longer = [known for known in self.names if known.startswith(name)]
        return longer[0] if len(longer) == 1 else name


def _value(rest: Iterator[str], place: str) -> str:
    value = next(rest, None)
    if value is None:
        raise InvalidSpec("a value is missing", place)
    return value

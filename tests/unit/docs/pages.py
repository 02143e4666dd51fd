"""The Markdown pages of this project, and what stands in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "src" / "runyard"

_FENCE = re.compile(r"^(```+)[^\n]*\n.*?^\1`*[ \t]*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """One page. `prose` is its text without blocks of code."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def prose(self) -> str:
        return _FENCE.sub("", self.text)

    @cached_property
    def links(self) -> list[str]:
        """The targets of all links and pictures."""
        return _LINK.findall(_CODE.sub("`code`", self.prose))

    @cached_property
    def code(self) -> list[str]:
        """What stands between backticks in the text."""
        return _CODE.findall(self.prose)

    @cached_property
    def anchors(self) -> set[str]:
        """Its headings, as links name them."""
        return {_anchor(heading) for heading in _HEADING.findall(self.prose)}


def _anchor(heading: str) -> str:
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


def pages() -> list[Page]:
    """README and its neighbours, and everything below docs and examples."""
    return [Page(path) for path in sorted({*ROOT.glob("*.md"), *_below("docs"), *_below("examples")})]


def _below(directory: str) -> Iterator[Path]:
    return (ROOT / directory).rglob("*.md")

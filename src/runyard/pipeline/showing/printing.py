"""Commands and scripts of a pipeline on standard output, in colours where they can be seen. `Pipeline` calls it."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from rich.console import Console
from rich.panel import Panel
from rich.syntax import Syntax
from rich.text import Text

from runyard.errors import InvalidSpec
from runyard.model.nearest import meant

COLORS, RICH, PLAIN, AUTO = "colors", "rich", "plain", "auto"
STYLES = (COLORS, RICH, PLAIN, AUTO)
"""In colours; in colours and a frame; as it is; in colours on a terminal, else as it is."""

THEME = "ansi_dark"
CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
"""What would move the cursor or more: a pipeline may be somebody else's."""


def show(texts: Iterable[tuple[str, str]], style: str = COLORS) -> None:
    """Write these: of each where it lies, and its text. InvalidSpec if there is no such style."""
    if style not in STYLES:
        raise InvalidSpec(f"there is no style {style!r}{meant(style, STYLES, 'use ' + ', '.join(STYLES))}", "style")
    if style == AUTO:
        style = COLORS if sys.stdout.isatty() else PLAIN
    console = Console(file=sys.stdout, soft_wrap=style == COLORS)
    for path, text in texts:
        if style == PLAIN:
            sys.stdout.write(f"{_heading(path)}\n{text}")
            continue
        text = text.translate(CONTROLS)
        drawn = Syntax(text, "python" if path.endswith(".py") else "bash", theme=THEME, word_wrap=True)
        if style == RICH:
            console.print(Panel(drawn, title=Text(path) if path else None))
        else:
            console.print(drawn.highlight(f"{_heading(path)}\n{text}"), end="")


def _heading(path: str) -> str:
    return f"# --- {path}" if path else "#"

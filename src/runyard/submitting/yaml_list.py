"""YAML as far as lists of jobs need it: texts, lists and objects, anchors and merges, within limits.

Scalars stay the text that was written: `22:00` is no number of minutes here and `1e-3` keeps its form. Loaded by `bulk`
when a file is no JSON.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from runyard.errors import InvalidSpec

TEXT_MAX = 64 << 20
DEPTH_MAX = 20
NODES_MAX = 5_000_000
"""What a document may hold once its aliases are written out."""

SAFE = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MERGE = "tag:yaml.org,2002:merge"


class _Loader(SAFE):  # type: ignore[misc, valid-type]  # the compiled one where there is one
    """Knows no numbers, dates or truth values."""

    yaml_implicit_resolvers = {"<": [(MERGE, re.compile(r"<<\Z"))]}  # noqa: RUF012  # as PyYAML has it


def load(text: str) -> Any:
    """The one document in this text."""
    if len(text) > TEXT_MAX:
        raise InvalidSpec(f"more than {TEXT_MAX >> 20} MB of YAML; JSON lines have no such limit", "file")
    try:
        _check(text)
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except (yaml.YAMLError, UnicodeError) as error:
        raise InvalidSpec(f"this is neither JSON nor YAML: {' '.join(str(error).split())}", "file") from None


def _check(text: str) -> None:
    """Refuse what is more than one document, too deep, or too large once aliases are followed. Reads events only, so
    nothing is built yet."""
    weights: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []
    documents = total = 0
    for event in yaml.parse(text, Loader=SAFE):
        if isinstance(event, yaml.AliasEvent):
            total += weights.get(event.anchor or "", 1)
        elif isinstance(event, yaml.ScalarEvent):
            total += 1
            if event.anchor:
                weights[event.anchor] = 1
        elif isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            total += 1
            open_nodes.append((event.anchor, total))
            if len(open_nodes) > DEPTH_MAX:
                raise InvalidSpec(f"nested deeper than {DEPTH_MAX} levels", "file")
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise InvalidSpec("several YAML documents (---), and one list of jobs is wanted: join them", "file")
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            anchor, before = open_nodes.pop()
            if anchor:
                weights[anchor] = total - before + 1
        if total > NODES_MAX:
            raise InvalidSpec(f"more than {NODES_MAX} values once its aliases are followed", "file")

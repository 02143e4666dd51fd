"""YAML as far as jobs and pipelines need it: texts, lists and objects, anchors and merges, within limits; and back.

Scalars stay the text that was written: `22:00` is no number of minutes here and `1e-3` keeps its form. `bulk` loads
lists of jobs, `pipeline.reading.document` pipelines, which also asks on which line something stands.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import yaml

from runyard.errors import InvalidSpec

TEXT_MAX = 64 << 20
DEPTH_MAX = 20
NODES_MAX = 5_000_000
"""What a document may hold once its aliases are written out."""
SHORT = 80
"""Lists up to this length are written on one line."""

SAFE = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SAFE_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
MERGE = "tag:yaml.org,2002:merge"
TEXT = "tag:yaml.org,2002:str"
LIST = "tag:yaml.org,2002:seq"
RESOLVERS = {"<": [(MERGE, re.compile(r"<<\Z"))]}

_BLOCK = re.compile(r"(?!\s)[^\n]*(\n([^\s][^\n]*|[ ]+[^\s][^\n]*)?)+")
"""A text of several lines that can be written as they are."""


class _Loader(SAFE):  # type: ignore[misc, valid-type]  # the compiled one where there is one
    """Knows no numbers, dates or truth values."""

    yaml_implicit_resolvers = RESOLVERS


class _Dumper(SAFE_DUMPER):  # type: ignore[misc, valid-type]  # the compiled one where there is one
    """Writes texts as the loader reads them."""

    yaml_implicit_resolvers = RESOLVERS

    def ignore_aliases(self, data: Any) -> bool:
        return True


class Placed(NamedTuple):
    """What a document holds, and the node that it was made of."""

    value: Any
    node: Any

    def line(self, path: Sequence[Hashable]) -> int:
        """The line of the value below these keys and places of lists, or of the nearest one around it."""
        node, line = self.node, 0
        for step in path:
            found = None
            if isinstance(node, yaml.MappingNode):
                pairs = ((key, value) for key, value in node.value if getattr(key, "value", None) == step)
                key, found = next(pairs, (None, None))
                line = key.start_mark.line if key is not None else line
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                found = node.value[step]
                line = found.start_mark.line
            if found is None:
                break
            node = found
        return int(line) + 1


def load(text: str) -> Any:
    """The one document in this text."""
    return placed(text).value


def placed(text: str) -> Placed:
    """The same, with the lines where its values stand."""
    if len(text) > TEXT_MAX:
        raise InvalidSpec(f"more than {TEXT_MAX >> 20} MB of YAML; JSON lines have no such limit", "file")
    try:
        _check(text)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            _check_keys(node, set())
            return Placed(None if node is None else loader.construct_document(node), node)
        finally:
            loader.dispose()
    except (yaml.YAMLError, UnicodeError) as error:
        raise InvalidSpec(f"this is neither JSON nor YAML: {' '.join(str(error).split())}", "file") from None


def dump(value: Any) -> str:
    """A value of texts, lists and objects as YAML that `load` reads back."""
    text: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=1 << 20
    )
    return text


def _text_node(dumper: Any, text: str) -> Any:
    style = "|" if "\n" in text and text.replace("\n", "").isprintable() and _BLOCK.fullmatch(text) else None
    return dumper.represent_scalar(TEXT, text, style=style)


def _list_node(dumper: Any, items: list[Any]) -> Any:
    short = all(isinstance(item, str) and "\n" not in item for item in items) and len(str(items)) <= SHORT
    return dumper.represent_sequence(LIST, items, flow_style=short)


_Dumper.add_representer(str, _text_node)
_Dumper.add_representer(list, _list_node)


def _check(text: str) -> None:
    """Refuse what is more than one document, too deep, or too large once aliases are followed. Reads events only, so
    nothing is built yet."""
    weights: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []
    documents = total = 0
    for event in yaml.parse(text, Loader=SAFE):
        if isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_nodes):
                raise InvalidSpec(f"*{event.anchor} holds itself", "file")
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
                raise InvalidSpec("several YAML documents (---), and one is wanted: join them", "file")
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            anchor, before = open_nodes.pop()
            if anchor:
                weights[anchor] = total - before + 1
        if total > NODES_MAX:
            raise InvalidSpec(f"more than {NODES_MAX} values once its aliases are followed", "file")


def _check_keys(node: Any, seen: set[int]) -> None:
    """Refuse a key that stands twice in one object: one of the two would be lost."""
    if id(node) in seen or not isinstance(node, (yaml.MappingNode, yaml.SequenceNode)):
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_keys(item, seen)
        return
    lines: dict[str, int] = {}
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode):
            line = key.start_mark.line + 1
            if key.value in lines:
                raise InvalidSpec(f"line {line}: {key.value!r} is here twice, first on line {lines[key.value]}", "file")
            lines[key.value] = line
        _check_keys(value, seen)

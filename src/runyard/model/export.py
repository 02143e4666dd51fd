"""The form of an export: JSON lines, each an object with one key (docs/export.md). `ry export` writes them, `ry import`
reads them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any, Callable, NamedTuple, Optional

from runyard.errors import InvalidSpec
from runyard.model import codec
from runyard.model.record import dataclass
from runyard.model.transfer import Cargo, Story

FORMAT = 1
"""The version of the form. A newer one is refused."""

HEAD, END = "runyard", "end"
PARTS = {"queue": "queues", "group": "groups", "metrics": "readings", "job": "stories"}
"""The lines that a cargo is made of, and its fields."""

ENVIRONMENT, SCRIPT = "environment", "script"


@dataclass(frozen=True)
class Head:
    """The first line."""

    format: int
    id: str
    yard: str
    at: float
    version: str = ""


@dataclass(frozen=True)
class Blob:
    """An environment or a script: its hash, and in base64 its bytes. An environment may come with its names alone."""

    hash: str
    data: Optional[str] = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class End:
    """The last line."""

    jobs: int


class Export(NamedTuple):
    """An export as it was read: blobs by their hashes, and the hashes of those that came without their bytes."""

    cargo: Cargo
    blobs: dict[str, bytes]
    lacking: frozenset[str] = frozenset()


def lines(head: Head, cargos: Iterable[Cargo], blob: Callable[[str], Optional[bytes]], whole: bool) -> Iterator[str]:
    """The lines of these jobs. `blob` gives bytes by their hash; `whole`: environments have their values."""
    yield _line(HEAD, head)
    said: set[tuple[str, object]] = set()
    blobs: dict[str, str] = {}
    jobs = 0
    for cargo in cargos:
        for queue in cargo.queues:
            if ("queue", queue.name) not in said:
                said.add(("queue", queue.name))
                yield _line("queue", queue)
        for group in cargo.groups:
            if ("group", group.id) not in said:
                said.add(("group", group.id))
                yield _line("group", group)
        for reading in cargo.readings:
            yield _line("metrics", reading)
        for story in cargo.stories:
            yield _line("job", story)
            blobs.update(_named(story))
            jobs += 1
    for name, kind in blobs.items():
        yield _line(kind, _blob(kind, name, blob(name), whole))
    yield _line(END, End(jobs))


def _named(story: Story) -> Iterator[tuple[str, str]]:
    """The hashes that a job names, and what each is."""
    for spec in story.specs:
        yield from ((name, kind) for name, kind in ((spec.environment, ENVIRONMENT), (spec.script, SCRIPT)) if name)


def _blob(kind: str, name: str, data: Optional[bytes], whole: bool) -> Blob:
    if data is None:
        return Blob(name)
    if kind == SCRIPT or whole:
        return Blob(name, base64.b64encode(data).decode("ascii"))
    return Blob(name, names=tuple(sorted(json.loads(data))))


def _line(kind: str, value: Any) -> str:
    return json.dumps({kind: codec.encode(value)}) + "\n"


def read(texts: Iterable[str], what: str) -> Export:
    """What these lines hold; InvalidSpec for what is no whole export. `what` names the file in messages."""
    found: dict[str, list[Any]] = {kind: [] for kind in (HEAD, END, *PARTS, ENVIRONMENT, SCRIPT)}
    for kind, value in _objects(texts, what):
        if not found[HEAD] and kind != HEAD:
            break
        if kind == HEAD:
            _check_form(value)
        found.get(kind, []).append(value)
    if not found[HEAD]:
        raise InvalidSpec("this is no export of `ry export`: its first line says so", "import")
    head = codec.decode(Head, found[HEAD][0])
    if [codec.decode(End, value).jobs for value in found[END]] != [len(found["job"])]:
        raise InvalidSpec("the export is not whole: its end is missing", "import")
    parts = {field: found[kind] for kind, field in PARTS.items()}
    cargo = codec.decode(Cargo, {"export_id": head.id, "yard": head.yard, "at": head.at, **parts})
    blobs = codec.decode(tuple[Blob, ...], found[ENVIRONMENT] + found[SCRIPT])
    data = {blob.hash: _bytes(blob.data) for blob in blobs if blob.data is not None}
    return Export(cargo, data, frozenset(blob.hash for blob in blobs if blob.data is None))


def _objects(texts: Iterable[str], what: str) -> Iterator[tuple[str, Any]]:
    """The one key of each line, and what it has."""
    for number, text in enumerate(texts, 1):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise InvalidSpec(f"{what}, line {number}: not JSON", "import") from None
        if not isinstance(value, dict) or len(value) != 1:
            raise InvalidSpec(f"{what}, line {number}: an object with one key was expected", "import")
        yield from value.items()


def _check_form(head: Any) -> None:
    form = head.get("format") if isinstance(head, dict) else None
    if form != FORMAT:
        raise InvalidSpec(f"the export has form {form!r}, this version reads {FORMAT}: upgrade it", "import")


def _bytes(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except ValueError:
        raise InvalidSpec("the bytes of a blob are not in base64: the file was changed", "import") from None

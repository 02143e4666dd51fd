"""The code that a job was submitted with: where it lies, at which commit, and whether it was frozen.

`Code` travels with the job and is the same for all jobs of a submission. What else is known of it, and takes longer to
learn (what was changed, the patch), is a `CodeRecord`, found by `Code.record`.
"""

from __future__ import annotations

from typing import Optional

from runyard.errors import InvalidSpec
from runyard.model.record import dataclass

IN_PLACE = ""
WORK_TREE = "."
"""What `JobSpec.snapshot` asks for: nothing frozen, or the work tree as it is. All else names a branch or a commit."""

PATH_MAX = 4096

COUNTED = 20_000
"""Counting the files that differ ends here."""


@dataclass(frozen=True)
class Part:
    """One repository's share of frozen code: `tree` of the repository whose work tree is `source`, to be laid out at
    `path` ("": the top; others are submodules). `keep` is the commit that a private ref keeps alive there."""

    path: str
    source: str
    tree: str
    keep: str = ""


@dataclass(frozen=True)
class Code:
    """`root` is the top of the work tree, `commit` and `branch` ("": detached) what was checked out.

    `frozen` are the parts of the snapshot that the job runs; none: it runs in place. `key` is alike for equal snapshots
    of a root: the name of their common work tree.
    """

    root: str
    commit: str = ""
    branch: str = ""
    record: str = ""
    key: str = ""
    frozen: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        for path in (self.root, *(part.source for part in self.frozen)):
            if not path.startswith("/") or "\0" in path or len(path) > PATH_MAX:
                raise InvalidSpec(f"{path!r} is not a usable path", "code")
        if bool(self.key) != bool(self.frozen) or not (self.key.isalnum() or not self.key):
            raise InvalidSpec("frozen code has a key of letters and digits, and parts", "code")


@dataclass(frozen=True)
class CodeRecord:
    """What the code was when it was looked at, at `at`.

    `tree` names all of it (a tree object; equal trees are equal code). `changed` are files that differ from the commit
    ("M train.py", "A new.py"), `contents` by the same numbers the beginnings of their hashes; `more` counts those
    beyond the list, `left_out` are too large to be looked into. `patch` is the hash of a blob with the differences
    from the commit, of which it may hold the beginning (`patch_cut`). `problem` says why something is not known.
    """

    at: float
    tree: str = ""
    changed: tuple[str, ...] = ()
    contents: tuple[str, ...] = ()
    more: int = 0
    left_out: tuple[str, ...] = ()
    patch: str = ""
    patch_cut: bool = False
    problem: str = ""

    @property
    def dirty(self) -> int:
        """How many files differ from the commit."""
        return len(self.changed) + self.more


@dataclass(frozen=True)
class Snapshot:
    """Code that was frozen (None: there was nothing to freeze), and what its user should know."""

    code: Optional[Code]
    remark: str = ""


@dataclass(frozen=True)
class Look:
    """What was seen of code: its record, and the patch that belongs to it."""

    record: CodeRecord
    patch: bytes = b""


@dataclass(frozen=True)
class Note:
    """Something about an attempt that its user should know. `kind` is the short form for lists."""

    kind: str
    text: str


CODE_CHANGED = "code changed"
ENVIRONMENT_CHANGED = "environment changed"
METRICS_MISSED = "metrics missed"


def short(commit: str) -> str:
    """A commit as people write it."""
    return commit[:10]


PROGRAMS = (
    ".py", ".pyx", ".pyi", ".sh", ".bash", ".zsh", ".r", ".jl", ".lua", ".m", ".c", ".cc", ".cpp", ".cxx", ".h", ".hpp",
    ".cu", ".cuh", ".rs", ".go", ".java", ".js", ".ts",
)  # fmt: skip
"""How a file ends that is code although git does not know it; what else is new was most often written by a job."""

ADDED = "A "


def moved(before: CodeRecord, after: CodeRecord) -> tuple[str, ...]:
    """The files of code whose contents differ between two records of the same commit."""
    old, new = (dict(zip(record.changed, record.contents)) for record in (before, after))
    lines = (line for line in old.keys() | new.keys() if old.get(line) != new.get(line))
    return tuple(sorted({line[2:] for line in lines if not line.startswith(ADDED) or line.endswith(PROGRAMS)}))


def same_code(before: CodeRecord, after: CodeRecord) -> bool:
    """Whether two records of the same commit are of the same code."""
    if before.tree == after.tree:
        return bool(before.tree)
    return bool(before.tree and after.tree) and not (before.more or after.more or moved(before, after))


def title(code: Code, record: Optional[CodeRecord]) -> str:
    """The code in a few words: branch, commit and what was dirty."""
    at = short(code.commit) or "no commit yet"
    where = f"{code.branch} {at}" if code.branch else at
    if record is None:
        return where
    if record.problem:
        return f"{where} ({record.problem})"
    number = f"at least {COUNTED}" if record.dirty >= COUNTED else str(record.dirty)
    changed = f"{number} file{'' if record.dirty == 1 else 's'} changed" if record.dirty else "nothing changed"
    return f"{where}, {changed}"

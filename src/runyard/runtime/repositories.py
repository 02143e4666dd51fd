"""The code of this machine, for the server: found, looked into, frozen. (`trees` lays out what was frozen.)"""

from __future__ import annotations

import os
import time
from typing import Optional

from runyard.errors import InvalidSpec, RunyardError
from runyard.foreign import compare, freeze, git, layout
from runyard.foreign.compare import State
from runyard.foreign.freeze import MB, Looked
from runyard.foreign.git import Foreign
from runyard.model.code import WORK_TREE, Code, CodeRecord, Look, Snapshot, title
from runyard.model.comparing import Comparison, Side
from runyard.model.listing import shown
from runyard.runtime.trees import Trees

PATCH_MAX = MB
"""How much of a patch is kept, in bytes."""

NAMED = 4


class LocalRepositories:
    """Code of this account. `scratch` is a directory for what is written for a moment."""

    def __init__(self, trees: Trees, scratch: str, max_mb: int) -> None:
        self._trees = trees
        self._scratch = scratch
        self._max_mb = max_mb

    def find(self, workdir: str) -> Optional[Code]:
        """The code that this directory lies in, from a few small files."""
        try:
            repository, _ = _found(workdir)
            if repository is None:
                return None
            head = git.head(repository)
            return Code(repository.root, head.commit, head.branch)
        except (OSError, InvalidSpec):
            return None

    def freeze(self, workdir: str, wanted: str) -> Snapshot:
        """A snapshot of the work tree or of a commit."""
        repository, why = _found(workdir)
        if repository is None:
            if wanted != WORK_TREE:
                raise InvalidSpec(f"there is no {wanted!r}: {why}", "snapshot")
            return Snapshot(None, f"{why}: nothing is frozen, it runs in place")
        try:
            code = freeze.freeze(repository, self._scratch, self._max_mb, wanted)
            if not self._trees.known(code.key):
                self._check_size(code)
            self._trees.remember(code)
            return Snapshot(code, self._told(repository, code))
        except InvalidSpec:
            raise
        except (RunyardError, OSError) as error:
            raise InvalidSpec(f"{repository.root} cannot be frozen: {error}", "snapshot") from None

    def holds(self, code: Code, workdir: str) -> bool:
        """Whether this very snapshot was made here, of a place that has this directory, and can still be had."""
        repository, _ = _found(workdir)
        if repository is None or repository.root != code.root or not self._trees.holds(code):
            return False
        self._trees.remember(code)
        return True

    def look(self, code: Code) -> Look:
        """What the code is now, or (frozen) was. What goes wrong is told in the record."""
        now = time.time()
        try:
            repository = git.find(code.root)
            if repository is None or repository.root != code.root:
                return Look(CodeRecord(now, problem="its repository is gone"))
            if code.frozen:
                seen = freeze.difference(repository, code.commit, code.frozen[0].tree, PATCH_MAX)
            else:
                seen = freeze.look(repository, code.commit, self._scratch, PATCH_MAX)
        except (RunyardError, OSError, ValueError) as error:
            return Look(CodeRecord(now, problem=str(error)))
        return Look(_record(now, seen), seen.patch)

    def compare(self, sides: tuple[Side, Side]) -> Comparison:
        """How the code of the second differs from that of the first."""
        states = [State(side.code.commit, side.tree, side.patch) for side in sides]
        try:
            repository = git.find(sides[1].code.root) or git.find(sides[0].code.root)
            if repository is None:
                return Comparison(problem="its repository is gone")
            seen = compare.between(repository, self._scratch, (states[0], states[1]), PATCH_MAX)
        except (RunyardError, OSError) as error:
            return Comparison(problem=str(error))
        patch = seen.patch.decode("utf-8", "replace")
        return Comparison(seen.changed, seen.more, patch, seen.patch_cut)

    def _check_size(self, code: Code) -> None:
        """What is laid out for the first time is not too large."""
        files = []
        for part in code.frozen:
            repository = git.find(part.source)
            if repository is not None:
                files += [(size, os.path.join(part.path, path)) for size, path in freeze.size_of(repository, part.tree)]
        why = freeze.too_large(files, self._max_mb * MB, "the files of this snapshot")
        if why:
            layout.let_go(code)
            raise InvalidSpec(why, "snapshot")

    def _told(self, repository: git.Repository, code: Code) -> str:
        seen = freeze.difference(repository, code.commit, code.frozen[0].tree, 0)
        links = layout.ignored(code)
        where = f"; ignored files are those of {code.root}: {shown(links, NAMED)}" if links else ""
        return (
            f"frozen: {title(code, _record(0.0, seen))}; it runs in {self._trees.path(code)}{where}; "
            "new files that it writes by relative paths stay in there"
        )


def _found(workdir: str) -> tuple[Optional[git.Repository], str]:
    """The work tree that this directory lies in, or why it lies in none."""
    try:
        return git.find(workdir), f"{workdir} is in no git work tree"
    except (Foreign, OSError) as error:
        return None, str(error)


def _record(at: float, seen: Looked) -> CodeRecord:
    return CodeRecord(at, seen.tree, seen.changed, seen.contents, seen.more, seen.left_out, patch_cut=seen.patch_cut)

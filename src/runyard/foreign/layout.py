"""Frozen code in a directory: laid out from its tree objects, compared with them, told apart from what a job added.

The objects come from the repositories that the snapshot was made in. Their own filters are not run (see `git`); of the
user's repository nothing is touched but the private refs, when the snapshot is let go.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Optional

from runyard.errors import Conflict, InvalidSpec
from runyard.foreign import git as gits
from runyard.foreign.freeze import REFS, join, mostly
from runyard.foreign.git import LAY_OUT_S, OBJECT, Git, Place, Repository
from runyard.model.code import Code, Part

LINKS_MAX = 20_000
"""The most ignored entries of the original that are linked to."""

SKIPPED = frozenset(("__pycache__", ".git", ".DS_Store"))
"""Ignored entries that a frozen tree does without."""


def let_go(code: Code) -> None:
    """The snapshot is not needed any more: its refs go. (A repository that has gone took them along.)"""
    for part in code.frozen:
        repository = _at_source(part)
        if repository is not None and OBJECT.fullmatch(part.keep):
            gits.remove_ref(Git(repository), REFS + part.keep)


def lay_out(code: Code, directory: str) -> None:
    """Give this empty directory, which lies beside others of ours, the files of a snapshot. The index of each part is
    kept beside it."""
    for place, part in enumerate(code.frozen):
        repository = _at_source(part)
        if repository is None:
            raise Conflict(f"the repository {part.source} is gone, and with it this frozen code")
        if not OBJECT.fullmatch(part.tree):
            raise InvalidSpec("not the name of a tree", "code")
        target = _below(directory, part.path)
        os.makedirs(target, exist_ok=True)
        at = Place(index_of(directory, place), tree=target)
        words = ("read-tree", "--reset", "-u", "--no-recurse-submodules", part.tree)
        Git(repository).out(*words, at=at, timeout_s=LAY_OUT_S)
    _own_git(code, directory)


def index_of(directory: str, place: int) -> str:
    """Where the index of a part of the snapshot in this directory lies."""
    return f"{directory}.index-{place}"


def intact(code: Code, directory: str) -> bool:
    """Whether the files of the snapshot are still what they were; files beside them do not count."""
    for place, part in enumerate(code.frozen):
        repository = _at_source(part)
        at = Place(index_of(directory, place), tree=_below(directory, part.path))
        if repository is None or not (os.path.isdir(at.tree) and os.path.exists(at.index)):
            return False
        if Git(repository).run("update-index", "--ignore-submodules", "--refresh", at=at).returncode:
            return False
    return True


def tracked(code: Code, directory: str) -> Iterator[str]:
    """The paths of the snapshot's files in this directory."""
    for place, part in enumerate(code.frozen):
        repository = _at_source(part)
        if repository is not None and os.path.exists(index_of(directory, place)):
            target = _below(directory, part.path)
            listed = Git(repository).items("ls-files", "-z", at=Place(index_of(directory, place), tree=target))
            yield from (os.path.join(target, os.fsdecode(name)) for name in listed)


def ignored(code: Code) -> list[str]:
    """What git ignores in the original: paths from its top, directories as a whole."""
    found: list[str] = []
    for part in code.frozen:
        repository = _at_source(part)
        if repository is None:
            continue
        words = ("ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z")
        for name in Git(repository).items(*words, timeout_s=LAY_OUT_S):
            path = os.path.normpath(join(part.path, os.fsdecode(name)))
            if os.path.basename(path) in SKIPPED or path.endswith((".pyc", ".pyo")):
                continue
            if len(found) == LINKS_MAX:
                where = mostly((1, one) for one in found)
                raise Conflict(
                    f"more than {LINKS_MAX} ignored files lie beside tracked ones{where}; so many cannot be linked into"
                    " a snapshot: have git ignore their directory as a whole"
                )
            found.append(path)
    return found


def _own_git(code: Code, directory: str) -> None:
    """A repository of its own, with the original's objects and the same commit checked out, so that what asks git in a
    frozen tree is answered, and nothing that it does reaches the original."""
    repository = _at_source(code.frozen[0])
    if repository is None or not OBJECT.fullmatch(code.commit):
        return
    own = os.path.join(directory, ".git")
    os.makedirs(os.path.join(own, "objects", "info"))
    os.makedirs(os.path.join(own, "refs"))
    _write(os.path.join(own, "HEAD"), code.commit + "\n")
    _write(os.path.join(own, "objects", "info", "alternates"), gits.quoted(repository.objects) + "\n")
    sha256 = len(code.commit) == 64
    extra = "[extensions]\n\tobjectFormat = sha256\n" if sha256 else ""
    _write(os.path.join(own, "config"), f"[core]\n\trepositoryformatversion = {int(sha256)}\n\tbare = false\n{extra}")
    os.makedirs(os.path.join(own, "info"))
    _write(os.path.join(own, "info", "exclude"), _excludes(repository))
    shutil.copy2(index_of(directory, 0), os.path.join(own, "index"))
    if os.path.exists(os.path.join(repository.common, "shallow")):
        shutil.copyfile(os.path.join(repository.common, "shallow"), os.path.join(own, "shallow"))


def _excludes(repository: Repository) -> str:
    try:
        with open(
            os.path.join(repository.common, "info", "exclude"), encoding="utf-8", errors="surrogateescape"
        ) as file:
            return file.read()
    except OSError:
        return ""


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)


def _at_source(part: Part) -> Optional[Repository]:
    found = gits.find(part.source)
    return found if found is not None and found.root == part.source else None


def _below(directory: str, path: str) -> str:
    """A path of the snapshot in this directory, nowhere else."""
    whole = os.path.normpath(os.path.join(directory, path))
    if whole != directory and not whole.startswith(directory + "/"):
        raise InvalidSpec(f"{path!r} leads out of the snapshot", "code")
    return whole

"""Code as tree objects: what a work tree holds now, and that frozen under a private ref. (`layout` lays it out again.)

A tree holds tracked, changed and untracked files, not ignored ones; submodules have trees of their own. `look` writes
nothing into the repository (its new objects go to a directory that is removed); `freeze` adds objects and one ref below
refs/runyard/.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from runyard.errors import Conflict, InvalidSpec
from runyard.foreign import git as gits
from runyard.foreign.command import ProgramFailed
from runyard.foreign.git import OBJECT, Git, Place, Repository
from runyard.model.code import COUNTED, WORK_TREE, Code, Part

MB = 1024 * 1024
REFS = "refs/runyard/"
LOOKED_INTO = MB
"""An untracked file larger than this is named by `look`, and not looked into."""

LOOK_MOST = 64 * MB
"""The most bytes of changed and untracked files that are looked into, the changed ones first."""

FILES_MOST = 250_000
"""The most files of a snapshot."""

DEEPEST = 8
"""How many levels of submodules within submodules."""

LISTED = 200
"""How many changed files are named."""

PATCH = ("--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv", "--submodule=short")
"""A patch that makes the one of the other, whatever is in the files."""

SHORT = 16
"""Digits of the hash of a file."""

BIGGEST = 3
KEY_DIGITS = 20


@dataclass(frozen=True)
class Looked:
    """What a work tree holds: its tree, and how that differs from a commit ("M train.py"). `contents` are the hashes of
    these files."""

    tree: str
    changed: tuple[str, ...] = ()
    contents: tuple[str, ...] = ()
    more: int = 0
    left_out: tuple[str, ...] = ()
    patch: bytes = b""
    patch_cut: bool = False


@dataclass(frozen=True)
class _Change:
    """A line of git's status. `size` is that of the file as it lies there (-1: there is none)."""

    mark: str
    path: str
    size: int


def look(repository: Repository, commit: str, scratch: str, patch_max: int) -> Looked:
    """What the work tree holds now, and at most `patch_max` bytes of how it differs from this commit. Below `scratch`
    something is written for a moment; into the repository nothing."""
    git = Git(repository)
    with bench_of(repository, scratch) as bench:
        at = Place(os.path.join(bench, "index"), os.path.join(bench, "objects"))
        into, left_out = _looked_into(_status(git, at))
        tree = _tree(git, at, into)
        return described(git, at, (commit, tree), left_out, patch_max)


def difference(repository: Repository, commit: str, tree: str, patch_max: int) -> Looked:
    """The same of a tree that is frozen already."""
    return described(Git(repository), Place(), (commit, tree), (), patch_max)


def described(git: Git, at: Place, span: tuple[str, str], left_out: tuple[str, ...], patch_max: int) -> Looked:
    """How the second of these (commits, trees, "" for nothing) differs from the first."""
    before, after = span
    base = before if OBJECT.fullmatch(before) else _empty(git)
    changed, contents = _differing(git, at, base, after)
    patch, cut = _patch(git, at, base, after, patch_max)
    more = max(0, len(changed) - LISTED)
    return Looked(after, changed[:LISTED], contents[:LISTED], more, left_out, patch, cut)


def _differing(git: Git, at: Place, base: str, after: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The files that differ, and the beginnings of their hashes, as far as they are counted."""
    words = ("diff-tree", "-r", "-z", "--raw", "--no-renames", f"--abbrev={SHORT}", base, after)
    changed, contents = list[str](), list[str]()
    listed = git.items(*words, at=at)
    for about, path in zip(listed, listed):
        mark = about.decode("ascii").split(" ")
        changed.append(f"{mark[4][:1]} {os.fsdecode(path)}")
        contents.append(mark[3])
        if len(changed) == COUNTED:
            break
    return tuple(changed), tuple(contents)


def freeze(repository: Repository, scratch: str, max_mb: int, wanted: str = WORK_TREE) -> Code:
    """Keep the code of this work tree, or that of a branch or commit, as a snapshot. InvalidSpec for what cannot be
    one."""
    git = Git(repository)
    if wanted == WORK_TREE:
        head = gits.head(repository)
        parts = tuple(_frozen(repository, "", scratch, max_mb * MB, DEEPEST))
        return _code(repository, head.commit, head.branch, parts)
    commit = gits.commit_of(git, wanted)
    is_branch = git.run("show-ref", "--verify", "--quiet", f"refs/heads/{wanted}").returncode == 0
    return _code(repository, commit, wanted if is_branch else "", tuple(_committed(git, "", commit, DEEPEST)))


def _code(repository: Repository, commit: str, branch: str, parts: tuple[Part, ...]) -> Code:
    text = "\n".join([repository.root, *(f"{part.path}\0{part.tree}\0{part.keep}" for part in parts)])
    key = hashlib.sha256(os.fsencode(text)).hexdigest()[:KEY_DIGITS]
    return Code(repository.root, commit, branch, "", key, parts)


def size_of(repository: Repository, tree: str) -> list[tuple[int, str]]:
    """The files of a tree with their sizes in bytes: every one, or more than FILES_MOST."""
    sizes = []
    for line in Git(repository).items("ls-tree", "-r", "-l", "-z", "--full-tree", tree):
        about, _, name = line.partition(b"\t")
        size = about.rpartition(b" ")[2]
        if size.isdigit():
            sizes.append((int(size), os.fsdecode(name)))
        if len(sizes) > FILES_MOST:
            break
    return sizes


def too_large(files: Sequence[tuple[int, str]], most: int, what: str) -> str:
    """Why these files are too many, or too many bytes, for a snapshot ("" if they are not)."""
    if len(files) > FILES_MOST:
        return f"{what} are more than {FILES_MOST}{mostly((1, path) for _, path in files)}. Have git ignore them"
    total = sum(size for size, _ in files)
    if total <= most:
        return ""
    biggest = ", ".join(f"{path} ({_megabytes(size)})" for size, path in sorted(files, reverse=True)[:BIGGEST])
    return (
        f"{what} are {_megabytes(total)}, more than the {_megabytes(most)} that a snapshot may have; the biggest: "
        f"{biggest}{mostly(files)}. Have git ignore them (a job finds ignored files all the same), or raise"
        " snapshot_max_mb"
    )


def mostly(files: Iterable[tuple[int, str]]) -> str:
    """Where most of these files with their weights lie: the deepest directory that has more than half of it ("": none
    has)."""
    held: Counter[str] = Counter()
    total = 0
    for weight, path in files:
        total += weight
        while path := os.path.dirname(path.rstrip("/")):
            held[path] += weight
    most = [directory for directory, weight in held.items() if weight * 2 > total]
    return f", most in {max(most, key=len)}/" if most else ""


def _megabytes(size: int) -> str:
    return f"{size / MB:.1f} MB" if size >= MB / 10 else f"{size} bytes"


@contextmanager
def bench_of(repository: Repository, scratch: str) -> Iterator[str]:
    """A directory with a copy of the index and room for objects, removed afterwards."""
    os.makedirs(scratch, mode=0o700, exist_ok=True)
    bench = tempfile.mkdtemp(prefix="look-", dir=scratch)
    try:
        os.mkdir(os.path.join(bench, "objects"))
        if os.path.exists(repository.index):
            shutil.copy2(repository.index, os.path.join(bench, "index"))  # by its time git knows what may be stale
        yield bench
    finally:
        shutil.rmtree(bench, ignore_errors=True)


def _status(git: Git, at: Place) -> list[_Change]:
    words = ("status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--ignore-submodules=dirty")
    changes: list[_Change] = []
    for line in git.items(*words, at=at):
        if len(changes) == COUNTED:
            where = mostly((1, change.path) for change in changes)
            raise Conflict(f"more than {COUNTED} files are changed or untracked{where}; have git ignore them")
        mark, path = os.fsdecode(line[:2]), os.fsdecode(line[3:])
        changes.append(_Change("?" if mark == "??" else mark.strip()[:1], path, _size(git.repository.root, path)))
    return changes


def _size(root: str, path: str) -> int:
    """The size of a file that can be read, 0 for a link or a repository within, -1 for nothing."""
    whole = os.path.join(root, path)
    try:
        seen = os.lstat(whole)
    except OSError:
        return -1
    return seen.st_size if os.path.isfile(whole) and not os.path.islink(whole) else 0


def _can_be_read(root: str, change: _Change) -> bool:
    """Whether git could take it as it is: what is gone, and a link wherever it leads, are no matter."""
    whole = os.path.join(root, change.path)
    return change.size < 0 or os.path.islink(whole) or os.access(whole, os.R_OK)


def _looked_into(changes: Sequence[_Change]) -> tuple[list[_Change], tuple[str, ...]]:
    """The changes to look into, and the names of those that are too large or cannot be read."""
    into, left_out, total = [], [], 0
    for change in changes:
        size = max(0, change.size)
        if total + size > LOOK_MOST or (change.mark == "?" and size > LOOKED_INTO):
            left_out.append(change.path)
        else:
            into.append(change)
            total += size
    return into, tuple(left_out[:LISTED])


def _tree(git: Git, at: Place, changes: Sequence[_Change]) -> str:
    """The tree of the index at `at` after these changes."""
    root = git.repository.root
    readable = [change.path for change in changes if _can_be_read(root, change)]
    if readable:
        paths = b"".join(os.fsencode(path.rstrip("/")) + b"\0" for path in readable)
        git.out("update-index", "--add", "--remove", "-z", "--stdin", at=at, input=paths)
    return git.out("write-tree", "--missing-ok", at=at).decode("ascii").strip()


def _patch(git: Git, at: Place, base: str, after: str, most: int) -> tuple[bytes, bool]:
    """The differences between a commit and a tree as a patch, and whether it was cut."""
    if not most:
        return b"", False
    words = ("diff-tree", "-p", *PATCH, base, after)
    text = bytearray()
    try:
        for piece in git.pieces(*words, at=at):
            text += piece
            if len(text) > most:
                return bytes(text[:most]), True
    except ProgramFailed:  # such as in a partial clone that lacks a file as it was
        return bytes(text), True
    return bytes(text), False


def _empty(git: Git) -> str:
    """The tree without files."""
    return git.out("hash-object", "-t", "tree", "--stdin").decode("ascii").strip()


def _frozen(repository: Repository, path: str, scratch: str, most: int, deeper: int) -> Iterator[Part]:
    git = Git(repository)
    with bench_of(repository, scratch) as bench:
        at = Place(os.path.join(bench, "index"))
        changes = _status(git, at)
        why = too_large([(c.size, c.path) for c in changes], most, "changed and untracked files")
        if why:
            raise InvalidSpec(why, "snapshot")
        unreadable = [c.path for c in changes if not _can_be_read(repository.root, c)]
        if unreadable:
            raise InvalidSpec(f"{unreadable[0]} cannot be read", "snapshot")
        tree = _tree(git, at, changes)
        nested = any(c.path.endswith("/") for c in changes) or os.path.exists(join(repository.root, ".gitmodules"))
        links = _gitlinks(git.items("ls-files", "-s", "-z", at=at)) if nested else []
    yield Part(path, repository.root, tree, _keep(git, tree))
    for link, _ in links:
        inner = gits.find(join(repository.root, link))
        if inner is None or inner.root != os.path.realpath(join(repository.root, link)):
            continue  # a submodule that was never checked out: an empty directory, as here
        if deeper == 0:
            raise InvalidSpec(f"submodules lie more than {DEEPEST} deep in {path or '.'}", "snapshot")
        yield from _frozen(inner, join(path, link), scratch, most, deeper - 1)


def _committed(git: Git, path: str, commit: str, deeper: int) -> Iterator[Part]:
    """The parts of a commit; of submodules those that are checked out here and have their commit."""
    root = git.repository.root
    tree = git.out("rev-parse", "--verify", commit + "^{tree}").decode("ascii").strip()
    git.out("update-ref", REFS + commit, commit)
    yield Part(path, root, tree, commit)
    for link, wanted in _gitlinks(git.items("ls-tree", "-r", "-z", "--full-tree", commit)):
        inner = gits.find(join(root, link)) if os.path.isdir(join(root, link)) else None
        if inner is None or inner.root != os.path.realpath(join(root, link)):
            continue
        within = Git(inner)
        if deeper == 0 or within.run("cat-file", "-e", wanted + "^{commit}").returncode:
            raise InvalidSpec(f"the submodule {link} lacks its commit {wanted[:10]}; fetch it there first", "snapshot")
        yield from _committed(within, join(path, link), wanted, deeper - 1)


def _gitlinks(listed: Iterable[bytes]) -> list[tuple[str, str]]:
    """Path and commit of each submodule in what ls-files -s or ls-tree lists."""
    found = []
    for line in listed:
        about, _, name = line.partition(b"\t")
        if about.startswith(b"160000 "):
            commit = next(word for word in about.decode("ascii").split(" ") if OBJECT.fullmatch(word))
            found.append((os.fsdecode(name), commit))
    return found


def _keep(git: Git, tree: str) -> str:
    """A commit of this tree on top of what is checked out, which a private ref keeps."""
    parent = gits.head(git.repository).commit
    words = ["commit-tree", tree, *(["-p", parent] if parent else [])]
    commit = git.out(*words, input=b"runyard: a snapshot of the work tree\n").decode("ascii").strip()
    git.out("update-ref", REFS + commit, commit)
    return commit


def join(above: str, path: str) -> str:
    """A path below a directory ("": the top)."""
    return os.path.join(above, path) if above else path

"""Two states of code side by side.

One that was only recorded is made again, from its commit and its patch, in a directory that is removed afterwards.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from runyard.errors import Conflict
from runyard.foreign.freeze import Looked, bench_of, described
from runyard.foreign.git import OBJECT, Git, Place, Repository


@dataclass(frozen=True)
class State:
    """Code as it was: its tree, and how that is made of a commit where nobody kept it."""

    commit: str
    tree: str
    patch: bytes = b""


def between(repository: Repository, scratch: str, states: tuple[State, State], patch_max: int) -> Looked:
    """How the second differs from the first. Conflict where one of them cannot be had any more."""
    git = Git(repository)
    with bench_of(repository, scratch) as bench:
        at = Place(os.path.join(bench, "made"), os.path.join(bench, "objects"))
        first, second = (_tree(git, at, state) for state in states)
        return described(git, at, (first, second), (), patch_max)


def _tree(git: Git, at: Place, state: State) -> str:
    """The tree of this state, made again if need be."""
    if not OBJECT.fullmatch(state.tree):
        raise Conflict("its code was not looked into")
    if git.run("cat-file", "-e", state.tree, at=at).returncode == 0:
        return state.tree
    if not OBJECT.fullmatch(state.commit) or git.run("cat-file", "-e", state.commit, at=at).returncode:
        raise Conflict(f"the commit {state.commit[:10]} is gone from {git.repository.root}")
    git.out("read-tree", state.commit, at=at)
    applied = git.run("apply", "--cached", "--whitespace=nowarn", "-", at=at, input=state.patch)
    made = git.out("write-tree", "--missing-ok", at=at).decode("ascii").strip()
    if applied.returncode or made != state.tree:
        raise Conflict(f"what was changed beside the commit {state.commit[:10]} was too much to be kept")
    return made

"""What is read of a repository when a job is submitted below a directory that others can write to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runyard.foreign import git


@pytest.fixture
def repository(tmp_path: Path) -> git.Repository:
    """As little of a repository as is read: a branch that is in no file."""
    directory = tmp_path / ".git"
    directory.mkdir()
    (directory / "HEAD").write_text("ref: refs/heads/main\n")
    found = git.find(str(tmp_path))
    assert found is not None
    return found


def test_nobody_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".git")
    found = git.find(str(tmp_path))
    assert found is None or found.root != str(tmp_path)


def test_a_list_of_references_that_never_ends_is_not_read(repository: git.Repository) -> None:
    Path(repository.common, "packed-refs").symlink_to("/dev/zero")
    assert git.head(repository) == git.Head("", "main")


def test_a_reference_in_the_list(repository: git.Repository) -> None:
    commit = "a" * 40
    Path(repository.common, "packed-refs").write_text(f"# pack-refs with: peeled\n{commit} refs/heads/main\n")
    assert git.head(repository) == git.Head(commit, "main")

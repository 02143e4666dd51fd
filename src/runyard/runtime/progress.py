"""Whether an attempt has left a new checkpoint: its directory before and after, compared.

Called by the runner, and only for attempts that may ask to be run again. What is compared is how many files there are,
how large they are together, and when the newest was written; a directory with very many files is read in part.
"""

from __future__ import annotations

import os
from typing import NamedTuple

ENTRIES_MAX = 10_000


class Mark(NamedTuple):
    """What a directory held at some time: `newest` is in nanoseconds of its file system's clock."""

    files: int = 0
    size: int = 0
    newest: int = 0


def mark(path: str) -> Mark:
    """What there is now below this directory; nothing where it is gone. Links are not followed."""
    files = size = newest = seen = 0
    todo = [path]
    while todo and seen < ENTRIES_MAX:
        for entry in _entries(todo.pop()):
            seen += 1
            try:
                stat = entry.stat(follow_symlinks=False)
                is_directory = entry.is_dir(follow_symlinks=False)
            except OSError:  # it has just gone
                continue
            if is_directory:
                todo.append(entry.path)
            else:
                files, size, newest = files + 1, size + stat.st_size, max(newest, stat.st_mtime_ns)
            if seen >= ENTRIES_MAX:
                break
    return Mark(files, size, newest)


def _entries(path: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except OSError:
        return []

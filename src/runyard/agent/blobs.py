"""The agent's copies of environments and scripts: fetched once by hash, kept 0600."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

from runyard.errors import ProtocolError
from runyard.foreign import filesystem


class BlobCache:
    """Files below `directory`; `fetch` brings what is missing."""

    def __init__(self, directory: str, fetch: Callable[[str], bytes]) -> None:
        self._directory = directory
        self._fetch = fetch

    def path(self, name: str) -> str:
        """Where the blob of this hash lies ("" for no blob)."""
        if not name:
            return ""
        path = os.path.join(self._directory, name)
        if os.path.exists(path):
            return path
        data = self._fetch(name)
        if hashlib.sha256(data).hexdigest() != name:
            raise ProtocolError(f"the blob {name[:12]}... came damaged")
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        filesystem.put(path, data)
        return path

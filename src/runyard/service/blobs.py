"""Environments and scripts by hash, one file each, private to the account (0600 in 0700)."""

from __future__ import annotations

import hashlib
import os
import time

from runyard.errors import InvalidSpec, NotFound, StorageFull
from runyard.model.spec import HASH


class Blobs:
    """A directory of files whose names are the SHA-256 of what they hold."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def put(self, data: bytes) -> str:
        """Keep the data; on disk when this returns."""
        name = hashlib.sha256(data).hexdigest()
        path = os.path.join(self._directory, name)
        if os.path.exists(path):
            os.utime(path)
            return name
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        temporary = f"{path}.{os.getpid()}.{time.monotonic_ns()}"
        try:
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError as error:
            raise StorageFull(f"nothing can be kept in {self._directory}: {error.strerror}") from error
        return name

    def get(self, name: str) -> bytes:
        """The data of this hash."""
        if not HASH.fullmatch(name):
            raise InvalidSpec("not the hash of a blob")
        try:
            with open(
                os.open(os.path.join(self._directory, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb"
            ) as file:
                return file.read()
        except FileNotFoundError:
            raise NotFound(f"there is no blob {name[:12]}...; it was collected or never sent") from None

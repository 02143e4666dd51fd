"""Environments and scripts by hash, one file each, private to the account (0600 in 0700)."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from contextlib import suppress

from runyard.errors import InvalidSpec, NotFound, StorageFull
from runyard.model.spec import HASH


class Blobs:
    """A directory of files whose names are the SHA-256 of what they hold."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def put(self, data: bytes) -> str:
        """Keep the data; on disk, and found under its name, when this returns."""
        name = hashlib.sha256(data).hexdigest()
        path = os.path.join(self._directory, name)
        if self._holds(path, len(data)):
            return name
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        temporary = f"{path}.{os.getpid()}.{time.monotonic_ns()}"
        try:
            self._write(temporary, data)
            os.replace(temporary, path)
            self._flush_names()
        except OSError as error:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
            raise StorageFull(f"nothing can be kept in {self._directory}: {error.strerror}") from error
        return name

    def get(self, name: str) -> bytes:
        """The data of this hash."""
        if not HASH.fullmatch(name):
            raise InvalidSpec("not the hash of a blob")
        path = os.path.join(self._directory, name)
        try:
            with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
                return file.read()
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ELOOP):
                raise
            raise NotFound(f"there is no blob {name[:12]}...: it was never sent, or its file was removed") from None

    def has(self, name: str) -> bool:
        """Whether there is data of this hash."""
        return bool(HASH.fullmatch(name)) and os.path.isfile(os.path.join(self._directory, name))

    def _holds(self, path: str, size: int) -> bool:
        """Whether it is there already, and not what a crash left of it."""
        try:
            seen = os.lstat(path)
        except FileNotFoundError:
            return False
        return stat.S_ISREG(seen.st_mode) and seen.st_size == size

    def _write(self, path: str, data: bytes) -> None:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def _flush_names(self) -> None:
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

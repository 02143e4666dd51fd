"""One run of a pipeline on disk: its directory with the manifest and the scripts, which another process may read.

`pipeline.pipeline` makes one, the command line and monitors find it again. Directories are 0700, scripts 0700, other
files 0600; nothing here follows a link that somebody else could have put there, since only the owner may write.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from runyard.errors import Conflict, NotFound
from runyard.foreign import filesystem
from runyard.foreign.locks import HomeLock
from runyard.model import codec
from runyard.model.record import dataclass
from runyard.pipeline.layout import MADE_ANEW, MANIFEST, Layout, Rendering
from runyard.pipeline.spec import PipelineSpec

MANIFEST_MAX = 256 * 1024 * 1024
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP)
STATUS_MAX = 16 * 1024 * 1024
VERSION = 1


@dataclass(frozen=True)
class Manifest:
    """What a directory of a run says of itself. `facts` are what the backend needs to find its work again."""

    backend: str
    spec: PipelineSpec
    facts: dict[str, str]
    version: int = VERSION


@dataclass(frozen=True)
class Run:
    """A pipeline, the backend that runs it, and where its files lie."""

    manifest: Manifest
    layout: Layout

    @property
    def spec(self) -> PipelineSpec:
        return self.manifest.spec

    @property
    def facts(self) -> dict[str, str]:
        return self.manifest.facts

    def write(self, rendering: Rendering) -> str:
        """Write manifest and scripts; the path of the script to run. Conflict if the place cannot be written to."""
        self._check_place(rendering)
        try:
            for path in (self.layout.directory, self.layout.at("jobs")):
                os.makedirs(path, 0o700, exist_ok=True)
            filesystem.put(self.layout.manifest, codec.dumps(self.manifest).encode("ascii"))
            for file in rendering.files:
                text = file.text.encode("utf-8", "surrogateescape")
                filesystem.put(file.path, text, 0o700 if file.program else 0o600)
        except OSError as error:
            raise Conflict(f"{error.filename or self.layout.directory} cannot be written: {error.strerror}") from None
        return rendering.script.path

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Only one at a time is in here for a directory. Conflict if another one is."""
        lock = HomeLock(self.layout.at("starting"))
        try:
            taken = lock.take()
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise Conflict(f"{self.layout.directory} cannot be written: {error.strerror}") from None
            taken = True  # scripts have a lock of their own
        if not taken:
            raise Conflict(f"pipeline {self.spec.name!r} is running, or about to; wait for it, or kill it first")
        try:
            yield
        finally:
            lock.release()

    def _check_place(self, rendering: Rendering) -> None:
        """Conflict if others can write there, or a run would replace or empty what lies there and is of no run:
        somebody's own `logs`."""
        if os.path.isdir(self.layout.directory) and os.stat(self.layout.directory).st_mode & stat.S_IWOTH:
            raise Conflict(f"everybody can write to {self.layout.directory}, and change what is run; choose another")
        if os.path.exists(self.layout.manifest):
            return
        for path in (*map(self.layout.at, MADE_ANEW), *(file.path for file in rendering.files)):
            if os.path.lexists(path):
                raise Conflict(f"{path} is there already, and is of no pipeline; choose a directory of its own")


def make(directory: str, backend: str, spec: PipelineSpec, facts: dict[str, str] | None = None) -> Run:
    """A run that is to be in this directory; nothing is written yet."""
    return Run(Manifest(backend, spec, facts or {}), Layout(os.path.abspath(directory), spec))


def load(directory: str) -> Run:
    """The run in this directory; NotFound if there is none, Conflict if it is of a version that we do not know."""
    directory = os.path.abspath(directory)
    manifest_path = os.path.join(directory, MANIFEST)
    try:
        text = filesystem.last_bytes(manifest_path, MANIFEST_MAX)
    except OSError as error:
        raise NotFound(f"there is no pipeline in {directory}: {error.strerror}") from None
    try:
        manifest = codec.loads(Manifest, text.decode("utf-8"))
    except ValueError:
        raise Conflict(f"{manifest_path} is not right, or of a newer version") from None
    if manifest.version != VERSION:
        raise Conflict(f"{manifest_path} is of version {manifest.version}; this program knows {VERSION}")
    return Run(manifest, Layout(directory, manifest.spec))


def read_json(path: str) -> dict[str, object]:
    """The last line of a status file, or {} where there is none, or it is being written at this moment."""
    try:
        text = filesystem.last_bytes(path, STATUS_MAX).decode("utf-8")
        found = json.loads(text.strip().rpartition("\n")[2])
    except (OSError, ValueError, RecursionError):  # a job may have written there, too
        return {}
    return found if isinstance(found, dict) else {}

"""The verb that looks at files of this machine for somebody who submits from another one: what he names has to be here.

It tells nothing that the caller could not see himself: the server runs as the same account.
"""

from __future__ import annotations

import os
import stat

from runyard.errors import InvalidSpec
from runyard.model.landing import DIRECTORY, FILE, OTHER, PATHS_MAX, Place
from runyard.service.verbs import Verbs


class PlaceVerbs(Verbs):
    """Files and directories."""

    def places(self, paths: tuple[str, ...]) -> tuple[Place, ...]:
        if len(paths) > PATHS_MAX:
            raise InvalidSpec(f"at most {PATHS_MAX} paths at a time, please", "path")
        return tuple(map(_place, paths))


def _place(path: str) -> Place:
    if not os.path.isabs(path) or "\0" in path:
        raise InvalidSpec(f"{path!r} is no absolute path", "path")
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return Place(path, "", False, path)
    kind = DIRECTORY if stat.S_ISDIR(mode) else FILE if stat.S_ISREG(mode) else OTHER
    return Place(path, kind, os.access(path, os.X_OK), os.path.realpath(path))

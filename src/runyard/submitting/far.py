"""Another machine as the one that jobs are submitted to (`--host`), asked through its server.

What a job needs has to be there; nothing but what was named (`-e`, `--env-file`, a script's copy) comes from here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from runyard.model.landing import DIRECTORY, FILE, PATHS_MAX, Landing, Place

Look = Callable[[tuple[str, ...]], tuple[Place, ...]]
"""Says what is at these absolute paths over there."""


class Far:
    """Another machine. `login` says what a login there has for an environment; each path is asked for once."""

    is_far = True

    def __init__(self, name: str, landing: Landing, look: Look, login: Callable[[], Mapping[str, str]]) -> None:
        self.where = f" on {name}"
        self.cwd = landing.cwd
        self.public_prefixes = landing.public_prefixes
        self.defaults: Mapping[str, Any] = json.loads(landing.defaults)
        self._look = look
        self._login = login
        self._seen: dict[str, Place] = {}

    @cached_property
    def environ(self) -> Mapping[str, str]:
        return self._login()

    def expand(self, path: str) -> str:
        home = self.environ.get("HOME", "")
        return home + path[1:] if home and (path == "~" or path.startswith("~/")) else path

    def real(self, path: str) -> str:
        return self._places((path,))[0].real

    def exists(self, path: str) -> bool:
        return bool(self._places((path,))[0].kind)

    def is_directory(self, path: str) -> bool:
        return self._places((path,))[0].kind == DIRECTORY

    def may_execute(self, path: str) -> bool:
        return self._places((path,))[0].executable

    def has_program(self, places: Sequence[str]) -> bool:
        return any(place.executable and place.kind == FILE for place in self._places(places))

    def _places(self, paths: Sequence[str]) -> list[Place]:
        whole = [os.path.join(self.cwd, path) for path in paths]
        unknown = tuple(path for path in dict.fromkeys(whole) if path not in self._seen)
        for start in range(0, len(unknown), PATHS_MAX):
            self._seen.update({place.path: place for place in self._look(unknown[start : start + PATHS_MAX])})
        return [self._seen[path] for path in whole]

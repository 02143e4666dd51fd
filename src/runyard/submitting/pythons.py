"""What is installed for the Python interpreters that the jobs of a submission use: each looked at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from runyard.foreign.installed import listing
from runyard.model.drift import Installed
from runyard.model.record import changed
from runyard.model.spec import JobSpec
from runyard.submitting import venv
from runyard.submitting.ground import Here
from runyard.submitting.python import CALLED, interpreter_called, interpreter_named, interpreter_of

IGNORED = "ignore"


class Pythons:
    """Adds to jobs what is installed for their interpreter. `blob` keeps a listing and returns its hash; `paths` is the
    PATH of each environment. On another machine nothing is looked at."""

    def __init__(self, here: Here, blob: Callable[[bytes], str], paths: Mapping[str, str]) -> None:
        self._here = here
        self._blob = blob
        self._paths = paths
        self._called: dict[tuple[str, ...], str] = {}
        self._installed: dict[str, Installed] = {}

    def added(self, spec: JobSpec) -> JobSpec:
        """The job with the interpreter that its command calls, if that can be told and was not told otherwise."""
        if spec.python is not None or spec.script or spec.drift == IGNORED or self._here.far is not None:
            return spec
        called = CALLED.search(spec.command[0]) if spec.shell else None
        word = f"{called.group(0)} " if called else spec.command[0]
        key = (spec.shell, word, spec.workdir, spec.environment)
        if key not in self._called:
            look = interpreter_called if spec.shell else interpreter_of
            self._called[key] = look(word, spec.workdir, self._paths[spec.environment])
        python = self._of(self._called[key])
        return changed(spec, python=python) if python is not None else spec

    def named(self, values: Mapping[str, Any], script: bytes | None, workdir: str) -> Installed | None:
        """That of an environment that the options name, or of a script."""
        here = self._here
        if values.get("drift") == IGNORED or here.far is not None:
            return None
        programs = venv.programs_in(values.get("venv", ""), values.get("conda", ""), here.ground)
        if programs:
            return self._of(os.path.join(programs, "python"))
        if script is None:
            return None
        return self._of(interpreter_named(script, workdir, here.environ.get("PATH", os.defpath)))

    def _of(self, python: str) -> Installed | None:
        if not python:
            return None
        if python not in self._installed:
            text = listing(python).encode("utf-8", "surrogateescape")
            self._installed[python] = Installed(python, self._blob(text))
        return self._installed[python]

"""`runyard.connect()`: the public Python API. The client is that of the command line; a job is read as in a file."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from runyard.api import Service, Submission
from runyard.client.handle import Command, Yard
from runyard.config import load
from runyard.model.spec import JobSpec
from runyard.settings import Settings
from runyard.submitting import bulk, maker
from runyard.submitting.build import Builder
from runyard.submitting.fields import here_of
from runyard.submitting.redraft import Redrafter
from runyard.wiring.connect import connect as connect_service

if TYPE_CHECKING:
    from runyard.submitting.far import Far

CALLER = 4
"""Who is warned: prepare <- Yard._submit <- Yard.submit <- the user's line."""


def connect(home: str = "", host: str = "") -> Yard:
    """The yard at `home` (default: RUNYARD_HOME, else ~/.runyard). Starts its server if none runs.

    `host` is another machine, reached by ssh as `ry --host` does; `home` is the yard's home there then. A machine that
    `ry use` remembers does not count here. Unavailable if it fails; what then helps is in the message.
    """
    flags = {"host": host, "far_home": home} if host else {"home": home}
    settings = load(os.environ, {name: value for name, value in flags.items() if value})
    service, far = _reached(settings)

    def prepare(service: Service, command: Command, options: Mapping[str, Any]) -> Submission:
        here = here_of(os.environ, time.time(), settings, far)
        builder = Builder(service, here)
        named = {name.replace("_", "-"): value for name, value in options.items()}
        submission = bulk.single(builder, {**named, "command": command})
        for remark in builder.remarks:
            warnings.warn(remark, stacklevel=CALLER)
        return submission

    def redraft(service: Service, spec: JobSpec, options: Mapping[str, Any]) -> JobSpec:
        here = here_of(os.environ, time.time(), settings, far)
        return Redrafter(service, here).spec(spec, {name.replace("_", "-"): value for name, value in options.items()})

    return Yard(service, prepare, redraft, settings.home, _Maker(service, settings, far))


def _reached(settings: Settings) -> tuple[Service, Far | None]:
    """The verbs, and the machine that jobs are submitted to where it is another one."""
    if not settings.is_far:
        return connect_service(settings), None
    way = import_module("runyard.wiring.far").Far(settings, lambda text: None, False)
    service: Service = way.connect()
    return service, way.ground(service)


class _Maker:
    """Makes jobs of templates and sweeps, as `create` and `sweep` of the command line do."""

    def __init__(self, service: Service, settings: Settings, far: Far | None) -> None:
        self._service = service
        self._settings = settings
        self._far = far

    def create(self, template: str, values: Mapping[str, Any], options: Mapping[str, Any]) -> Submission:
        builder = self._builder()
        return _warned(builder, maker.create(builder, self._service, template, values, _dashed(options)))

    def sweep(
        self, name: str, params: Mapping[str, Any], command: Command | None, options: Mapping[str, Any]
    ) -> Submission:
        builder = self._builder()
        own = {key if key in maker.OWN else key.replace("_", "-"): value for key, value in options.items()}
        return _warned(builder, maker.sweep(builder, self._service, name, params, command, own))

    def _builder(self) -> Builder:
        return Builder(self._service, here_of(os.environ, time.time(), self._settings, self._far))


def _dashed(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name.replace("_", "-"): value for name, value in options.items()}


def _warned(builder: Builder, submission: Submission) -> Submission:
    for remark in builder.remarks:
        warnings.warn(remark, stacklevel=CALLER)
    return submission

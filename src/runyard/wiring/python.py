"""`runyard.connect()`: the public Python API. The client is that of the command line; a job is read as in a file."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping
from typing import Any

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

CALLER = 4
"""Who is warned: prepare <- Yard._submit <- Yard.submit <- the user's line."""


def connect(home: str = "") -> Yard:
    """The yard at `home` (default: RUNYARD_HOME, else ~/.runyard). Starts its server if none runs.

    Unavailable if that fails; what then helps is in the message.
    """
    settings = load(os.environ, {"home": home} if home else {})

    def prepare(service: Service, command: Command, options: Mapping[str, Any]) -> Submission:
        here = here_of(os.environ, time.time(), settings)
        builder = Builder(service, here)
        named = {name.replace("_", "-"): value for name, value in options.items()}
        submission = bulk.single(builder, {**named, "command": command})
        for remark in builder.remarks:
            warnings.warn(remark, stacklevel=CALLER)
        return submission

    def redraft(service: Service, spec: JobSpec, options: Mapping[str, Any]) -> JobSpec:
        here = here_of(os.environ, time.time(), settings)
        return Redrafter(service, here).spec(spec, {name.replace("_", "-"): value for name, value in options.items()})

    service = connect_service(settings)
    return Yard(service, prepare, redraft, settings.home, _Maker(service, settings))


class _Maker:
    """Makes jobs of templates and sweeps, as `create` and `sweep` of the command line do."""

    def __init__(self, service: Service, settings: Settings) -> None:
        self._service = service
        self._settings = settings

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
        return Builder(self._service, here_of(os.environ, time.time(), self._settings))


def _dashed(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name.replace("_", "-"): value for name, value in options.items()}


def _warned(builder: Builder, submission: Submission) -> Submission:
    for remark in builder.remarks:
        warnings.warn(remark, stacklevel=CALLER)
    return submission

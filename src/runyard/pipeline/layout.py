"""Where the files of one run of a pipeline lie. Nothing else joins paths to its directory. Pure.

    <directory>/                        0700
        pipeline.json                   what it is, and which backend runs it
        <pipeline>.sh                   the script (airflow: .py), 0700
        values.env                      values of its variables, 0600
        state                           that it runs, and since when it does not
        output.log                      what the script says when nobody sees it
        jobs/ passed/ failed/ skipped/ status/ logs/     a file for each job, named by its number and name
        sessions/ captured/ server      tmux: the session of each job, what panes showed, and whose server it is

A job has passed, failed or was skipped when the file of that kind is there; `status/` says more.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from runyard.pipeline.spec import PipelineSpec, slug

MANIFEST = "pipeline.json"

TAKEN = frozenset({MANIFEST, "coordinator.sh", "worker.sh", "record.sh", "run.sh"})
"""Files beside the script that have a name of their own, whatever the pipeline is called."""

KINDS = ("passed", "failed", "skipped", "status", "logs")
"""The directories with a file for each job that a script makes anew when it starts."""

MADE_ANEW = (*KINDS, "state", "sessions", "captured", "wire")
"""All that a run begins without, whatever lies there."""


@dataclass(frozen=True)
class Layout:
    """The paths of a pipeline that is run in this directory (an absolute path)."""

    directory: str
    spec: PipelineSpec

    @cached_property
    def keys(self) -> dict[str, str]:
        """What each job is called in names of files: its number, from 1 on, and what can be kept of its name."""
        width = max(3, len(str(len(self.spec.jobs))))
        return {job.name: f"{number:0{width}}-{slug(job.name)}" for number, job in enumerate(self.spec.jobs, 1)}

    @property
    def manifest(self) -> str:
        return self.at(MANIFEST)

    @property
    def values(self) -> str:
        return self.at("values.env")

    @property
    def state(self) -> str:
        return self.at("state")

    @property
    def output(self) -> str:
        return self.at("output.log")

    def script(self, suffix: str = ".sh") -> str:
        """The script to run; it is called as the pipeline is, as far as a file can be."""
        name = slug(self.spec.name)
        return self.at(f"{name}-script{suffix}" if name + suffix in TAKEN else name + suffix)

    def job_script(self, name: str) -> str:
        return self.at(f"jobs/{self.keys[name]}.sh")

    def passed(self, name: str) -> str:
        return self.at(f"passed/{self.keys[name]}")

    def failed(self, name: str) -> str:
        return self.at(f"failed/{self.keys[name]}")

    def skipped(self, name: str) -> str:
        return self.at(f"skipped/{self.keys[name]}")

    def status(self, name: str) -> str:
        return self.at(f"status/{self.keys[name]}.json")

    def log(self, name: str) -> str:
        return self.at(f"logs/{self.keys[name]}.log")

    @property
    def server(self) -> str:
        return self.at("server")

    def session(self, name: str) -> str:
        return self.at(f"sessions/{self.keys[name]}")

    def at(self, path: str) -> str:
        return f"{self.directory}/{path}"


@dataclass(frozen=True)
class ScriptFile:
    """A file that a pipeline is run by: its path, its text, and whether it is a program (0700) or not (0600)."""

    path: str
    text: str
    program: bool = True


@dataclass(frozen=True)
class Rendering:
    """The files of a pipeline, as its backend needs them. The first is the one to run."""

    files: tuple[ScriptFile, ...]

    @property
    def script(self) -> ScriptFile:
        return self.files[0]

"""What a user asks for. Checked when built, trusted afterwards.

Memory is in MB (2**20 bytes), times are in seconds, `begin_at` is wall time since the epoch.
"""

from __future__ import annotations

import re
from dataclasses import field
from functools import lru_cache
from typing import Optional

from runyard.errors import InvalidSpec
from runyard.model.checkpoint import Checkpoint
from runyard.model.code import Code
from runyard.model.drift import POLICIES, Installed
from runyard.model.label import program_name
from runyard.model.params import Params, check_params
from runyard.model.record import dataclass
from runyard.model.wish import parse_wish

SHELLS = ("bash", "sh", "zsh", "login")
DEFAULT_SHELL = "bash"
DEFAULT_QUEUE = "default"
DEFAULT_GRACE_S = 10.0
DEPENDENCY_KINDS = ("afterok", "afterany", "afternotok")
ON_LOST = ("", "end", "requeue")
RETRY_CAUSES = ("fail", "oom", "lost", "timeout")
PORTS_MAX = 8

NAME_BYTES = 255
NOTE_BYTES = 4_096
ARGUMENT_BYTES = 131_071
"""The longest single argument or variable that Linux hands to a program (MAX_ARG_STRLEN less the NUL)."""

COMMAND_BYTES = 512 * 1024
"""All arguments together: with the environment they have to fit into what a program can be handed (often 2 MB)."""

PUBLIC_MOST = 64 * 1024
"""Characters of public variables with one job."""

ALIKE = 256
"""The jobs of a submission have most of their texts in common: so many are known to be good."""

ARRAY_MAX = 1_000_000
ARRAY_INDEX_MAX = 10_000_000

QUEUE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
OUR_VARIABLES = "RUNYARD_"
HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class GpuRequest:
    """Devices of one host. Whole devices, unless `memory_mb` asks for a share of each."""

    count: int = 0
    memory_mb: int = 0
    model: str = ""
    indices: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.count <= 1024:
            raise InvalidSpec("a number from 0 to 1024, please", "gpus")
        if self.memory_mb < 0:
            raise InvalidSpec("memory cannot be negative", "gpus")
        if self.indices and (len(set(self.indices)) != len(self.indices) or min(self.indices) < 0):
            raise InvalidSpec("device indices are different numbers from 0", "gpus")
        if self.indices and self.count != len(self.indices):
            raise InvalidSpec(f"{len(self.indices)} devices are named but {self.count} asked for", "gpus")

    @property
    def shared(self) -> bool:
        return self.memory_mb > 0


@dataclass(frozen=True)
class Resources:
    """CPUs, memory (0: no limit) and GPUs of one placement."""

    cpus: int = 1
    memory_mb: int = 0
    gpus: GpuRequest = GpuRequest()

    def __post_init__(self) -> None:
        if not 0 <= self.cpus <= 65536:
            raise InvalidSpec("a number from 0 to 65536, please", "cpus")
        if not 0 <= self.memory_mb < 1 << 40:
            raise InvalidSpec("memory cannot be negative or that large", "mem")


@dataclass(frozen=True)
class RetryVariable:
    """A variable of the attempts after one that ended by `cause` ("": by any)."""

    cause: str
    name: str
    value: str

    def __post_init__(self) -> None:
        if self.cause and self.cause not in RETRY_CAUSES:
            raise InvalidSpec(f"{self.cause!r} is none of {', '.join(RETRY_CAUSES)}", "retry-env")
        if not VARIABLE.fullmatch(self.name) or self.name.startswith(OUR_VARIABLES):
            raise InvalidSpec(f"{self.name!r} is no name of a variable of yours", "retry-env")
        if "\0" in self.value or _bytes(self.value, "retry-env") > ARGUMENT_BYTES:
            raise InvalidSpec(f"the value of {self.name} is too long, or holds a NUL character", "retry-env")


@dataclass(frozen=True)
class Retry:
    """How often a job is tried again by itself, why, and after which pause.

    `on` holds causes (`fail`, `oom`, `lost`, `timeout`) and exit codes as text; empty means `fail`, `oom` and
    `timeout`. The pause doubles with each retry, from `backoff_s` up to an hour. `env` are variables of the retries:
    of several values for one name and cause the first counts after the first such end, the next after the next.
    """

    limit: int = 0
    on: tuple[str, ...] = ()
    backoff_s: float = 0.0
    env: tuple[RetryVariable, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.limit <= 10_000:
            raise InvalidSpec("a number from 0 to 10000, please", "retries")
        if not 0 <= self.backoff_s <= 86_400:
            raise InvalidSpec("a pause from 0 to a day, please", "backoff")
        for cause in self.on:
            if cause not in RETRY_CAUSES and not (cause.isdecimal() and 1 <= int(cause) <= 255):
                raise InvalidSpec(f"{cause!r} is neither {', '.join(RETRY_CAUSES)} nor an exit code", "retry-on")


@dataclass(frozen=True)
class Dependency:
    """This job waits for the end of another."""

    job_id: int
    kind: str = "afterok"

    def __post_init__(self) -> None:
        if self.kind not in DEPENDENCY_KINDS:
            raise InvalidSpec(f"{self.kind!r} is none of {', '.join(DEPENDENCY_KINDS)}", "after")


@dataclass(frozen=True)
class JobSpec:
    """One job as its user wants it.

    `command` is argv; with `shell` it is one text that this shell runs. `script` and `environment` are hashes of
    blobs: the script's copy takes the place of `command[0]`. `setup` are lines that a shell runs before the command.
    `output` and `input` are paths (patterns %j %a %x in `output`), relative to `workdir`; empty means the run's own log
    and no input. `params` (name, value as text) and `template`, the one that it was made from, say what `command` was
    put together of. `note` is for people: one line that says what it is for.
    `public` are variables of the environment (name, value) that may be shown: a copy for lists, not what the job gets.
    `notify` says which hooks are told of it (see `model.hook`). With `tty` it gets a terminal of its own.
    `ports` is how many ports of its host it gets (None: see `ports_wanted`).
    `snapshot` asks for frozen code (see `model.code`); `code` says what there was at submit, `python` what was
    installed, and `drift` what a start does when that is another ("": warn).
    """

    command: tuple[str, ...]
    name: str = ""
    workdir: str = "/"
    shell: str = ""
    script: str = ""
    environment: str = ""
    setup: tuple[str, ...] = ()
    output: str = ""
    input: str = ""
    queue: str = DEFAULT_QUEUE
    priority: int = 0
    after: tuple[Dependency, ...] = ()
    hold: bool = False
    begin_at: Optional[float] = None
    time_limit_s: Optional[float] = None
    grace_s: float = DEFAULT_GRACE_S
    detach: bool = False
    retry: Retry = Retry()
    on_lost: str = ""
    resources: Resources = Resources()
    unique: str = ""
    array_index: Optional[int] = None
    user: str = ""
    params: Params = ()
    template: str = ""
    note: str = ""
    slurm_env: bool = False
    public: Params = ()
    notify: tuple[str, ...] = ()
    tty: bool = False
    checkpoint: Checkpoint = Checkpoint()
    ports: Optional[int] = None
    snapshot: str = ""
    code: Optional[Code] = None
    drift: str = ""
    python: Optional[Installed] = None

    def __post_init__(self) -> None:
        _check_command(self)
        _check_text(self.name, "name", NAME_BYTES)
        _check_text(self.unique, "unique", NAME_BYTES)
        _check_path(self.workdir, "workdir")
        _check_texts(self.note, self.output, self.input, self.template, self.snapshot)
        _check_numbers(self)
        if self.params:
            check_params(self.params)
        if self.public and sum(len(name) + len(value) for name, value in self.public) > PUBLIC_MOST:
            raise InvalidSpec(f"at most {PUBLIC_MOST} characters of public variables are taken", "public")
        for wish in self.notify:
            parse_wish(wish)
        if self.tty and self.input:
            raise InvalidSpec("a job with a terminal reads from that: give either --tty or --input", "tty")
        if self.drift and self.drift not in POLICIES:
            raise InvalidSpec(f"{self.drift!r} is none of {', '.join(POLICIES)}", "drift")
        _check_names(self.queue, self.on_lost, self.script, self.environment)
        self.checkpoint.check_time(self.time_limit_s)

    @property
    def ports_wanted(self) -> int:
        """How many ports of its host it gets: unless it says so, one where several GPUs have to find each other."""
        return int(self.resources.gpus.count > 1) if self.ports is None else self.ports

    @property
    def label(self) -> str:
        """How the job is called in lists: its name, or that of its program, or of what an interpreter runs."""
        return self.name or program_name(self.command, bool(self.shell))

    @property
    def title(self) -> str:
        """The label, and of an element of an array the index too: train[3]."""
        return self.label if self.array_index is None else f"{self.label}[{self.array_index}]"

    @property
    def line(self) -> str:
        """The command as one line of text."""
        return " ".join(self.command)


def _check_command(spec: JobSpec) -> None:
    if not spec.command or (not spec.command[0] and not spec.script):
        raise InvalidSpec("there is nothing to run: give a command after --", "command")
    whole = 0
    for word in spec.command + spec.setup:
        if "\0" in word:
            raise InvalidSpec("a word of a command cannot hold a NUL character", "command")
        size = _bytes(word, "command")
        whole += size
        if size > ARGUMENT_BYTES:
            raise InvalidSpec(f"one argument is longer than the system's {ARGUMENT_BYTES} bytes; use a file", "command")
    if whole > COMMAND_BYTES:
        raise InvalidSpec(f"{whole} bytes of arguments, at most {COMMAND_BYTES} are taken; use a file", "command")
    if spec.shell and spec.shell not in SHELLS:
        raise InvalidSpec(f"{spec.shell!r} is none of {', '.join(SHELLS)}", "shell")
    if spec.shell and len(spec.command) != 1:
        raise InvalidSpec("a shell runs one text", "command")


def _check_text(text: str, name: str, most: int) -> None:
    if "\0" in text or "\n" in text:
        raise InvalidSpec("no NUL characters or line breaks, please", name)
    if _bytes(text, name) > most:
        raise InvalidSpec(f"longer than {most} bytes", name)


@lru_cache(ALIKE)
def _check_texts(note: str, output: str, input: str, template: str, snapshot: str) -> None:
    _check_text(note, "note", NOTE_BYTES)
    _check_text(output, "output", 4096)
    _check_text(input, "input", 4096)
    _check_text(template, "template", NAME_BYTES)
    _check_text(snapshot, "snapshot", NAME_BYTES)


def _bytes(text: str, name: str) -> int:
    """The length of the text as the system gets it. Half a surrogate pair stands for no bytes at all."""
    if text.isascii():
        return len(text)
    try:
        return len(text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        raise InvalidSpec("holds a character that is none (half a surrogate pair)", name) from None


@lru_cache(ALIKE)
def _check_names(queue: str, on_lost: str, script: str, environment: str) -> None:
    if not QUEUE_NAME.fullmatch(queue):
        raise InvalidSpec(f"{queue!r} is no name of a queue (letters, digits, '.', '_', '-')", "queue")
    if on_lost not in ON_LOST:
        raise InvalidSpec(f"{on_lost!r} is neither end nor requeue", "on-lost")
    for blob, name in ((script, "script"), (environment, "environment")):
        if blob and not HASH.fullmatch(blob):
            raise InvalidSpec("not the hash of a blob", name)


@lru_cache(ALIKE)
def _check_path(path: str, name: str) -> None:
    if not path.startswith("/"):
        raise InvalidSpec(f"{path!r} is not an absolute path", name)
    if "\0" in path or _bytes(path, name) > 4096:
        raise InvalidSpec("not a usable path", name)


def _check_numbers(spec: JobSpec) -> None:
    if abs(spec.priority) > 1_000_000:
        raise InvalidSpec("a number from -1000000 to 1000000, please", "priority")
    if spec.time_limit_s is not None and not 0 < spec.time_limit_s <= 366 * 86_400:
        raise InvalidSpec("a time limit is more than nothing and at most a year", "time")
    if not 0 <= spec.grace_s <= 86_400:
        raise InvalidSpec("from 0 to a day, please", "grace")
    if spec.begin_at is not None and not 0 <= spec.begin_at < 1e11:
        raise InvalidSpec("not a time", "begin")
    if spec.ports is not None and not 0 <= spec.ports <= PORTS_MAX:
        raise InvalidSpec(f"from 0 to {PORTS_MAX}, please", "ports")
    if spec.array_index is not None and not 0 <= spec.array_index <= ARRAY_INDEX_MAX:
        raise InvalidSpec(f"from 0 to {ARRAY_INDEX_MAX}", "array_index")


@dataclass(frozen=True)
class ArraySpec:
    """Indices of an array and how many of its jobs may run at a time (0: no limit)."""

    indices: tuple[int, ...] = field(default=())
    parallel: int = 0

    def __post_init__(self) -> None:
        if len(self.indices) > ARRAY_MAX or len(set(self.indices)) != len(self.indices):
            raise InvalidSpec(f"at most {ARRAY_MAX} indices, each once", "array")
        if self.indices and not 0 <= min(self.indices) <= max(self.indices) <= ARRAY_INDEX_MAX:
            raise InvalidSpec(f"indices are from 0 to {ARRAY_INDEX_MAX}", "array")
        if not 0 <= self.parallel <= ARRAY_MAX:
            raise InvalidSpec(f"from 0 (no limit) to {ARRAY_MAX} at a time", "array")

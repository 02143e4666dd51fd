"""git, run so that a repository can be looked at, frozen and laid out again without running anything that it brings.

A repository may come from anywhere, and its own configuration can name programs: hooks, a file system monitor, external
diffs, filters. None of these is run. (Filters that the user's own configuration names are, as `git status` does; of a
repository's own only those of Git LFS, word for word.) The index and the work tree of the user are read, never written:
what needs an index works on a copy of it. Operands are checked, and stand after `--end-of-options` or go through
standard input. Nothing is ever fetched.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Optional

from runyard.errors import Conflict, InvalidSpec
from runyard.foreign.command import Completed, Surroundings, run, stream

GIT = "git"
LOOK_S = 60.0
"""How long one look at a repository may take."""

LAY_OUT_S = 600.0

PATH_BYTES = 8_192
"""How much is read of a small file that holds a name."""

PACKED_BYTES = 64 << 20
"""How much is read of a list of references."""

OBJECT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_BRANCH = b"ref: refs/heads/"
_FILTER = re.compile(rb"filter|include", re.IGNORECASE)
_REVISION = re.compile(r"[A-Za-z0-9_@+=#,./~^{}][A-Za-z0-9_@+=#,./~^{}-]{0,254}")

SAFE: dict[str, str] = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.pager": "cat",
    "core.sshCommand": "false",
    "diff.external": "",
    "diff.trustExitCode": "false",
    "protocol.allow": "never",
    "submodule.recurse": "false",
    "advice.addEmbeddedRepo": "false",
    "lfs.fetchexclude": "*",
    "gc.auto": "0",
    "commit.gpgSign": "false",
}
"""What no repository decides for itself."""

FILTERS = r"^filter\..*\.(clean|smudge|process)$"
LFS = frozenset(("git-lfs clean -- %f", "git-lfs smudge -- %f", "git-lfs filter-process"))
"""The filters that may also be named by a repository's own configuration (`git lfs install --local`)."""

ENVIRONMENT: dict[str, str] = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "false",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_PAGER": "cat",
    "GIT_AUTHOR_NAME": "runyard",
    "GIT_AUTHOR_EMAIL": "runyard@localhost",
    "GIT_AUTHOR_DATE": "@0 +0000",
    "GIT_COMMITTER_NAME": "runyard",
    "GIT_COMMITTER_EMAIL": "runyard@localhost",
    "GIT_COMMITTER_DATE": "@0 +0000",
    "LC_ALL": "C",
}
"""Snapshots of the same code are the same commit, whoever makes them and when."""


@dataclass(frozen=True)
class Head:
    """What is checked out: `commit` ("": none yet) and `branch` ("": detached)."""

    commit: str = ""
    branch: str = ""


@dataclass(frozen=True)
class Repository:
    """A work tree and where git keeps its things: `git_dir` its own, `common` what it shares with other work trees."""

    root: str
    git_dir: str
    common: str

    @property
    def index(self) -> str:
        return os.path.join(self.git_dir, "index")

    @property
    def objects(self) -> str:
        return os.path.join(self.common, "objects")

    @property
    def ours(self) -> bool:
        """Whether it belongs to this account; git itself would not look at another one's either."""
        return {os.stat(self.root).st_uid, os.stat(self.git_dir).st_uid} <= {os.geteuid()}

    @property
    def umask(self) -> int:
        """What its new files are to be kept from, as its objects are: ours is a daemon's."""
        return ~os.stat(self.objects).st_mode & 0o777


@dataclass(frozen=True)
class Place:
    """What a git command works on beside its repository. `index` and `objects` take the place of the repository's own
    (new objects go to `objects`, the repository's stay readable); `tree` that of its work tree."""

    index: str = ""
    objects: str = ""
    tree: str = ""


def find(directory: str) -> Optional[Repository]:
    """The work tree that this directory lies in, or None. Reads a few small files, runs nothing."""
    path = os.path.realpath(directory)
    while True:
        repository = _at(path)
        if repository is not None:
            return repository
        above = os.path.dirname(path)
        if above == path or os.path.basename(path) == ".git":
            return None
        path = above


def _at(root: str) -> Optional[Repository]:
    dot = os.path.join(root, ".git")
    if os.path.isdir(dot):
        git_dir = dot
    else:
        named = _read(dot)
        if not named.startswith(b"gitdir: "):
            return None
        git_dir = os.path.normpath(os.path.join(root, os.fsdecode(named[8:].rstrip(b"\r\n"))))
    if not os.path.isfile(os.path.join(git_dir, "HEAD")):
        return None
    shared = os.fsdecode(_read(os.path.join(git_dir, "commondir")).strip())
    return Repository(root, git_dir, os.path.normpath(os.path.join(git_dir, shared)) if shared else git_dir)


def head(repository: Repository) -> Head:
    """What is checked out, read from git's own files; where they are kept otherwise the commit stays unknown."""
    text = _read(os.path.join(repository.git_dir, "HEAD")).strip()
    if not text.startswith(b"ref: "):
        return Head(_object(text))
    ref = os.fsdecode(text[5:])
    branch = os.fsdecode(text[len(_BRANCH) :]) if text.startswith(_BRANCH) else ""
    if os.path.isabs(ref) or ".." in ref.split("/"):
        return Head()
    return Head(_object(_read(os.path.join(repository.common, ref)).strip()) or _packed(repository, ref), branch)


def _packed(repository: Repository, ref: str) -> str:
    packed = b"\n" + _read(os.path.join(repository.common, "packed-refs"), PACKED_BYTES)
    place = packed.find(b" " + os.fsencode(ref) + b"\n")
    return _object(packed[packed.rfind(b"\n", 0, place) + 1 : place]) if place >= 0 else ""


def _object(text: bytes) -> str:
    name = text.decode("ascii", "replace")
    return name if OBJECT.fullmatch(name) else ""


def _read(path: str, most: int = PATH_BYTES) -> bytes:
    """What a regular file begins with. Who else can write there may have put anything in its place: it is never waited
    for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    with open(descriptor, "rb") as file:
        return file.read(most) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""


@dataclass
class Git:
    """Runs git in one repository."""

    repository: Repository
    _settings: Optional[dict[str, str]] = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.repository.ours and not is_trusted(self.repository.root):
            raise Conflict(
                f"{self.repository.root} belongs to another account, and git's safe.directory does not name it"
            )

    def run(self, *words: str, at: Place = Place(), input: bytes = b"", timeout_s: float = LOOK_S) -> Completed:
        """Run one of its commands to its end."""
        directory = at.tree or self.repository.root
        return run((GIT, *words), timeout_s, input, self._environment(at), directory, self.repository.umask)

    def out(self, *words: str, at: Place = Place(), input: bytes = b"", timeout_s: float = LOOK_S) -> bytes:
        """What one that has to succeed prints."""
        return self.run(*words, at=at, input=input, timeout_s=timeout_s).required().stdout

    def pieces(self, *words: str, at: Place = Place()) -> Iterator[bytes]:
        """What it prints, piece by piece: for what may be long. To stop reading ends it."""
        surroundings = Surroundings(self._environment(at), self.repository.root)
        with stream((GIT, *words), LOOK_S, surroundings) as output:
            yield from output

    def _environment(self, at: Place) -> dict[str, str]:
        environment = base_environment(os.environ)
        environment["GIT_DIR"] = self.repository.git_dir
        environment["GIT_WORK_TREE"] = at.tree or self.repository.root
        if at.index:
            environment["GIT_INDEX_FILE"] = at.index
        if at.objects:
            environment["GIT_OBJECT_DIRECTORY"] = at.objects
            environment["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = quoted(self.repository.objects)
        if self._settings is None:
            self._settings = self._silenced(environment)
        return configured(environment, {**SAFE, **self._settings})

    def _silenced(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Settings that take back the filters which the repository's own configuration names."""
        own = self.repository
        files = [os.path.join(own.common, "config"), os.path.join(own.git_dir, "config.worktree")]
        if not any(_FILTER.search(_read(path, -1)) for path in files):
            return {}
        asked = run(
            (GIT, "config", "--includes", "--show-scope", "-z", "--get-regexp", FILTERS),
            LOOK_S,
            env=configured(environment, SAFE),
            cwd=own.root,
        )
        return silenced(asked.stdout)


def is_trusted(root: str) -> bool:
    """Whether the user has told git (`safe.directory`) to look into this work tree of somebody else's."""
    words = (GIT, "config", "--global", "-z", "--get-all", "safe.directory")
    values = names(run(words, LOOK_S, env=base_environment(os.environ)).stdout)
    above = [value[:-1] for value in values if value.endswith("/*")]
    return "*" in values or root in [value.rstrip("/") for value in values] or root.startswith(tuple(above))


def silenced(listed: bytes) -> dict[str, str]:
    """The settings against filters, from what `git config --show-scope -z` lists: scope NUL name LF value NUL ..."""
    words = listed.split(b"\0")
    taken: dict[str, str] = {}
    for scope, setting in zip(words[::2], words[1::2]):
        name, _, value = setting.partition(b"\n")
        if scope not in (b"local", b"worktree") or value.decode("utf-8", "replace") in LFS:
            continue
        key = os.fsdecode(name)
        taken[key] = ""
        taken[f"{key.rpartition('.')[0]}.required"] = "false"
    return taken


def base_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for git: ours, less what would point it elsewhere."""
    kept = {name: value for name, value in environ.items() if not name.startswith("GIT_")}
    return {**kept, **ENVIRONMENT}


def configured(environment: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """The environment with these settings, which count more than any file."""
    made = {**environment, "GIT_CONFIG_COUNT": str(len(settings))}
    for place, (name, value) in enumerate(settings.items()):
        made[f"GIT_CONFIG_KEY_{place}"], made[f"GIT_CONFIG_VALUE_{place}"] = name, value
    return made


def quoted(path: str) -> str:
    """A path for a list of paths between colons."""
    if ":" not in path and not path.startswith('"'):
        return path
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'


def commit_of(git: Git, revision: str) -> str:
    """The commit that a branch, a tag or a (short) commit names."""
    if not _REVISION.fullmatch(revision):
        raise InvalidSpec(f"{revision!r} is no name of a branch or commit", "snapshot")
    found = git.run("rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}")
    name = found.stdout.decode("ascii", "replace").strip()
    if found.returncode or not OBJECT.fullmatch(name):
        raise InvalidSpec(f"there is no branch or commit {revision!r} in {git.repository.root}", "snapshot")
    return name


def names(data: bytes) -> list[str]:
    """File names out of a list with NULs."""
    return [os.fsdecode(name) for name in data.split(b"\0") if name]


def remove_ref(git: Git, ref: str) -> None:
    """Take a private ref away; one that is gone already is no matter."""
    git.run("update-ref", "-d", ref)

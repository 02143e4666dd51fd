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

ITEM_MAX = 65_536
"""The longest name in git's lists, in bytes."""

OBJECT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_BRANCH = b"ref: refs/heads/"
_FILTER = re.compile(rb"filter|include|lfs", re.IGNORECASE)
_REVISION = re.compile(r"[A-Za-z0-9_@+=#,./~^{}][A-Za-z0-9_@+=#,./~^{}-]{0,254}")

SAFE: dict[str, str] = {
    "core.checkStat": "default",
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.ignoreStat": "false",
    "core.pager": "cat",
    "core.sshCommand": "false",
    "core.trustctime": "true",
    "diff.external": "",
    "diff.trustExitCode": "false",
    "submodule.recurse": "false",
    "advice.addEmbeddedRepo": "false",
    "lfs.fetchexclude": "*",
    "gc.auto": "0",
    "commit.gpgSign": "false",
}
"""What no repository decides for itself."""

FILTERS = r"^(filter\..*\.(clean|smudge|process)|lfs\..*)$"
LFS = frozenset((b"git-lfs clean -- %f", b"git-lfs smudge -- %f", b"git-lfs filter-process"))
"""The filters that may also be named by a repository's own configuration (`git lfs install --local`)."""

LFS_EXTENSION = b"lfs.extension."
"""Programs that git-lfs itself runs: where a repository names some, git-lfs is not run, whoever asks for it."""

ENVIRONMENT: dict[str, str] = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "false",
    "GIT_ALLOW_PROTOCOL": "",  # none; counts more than any setting, and an old git does not know GIT_NO_LAZY_FETCH
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


class Foreign(Conflict):
    """A repository of somebody whom git has not been told to trust."""


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
        """Whether all that leads to it belongs to this account; git itself would not look at another one's either."""
        leading = {os.stat(path).st_uid for path in (self.root, self.git_dir, self.common)}
        return leading | {os.lstat(os.path.join(self.root, ".git")).st_uid} == {os.geteuid()}

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
    """The work tree that this directory lies in, or None. Reads a few small files. Foreign if it is another account's
    and git has not been told to trust it: whoever owns a directory above may have put anything there."""
    path = os.path.realpath(directory)
    while True:
        repository = _at(path)
        if repository is not None:
            if not repository.ours and not is_trusted(repository.root):
                raise Foreign(
                    f"{repository.root} belongs to another account, and git's safe.directory does not name it"
                )
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
    common = os.path.normpath(os.path.join(git_dir, shared)) if shared else git_dir
    return Repository(root, git_dir, common) if os.path.isdir(common) else None


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

    def run(self, *words: str, at: Place = Place(), input: bytes = b"", timeout_s: float = LOOK_S) -> Completed:
        """Run one of its commands to its end."""
        directory = at.tree or self.repository.root
        return run((GIT, *words), timeout_s, input, self._environment(at), directory, self.repository.umask)

    def out(self, *words: str, at: Place = Place(), input: bytes = b"", timeout_s: float = LOOK_S) -> bytes:
        """What one that has to succeed prints."""
        return self.run(*words, at=at, input=input, timeout_s=timeout_s).required().stdout

    def pieces(self, *words: str, at: Place = Place(), timeout_s: float = LOOK_S) -> Iterator[bytes]:
        """What one that has to succeed prints, piece by piece: for what may be long. To stop reading ends it.
        `timeout_s` is how long it may be silent."""
        surroundings = Surroundings(self._environment(at), at.tree or self.repository.root)
        with stream((GIT, *words), timeout_s, surroundings) as output:
            yield from output
        Completed((GIT, *words), output.returncode or 0, b"", output.stderr).required()

    def items(self, *words: str, at: Place = Place(), timeout_s: float = LOOK_S) -> Iterator[bytes]:
        """The items of a list with NULs, one by one: whoever reads them says how many are enough."""
        rest = b""
        for piece in self.pieces(*words, at=at, timeout_s=timeout_s):
            *whole, rest = (rest + piece).split(b"\0")
            yield from whole
            if len(rest) > ITEM_MAX:
                raise Conflict(f"git {words[0]} names something in {self.repository.root} that is too long")

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
    """Whether git has been told (`safe.directory`) to look into this work tree of somebody else's. No repository has a
    say in that."""
    environment = {**base_environment(os.environ), "GIT_DIR": os.devnull}
    words = (GIT, "config", "--type=path", "-z", "--get-all", "safe.directory")
    values = os.fsdecode(run(words, LOOK_S, env=environment).stdout).split("\0")[:-1]
    counted = values[len(values) - values[::-1].index("") :] if "" in values else values
    above = [value[:-1] for value in counted if value.endswith("/*")]
    return "*" in counted or root in [value.rstrip("/") for value in counted] or root.startswith(tuple(above))


def silenced(listed: bytes) -> dict[str, str]:
    """The settings against filters, from what `git config --show-scope -z` lists: scope NUL name LF value NUL ..."""
    words = listed.split(b"\0")
    settings = [(s in (b"local", b"worktree"), *line.partition(b"\n")[::2]) for s, line in zip(words[::2], words[1::2])]
    extended = any(own and name.lower().startswith(LFS_EXTENSION) for own, name, _ in settings)
    taken: dict[str, str] = {}
    for own, name, value in settings:
        if name.startswith(b"filter.") and ((own and value not in LFS) or (extended and b"git-lfs" in value)):
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


def remove_ref(git: Git, ref: str) -> None:
    """Take a private ref away; one that is gone already is no matter."""
    git.run("update-ref", "-d", ref)

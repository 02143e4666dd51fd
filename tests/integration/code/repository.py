"""A real git repository that a test makes, with a history, ignored data and whatever it wants."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

IGNORED = "data/\nruns/\n*.pyc\n.venv/\n"


class Work:
    """A work tree. `git` runs git in it, as its user does."""

    def __init__(self, root: Path, *, empty: bool = False) -> None:
        self.root = root
        root.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        self.settle()
        if not empty:
            self.write(".gitignore", IGNORED)
            self.write("train.py", "print('one')\n")
            self.write("src/model.py", "size = 1\n")
            self.commit("one")
            self.write("data/in.txt", "numbers\n")

    def settle(self) -> None:
        """Who commits here."""
        self.git("config", "user.email", "ada@example.org")
        self.git("config", "user.name", "Ada")

    def git(self, *words: str) -> str:
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_ALLOW_PROTOCOL": "file",
        }  # fmt: skip
        ended = subprocess.run(["git", *words], cwd=self.root, env=environ, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, (words, ended.stderr)
        return ended.stdout.strip()

    def write(self, path: str, text: str) -> Path:
        whole = self.root / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        whole.write_text(text, encoding="utf-8")
        return whole

    def commit(self, message: str) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")

    @property
    def refs(self) -> list[str]:
        """The private refs."""
        return self.git("for-each-ref", "--format=%(refname)", "refs/runyard").split()

    @property
    def objects(self) -> int:
        return len(list((self.root / ".git" / "objects").glob("??/*")))

    def state(self) -> tuple[bytes, str]:
        """What nothing of ours may change: the index, and what git says of the work tree."""
        index = self.root / ".git" / "index"
        before = index.read_bytes() if index.exists() else b""
        return before, self.git("--no-optional-locks", "status", "--porcelain")

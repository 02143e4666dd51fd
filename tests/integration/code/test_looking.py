"""Code is found and looked into as it is, and nothing of it is changed by that."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from runyard.errors import InvalidSpec
from runyard.foreign import freeze, git
from runyard.model import code as model
from runyard.model.code import Code, CodeRecord, Snapshot, title
from runyard.runtime.repositories import LocalRepositories
from runyard.runtime.trees import Trees
from tests.integration.code.repository import Work


def found(repositories: LocalRepositories, directory: Path) -> Code:
    code = repositories.find(str(directory))
    assert code is not None
    return code


def seen(repositories: LocalRepositories, directory: Path) -> tuple[CodeRecord, str]:
    look = repositories.look(found(repositories, directory))
    assert look.record.problem == ""
    return look.record, look.patch.decode()


def test_a_branch_and_its_commit(work: Work, repositories: LocalRepositories) -> None:
    code = found(repositories, work.root / "src")
    assert (code.root, code.commit, code.branch) == (str(work.root), work.git("rev-parse", "HEAD"), "main")


def test_a_commit_that_is_packed(work: Work, repositories: LocalRepositories) -> None:
    work.git("branch", "feature/x")
    work.git("checkout", "-q", "feature/x")
    work.git("pack-refs", "--all")
    code = found(repositories, work.root)
    assert (code.commit, code.branch) == (work.git("rev-parse", "HEAD"), "feature/x")


def test_a_detached_head(work: Work, repositories: LocalRepositories) -> None:
    work.git("checkout", "-q", "--detach")
    code = found(repositories, work.root)
    assert (code.commit, code.branch) == (work.git("rev-parse", "HEAD"), "")


def test_no_commit_yet(tmp_path: Path, repositories: LocalRepositories) -> None:
    work = Work(tmp_path / "new", empty=True)
    work.write("a.py", "1\n")
    code = found(repositories, work.root)
    assert (code.commit, code.branch) == ("", "main")
    record, patch = seen(repositories, work.root)
    assert record.changed == ("A a.py",)
    assert "+1" in patch
    assert title(code, record) == "main no commit yet, 1 file changed"


def test_a_linked_work_tree_of_a_bare_repository(work: Work, tmp_path: Path, repositories: LocalRepositories) -> None:
    work.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    assert repositories.find(str(tmp_path / "bare.git")) is None
    work.git("-C", str(tmp_path / "bare.git"), "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    code = found(repositories, tmp_path / "side")
    assert (code.commit, code.branch) == (work.git("rev-parse", "HEAD"), "side")
    (tmp_path / "side" / "train.py").write_text("print('two')\n")
    assert seen(repositories, tmp_path / "side")[0].changed == ("M train.py",)


def test_a_directory_that_is_in_no_work_tree(tmp_path: Path, repositories: LocalRepositories) -> None:
    assert repositories.find(str(tmp_path)) is None
    (tmp_path / ".git").mkdir()
    assert repositories.find(str(tmp_path)) is None
    assert repositories.find(str(tmp_path / "missing")) is None


def test_what_is_changed_is_seen_and_nothing_is_touched(work: Work, repositories: LocalRepositories) -> None:
    clean, _ = seen(repositories, work.root)
    assert clean.changed == ()
    assert clean.tree == work.git("rev-parse", "HEAD^{tree}")
    work.write("train.py", "print('two')\n")
    work.write("new file.py", "x\n")
    work.write("src/staged.py", "y\n")
    work.git("add", "src/staged.py")
    (work.root / "src" / "model.py").unlink()
    before, objects = work.state(), work.objects
    record, patch = seen(repositories, work.root)
    assert record.changed == ("A new file.py", "D src/model.py", "A src/staged.py", "M train.py")
    assert "+print('two')" in patch and "+x" in patch
    assert (work.state(), work.objects, work.refs) == (before, objects, [])
    work.write("train.py", "print('three')\n")
    again, _ = seen(repositories, work.root)
    assert again.tree != record.tree
    assert again.contents != record.contents


def test_names_of_any_bytes(work: Work, repositories: LocalRepositories) -> None:
    name = os.fsdecode(b"caf\xe9\n\xff.txt")
    (work.root / name).write_text("x")
    assert seen(repositories, work.root)[0].changed == (f"A {name}",)


def test_what_is_too_large_is_named(work: Work, repositories: LocalRepositories) -> None:
    work.write("weights.bin", "0" * (git_look_max() + 1))
    record, _ = seen(repositories, work.root)
    assert (record.changed, record.left_out) == ((), ("weights.bin",))


def git_look_max() -> int:
    return 1024 * 1024


def test_a_long_patch_is_cut(work: Work, repositories: LocalRepositories) -> None:
    work.write("train.py", "".join(f"print({number})\n" for number in range(100_000)))
    record, patch = seen(repositories, work.root)
    assert record.patch_cut
    assert len(patch) == 1024 * 1024


def test_a_repository_that_goes(work: Work, repositories: LocalRepositories) -> None:
    code = found(repositories, work.root)
    (work.root / ".git" / "HEAD").unlink()
    assert repositories.look(code).record.problem == "its repository is gone"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("whose", [".", ".git", "{main}/.git/worktrees/side", "{main}/.git"])
def test_a_repository_of_another_account(
    work: Work, repositories: LocalRepositories, tmp_path: Path, whose: str
) -> None:
    """All that leads to what git reads is to be ours, or git was told to trust the work tree."""
    side = tmp_path / "side"
    work.git("worktree", "add", "-q", str(side))
    os.chown(side / whose.format(main=work.root), 4711, -1)
    trusted = tmp_path / ".gitconfig"
    why = f"{side} belongs to another account, and git's safe.directory does not name it"
    for named in ("/elsewhere", f"{side}\n\tdirectory ="):
        trusted.write_text(f"[safe]\n\tdirectory = {named}\n")
        assert repositories.find(str(side)) is None
        assert repositories.freeze(str(side), ".") == Snapshot(None, f"{why}: nothing is frozen, it runs in place")
    with open(work.root / ".git" / "config", "a") as config:
        config.write("[safe]\n\tdirectory = *\n")  # nobody trusts himself
    with pytest.raises(InvalidSpec, match=f"there is no 'main': {why}"):
        repositories.freeze(str(side), "main")
    for named in (str(side), f"{side.parent}/*", "*", "~/side"):
        trusted.write_text(f"[safe]\n\tdirectory = {named}\n")
        assert repositories.look(found(repositories, side)).record.problem == ""


def test_many_small_files_are_left_out_beyond_a_limit(
    work: Work, repositories: LocalRepositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freeze, "LOOK_MOST", 2_500)
    work.write("train.py", "0" * 1_000)
    for number in range(4):
        work.write(f"pictures/{number}.png", "0" * 1_000)
    record, _ = seen(repositories, work.root)
    assert record.changed == ("A pictures/0.png", "M train.py")
    assert record.left_out == ("pictures/1.png", "pictures/2.png", "pictures/3.png")


def test_counting_ends(work: Work, repositories: LocalRepositories, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        work.write(f"{number}.py", "x\n")
    work.commit("many")
    work.git("reset", "-q", "--soft", "HEAD~")
    for module in (freeze, model):
        monkeypatch.setattr(module, "COUNTED", 30)
    monkeypatch.setattr(freeze, "LISTED", 3)
    code = found(repositories, work.root)
    record = repositories.look(code).record
    assert (len(record.changed), record.more) == (3, 27)
    assert title(code, record).endswith("at least 30 files changed")


# Hostile repositories


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """What a program of a hostile repository makes."""
    return tmp_path / "it-ran"


def test_no_program_of_the_repository_runs(
    work: Work, repositories: LocalRepositories, trees: Trees, mark: Path
) -> None:
    evil = work.root.parent / "evil.sh"
    evil.write_text(f"#!/bin/sh\ntouch {mark}\ncat\n")
    evil.chmod(0o755)
    for name in ("core.fsmonitor", "core.pager", "diff.external", "core.sshCommand", "core.editor", "gpg.program"):
        work.git("config", name, str(evil))
    for kind in ("clean", "smudge", "process"):
        work.git("config", f"filter.a=b.{kind}", str(evil))
        work.git("config", f"filter.lfs.{kind}", f"{evil} {kind} -- %f")
    work.git("config", "filter.lfs.required", "true")
    work.git("config", "diff.evil.textconv", str(evil))
    work.git("config", "diff.evil.command", str(evil))
    work.git("config", "commit.gpgSign", "true")
    hooks = work.root / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-checkout", "pre-commit", "reference-transaction", "post-index-change", "fsmonitor-watchman"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {mark}\n")
        (hooks / name).chmod(0o755)
    work.write(".gitattributes", "*.py filter=lfs diff=evil\n*.txt filter=a=b diff=evil\n")
    work.write("train.py", "print('two')\n")
    work.write("new.txt", "new\n")
    record, patch = seen(repositories, work.root)
    assert "A new.txt" in record.changed and "+new" in patch
    frozen = repositories.freeze(str(work.root), ".").code
    assert frozen is not None
    tree = Path(trees.prepare(frozen))
    assert (tree / "train.py").read_text() == "print('two')\n"
    assert not mark.exists()


def test_an_old_git_fetches_nothing_for_a_repository(
    work: Work, repositories: LocalRepositories, mark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that does not know GIT_NO_LAZY_FETCH asks the promisor for an object that is missing."""
    old = tmp_path / "bin" / "git"
    old.parent.mkdir()
    old.write_text(f'#!/bin/sh\nunset GIT_NO_LAZY_FETCH\nexec {shutil.which("git")} "$@"\n')
    old.chmod(0o755)
    missing = work.git("rev-parse", "HEAD:train.py")
    for name, value in (
        ("core.repositoryFormatVersion", "1"), ("extensions.partialClone", "origin"), ("protocol.ext.allow", "always"),
        ("remote.origin.promisor", "true"), ("remote.origin.url", f"ext::touch {mark}"),
    ):  # fmt: skip
        work.git("config", name, value)
    (work.root / ".git" / "objects" / missing[:2] / missing[2:]).unlink()
    work.write("train.py", "print('two')\n")
    monkeypatch.setenv("PATH", f"{old.parent}:{os.environ['PATH']}")
    repositories.look(found(repositories, work.root))
    assert not mark.exists()


def test_a_repository_does_not_choose_its_work_tree(work: Work, repositories: LocalRepositories) -> None:
    work.write("../secret/key", "private\n")
    work.git("config", "core.worktree", str(work.root.parent / "secret"))
    record = repositories.look(found(repositories, work.root)).record
    assert record.changed == ()


def test_the_filters_that_are_taken_back() -> None:
    listed = (
        b"global\0filter.lfs.clean\ngit-lfs clean -- %f\0local\0filter.x.y.clean\nevil --now\0"
        b"local\0filter.lfs.process\ngit-lfs filter-process\0worktree\0filter.lfs.smudge\ngit-lfs smudge -- %f; evil\0"
    )
    taken = {
        "filter.x.y.clean": "",
        "filter.x.y.required": "false",
        "filter.lfs.smudge": "",
        "filter.lfs.required": "false",
    }
    assert git.silenced(listed) == taken
    assert git.silenced(b"global\0lfs.extension.mine.clean\nmine\0local\0lfs.x.access\nbasic\0" + listed) == taken
    programs_of_lfs = b"local\0lfs.Extension.x.clean\nevil\0local\0filter.none.clean\0"
    everything = {**taken, "filter.lfs.clean": "", "filter.lfs.process": "", "filter.none.clean": ""}
    assert git.silenced(listed + programs_of_lfs) == {**everything, "filter.none.required": "false"}


@pytest.mark.parametrize("ref", ["--upload-pack=x", "-x", "a b", "a\nb", "x;y", "$(x)", "", "ext::sh -c x", "a" * 300])
def test_what_is_no_name_of_a_commit(work: Work, repositories: LocalRepositories, ref: str) -> None:
    with pytest.raises(Exception, match="snapshot: "):
        repositories.freeze(str(work.root), ref or "''")

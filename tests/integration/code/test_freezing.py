"""Snapshots: frozen under a private ref, laid out once for all of their jobs, and collected with the last of them."""

from __future__ import annotations

import os
import subprocess
import threading
from dataclasses import astuple
from pathlib import Path

import pytest

from runyard.errors import Conflict, InvalidSpec
from runyard.foreign import freeze
from runyard.model.code import WORK_TREE, Code, Part
from runyard.runtime.repositories import LocalRepositories
from runyard.runtime.trees import ABSENT_S, DAY_S, Trees
from tests.integration.code.repository import Work


def frozen(repositories: LocalRepositories, root: Path, wanted: str = WORK_TREE) -> Code:
    code = repositories.freeze(str(root), wanted).code
    assert code is not None
    return code


def files(tree: Path) -> set[str]:
    return {
        str(path.relative_to(tree))
        for path in tree.rglob("*")
        if path.is_file() and not path.is_symlink() and ".git" not in path.relative_to(tree).parts
    }


def test_a_snapshot_has_what_is_there_now(work: Work, repositories: LocalRepositories, trees: Trees) -> None:
    work.write("train.py", "print('two')\n")
    work.write("new.py", "x\n")
    before = work.state()
    code = frozen(repositories, work.root)
    assert work.state() == before
    work.write("train.py", "print('three')\n")
    tree = Path(trees.prepare(code))
    assert files(tree) == {".gitignore", "train.py", "src/model.py", "new.py"}
    assert (tree / "train.py").read_text() == "print('two')\n"
    assert (tree / "data").is_symlink() and (tree / "data" / "in.txt").read_text() == "numbers\n"
    assert work.refs == [f"refs/runyard/{code.frozen[0].keep}"]


def test_equal_code_is_one_snapshot(work: Work, repositories: LocalRepositories, trees: Trees) -> None:
    work.write("new.py", "x\n")
    first = frozen(repositories, work.root)
    os.utime(work.root / "new.py", (1, 1))
    assert frozen(repositories, work.root / "src") == first
    assert trees.prepare(first) == trees.prepare(first) == trees.path(first)
    work.write("new.py", "y\n")
    other = frozen(repositories, work.root)
    assert (other.key != first.key, len(work.refs)) == (True, 2)


def test_git_answers_in_a_frozen_tree(work: Work, repositories: LocalRepositories, trees: Trees) -> None:
    work.write("train.py", "print('two')\n")
    tree = trees.prepare(frozen(repositories, work.root))
    asked = [["git", "rev-parse", "HEAD"], ["git", "status", "--porcelain"]]
    commit, status = (subprocess.run(argv, cwd=tree, capture_output=True, text=True).stdout for argv in asked)
    assert commit.strip() == work.git("rev-parse", "HEAD")
    assert " M train.py" in status or "M  train.py" in status


def test_a_branch_or_a_commit(work: Work, repositories: LocalRepositories, trees: Trees) -> None:
    first = work.git("rev-parse", "HEAD")
    work.write("train.py", "print('two')\n")
    work.git("branch", "old")
    work.commit("two")
    by_branch = frozen(repositories, work.root, "old")
    assert (by_branch.commit, by_branch.branch) == (first, "old")
    by_commit = frozen(repositories, work.root, first[:8])
    assert (by_commit.commit, by_commit.branch, by_commit.key) == (first, "", by_branch.key)
    assert Path(trees.prepare(by_commit), "train.py").read_text() == "print('one')\n"
    with pytest.raises(InvalidSpec, match=r"snapshot: there is no branch or commit 'nowhere' in /"):
        frozen(repositories, work.root, "nowhere")


def test_no_commit_yet(tmp_path: Path, repositories: LocalRepositories, trees: Trees) -> None:
    work = Work(tmp_path / "new", empty=True)
    work.write("a.py", "1\n")
    assert files(Path(trees.prepare(frozen(repositories, work.root)))) == {"a.py"}


def test_no_work_tree(tmp_path: Path, repositories: LocalRepositories) -> None:
    told = repositories.freeze(str(tmp_path), WORK_TREE)
    assert (told.code, told.remark) == (
        None, f"{tmp_path} is in no git work tree: nothing is frozen, it runs in place",
    )  # fmt: skip
    with pytest.raises(InvalidSpec, match="in no git work tree"):
        repositories.freeze(str(tmp_path), "main")


def test_too_much_names_the_biggest(work: Work, repositories: LocalRepositories) -> None:
    work.write("weights.bin", "0" * (6 << 20))
    work.write("small.bin", "0" * 1000)
    objects = work.objects
    with pytest.raises(InvalidSpec, match=r"6\.0 MB, more than the 5\.0 MB .* weights\.bin \(6\.0 MB\), small\.bin"):
        frozen(repositories, work.root)
    assert (work.objects, work.refs) == (objects, [])
    work.commit("large")
    with pytest.raises(InvalidSpec, match=r"the files of this snapshot are .* weights\.bin \(6\.0 MB\)"):
        frozen(repositories, work.root)
    assert work.refs == []


def test_too_many_names_their_directory(
    work: Work, repositories: LocalRepositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freeze, "COUNTED", 20)
    for number in range(25):
        work.write(f"pictures/{number % 5}/{number}.png", "x")
    why = "more than 20 files are changed or untracked, most in pictures/; have git ignore them"
    with pytest.raises(InvalidSpec, match=why):
        frozen(repositories, work.root)
    code = repositories.find(str(work.root))
    assert code is not None and repositories.look(code).record.problem == why
    work.commit("many")
    monkeypatch.setattr(freeze, "FILES_MOST", 20)
    with pytest.raises(InvalidSpec, match="the files of this snapshot are more than 20, most in pictures/"):
        frozen(repositories, work.root, "main")
    assert work.refs == []


def test_many_small_files_are_too_much(work: Work, repositories: LocalRepositories) -> None:
    for number in range(12):
        work.write(f"pictures/{number}.png", "0" * 500_000)
    with pytest.raises(InvalidSpec, match=r"the biggest: pictures/9\.png .*, most in pictures/\. Have git ignore"):
        frozen(repositories, work.root)


def test_submodules_are_frozen_as_they_lie(tmp_path: Path, repositories: LocalRepositories, trees: Trees) -> None:
    library = Work(tmp_path / "library")
    work = Work(tmp_path / "super")
    work.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library.root), "lib")
    work.commit("with a submodule")
    work.write("lib/train.py", "print('changed within')\n")
    code = frozen(repositories, work.root)
    assert [part.path for part in code.frozen] == ["", "lib"]
    tree = Path(trees.prepare(code))
    assert (tree / "lib" / "train.py").read_text() == "print('changed within')\n"
    assert (tree / "train.py").read_text() == "print('one')\n"
    committed = frozen(repositories, work.root, "main")
    assert Path(trees.prepare(committed), "lib", "train.py").read_text() == "print('one')\n"


def test_a_submodule_that_is_not_checked_out(tmp_path: Path, repositories: LocalRepositories, trees: Trees) -> None:
    library = Work(tmp_path / "library")
    work = Work(tmp_path / "super")
    work.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library.root), "lib")
    work.commit("with a submodule")
    work.git("clone", "-q", ".", str(tmp_path / "clone"))
    code = frozen(repositories, tmp_path / "clone")
    assert [part.path for part in code.frozen] == [""]
    assert os.listdir(Path(trees.prepare(code), "lib")) == []


def test_whatever_became_of_files(work: Work, repositories: LocalRepositories, trees: Trees) -> None:
    work.write("file", "x")
    work.write("directory/one", "1")
    work.write("link", "t")
    work.commit("more")
    (work.root / "file").unlink()
    work.write("file/inner.py", "y")
    (work.root / "directory" / "one").unlink()
    (work.root / "directory").rmdir()
    work.write("directory", "now a file")
    (work.root / "link").unlink()
    (work.root / "link").symlink_to("/nowhere")
    (work.root / "train.py").chmod(0o755)
    os.mkfifo(work.root / "pipe")
    tree = Path(trees.prepare(frozen(repositories, work.root)))
    assert files(tree) == {".gitignore", "directory", "file/inner.py", "src/model.py", "train.py"}
    assert os.readlink(tree / "link") == "/nowhere"
    assert os.access(tree / "train.py", os.X_OK)


def test_a_shallow_clone(work: Work, repositories: LocalRepositories, trees: Trees, tmp_path: Path) -> None:
    work.write("train.py", "print('two')\n")
    work.commit("two")
    work.git("clone", "-q", "--depth", "1", f"file://{work.root}", str(tmp_path / "shallow"))
    tree = trees.prepare(frozen(repositories, tmp_path / "shallow"))
    log = subprocess.run(["git", "log", "--oneline"], cwd=tree, capture_output=True, text=True, check=True)
    assert log.stdout.endswith("two\n")


def test_a_merge_that_is_not_settled(work: Work, repositories: LocalRepositories, trees: Trees) -> None:
    work.git("checkout", "-q", "-b", "side")
    work.write("train.py", "print('side')\n")
    work.commit("side")
    work.git("checkout", "-q", "main")
    work.write("train.py", "print('main')\n")
    work.commit("main")
    subprocess.run(["git", "merge", "-q", "side"], cwd=work.root, capture_output=True, check=False)
    before = work.state()
    assert "<<<<<<<" in Path(trees.prepare(frozen(repositories, work.root)), "train.py").read_text()
    assert work.state() == before


# Laying out


def test_two_that_lay_out_at_a_time(work: Work, repositories: LocalRepositories, trees: Trees) -> None:
    code = frozen(repositories, work.root)
    places = [trees._directory for _ in range(4)]
    made: list[str] = []
    threads = [threading.Thread(target=lambda place=place: made.append(Trees(place).prepare(code))) for place in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    for tree in set(made):
        assert files(Path(tree)) == {".gitignore", "train.py", "src/model.py"}
    assert not [name for name in os.listdir(os.path.dirname(trees.path(code))) if name.startswith(".new-")]


def test_a_job_that_changes_its_code_does_not_harm_the_next(
    work: Work, repositories: LocalRepositories, trees: Trees
) -> None:
    code = frozen(repositories, work.root)
    first = Path(trees.prepare(code))
    (first / "train.py").write_text("print('bad')\n")  # the same length, the same second
    second = Path(trees.prepare(code))
    assert second != first
    assert (second / "train.py").read_text() == "print('one')\n"
    assert trees.prepare(code) == str(second)


def test_no_setting_hides_a_change(work: Work, repositories: LocalRepositories, trees: Trees) -> None:
    for name, value in (("core.ignoreStat", "true"), ("core.checkStat", "minimal"), ("core.trustctime", "false")):
        work.git("config", name, value)
    code = frozen(repositories, work.root)
    train = Path(trees.prepare(code), "train.py")
    before = train.stat()
    train.write_text("print('bad')\n")
    os.utime(train, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert Path(trees.prepare(code), "train.py").read_text() == "print('one')\n"


def test_what_a_job_adds_does_not_count_as_a_change(work: Work, repositories: LocalRepositories, trees: Trees) -> None:
    code = frozen(repositories, work.root)
    tree = Path(trees.prepare(code))
    (tree / "out.txt").write_text("result")
    assert trees.prepare(code) == str(tree)


def test_the_repository_is_gone(work: Work, repositories: LocalRepositories, trees: Trees) -> None:
    code = frozen(repositories, work.root)
    (work.root / ".git").rename(work.root / "elsewhere")
    with pytest.raises(Conflict, match="is gone"):
        trees.prepare(code)


def test_a_path_that_leads_out_is_refused(work: Work, repositories: LocalRepositories, trees: Trees) -> None:
    code = frozen(repositories, work.root)
    with pytest.raises(InvalidSpec, match="letters and digits"):
        Code(code.root, code.commit, "", "", "../..", code.frozen)
    with pytest.raises(Conflict, match="no key"):
        trees.prepare(Code(code.root, code.commit, "", "", "0", code.frozen))
    astray = Code(code.root, code.commit, "", "", "0" * 20, (Part("../out", *astuple(code.frozen[0])[1:]),))
    with pytest.raises(InvalidSpec, match="leads out"):
        trees.prepare(astray)


# Collecting


class Clock:
    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now(self) -> float:
        return os.stat("/proc/self").st_mtime + self.ahead_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def aging(trees: Trees, clock: Clock) -> Trees:
    return Trees(trees._directory, "mine", clock.now)


def test_a_tree_goes_with_the_last_of_its_jobs(
    work: Work, repositories: LocalRepositories, aging: Trees, clock: Clock
) -> None:
    code = frozen(repositories, work.root)
    tree = aging.prepare(code)
    clock.ahead_s = 2 * DAY_S
    assert aging.collect({code.key}, {code.key}, keep_days=1) == []
    assert aging.collect((), {code.key}, keep_days=30) == []
    assert aging.collect((), {code.key}, keep_days=1, dry=True) == [code.key]
    assert aging.collect((), {code.key}, keep_days=1) == [code.key]
    assert not os.path.exists(tree)
    assert work.refs, "a job can be tried again as long as it is known"
    assert aging.prepare(code) == tree
    assert aging.collect((), (), keep_days=30) == [code.key]
    assert (work.refs, os.path.exists(os.path.dirname(tree))) == ([], False)


def test_what_another_yard_has_stays(
    work: Work, repositories: LocalRepositories, aging: Trees, clock: Clock, trees: Trees, tmp_path: Path
) -> None:
    """The store that this yard's jobs are in knows nothing of the jobs of the other."""
    others = Trees(trees._directory, "other", clock.now)
    code = LocalRepositories(others, str(tmp_path / "scratch"), max_mb=5).freeze(str(work.root), WORK_TREE).code
    assert code is not None
    tree = trees.prepare(code)
    clock.ahead_s = DAY_S
    assert aging.collect((), (), keep_days=0) == []
    aging.remember(code)
    clock.ahead_s = 3 * DAY_S
    assert others.collect((), (), keep_days=0) == []
    assert os.path.exists(tree) and work.refs
    assert aging.collect((), {code.key}, keep_days=0) == [code.key]
    assert work.refs and not os.path.exists(tree)


def test_a_yard_that_is_gone_keeps_nothing(
    work: Work, repositories: LocalRepositories, aging: Trees, clock: Clock
) -> None:
    code = frozen(repositories, work.root)
    Trees(aging._directory, "gone").remember(code)
    clock.ahead_s = ABSENT_S + DAY_S
    assert aging.collect((), (), keep_days=1) == [code.key]
    assert os.listdir(aging._directory) == ["scratch"]


def test_a_deep_directory_of_a_job_is_no_obstacle(
    work: Work, repositories: LocalRepositories, aging: Trees, clock: Clock
) -> None:
    first = frozen(repositories, work.root)
    work.write("new.py", "x\n")
    second = frozen(repositories, work.root)
    trees = [aging.prepare(code) for code in (first, second)]
    for deep in (*trees, os.path.join(trees[0], ".git")):
        above = os.open(deep, os.O_RDONLY)
        for _ in range(1_500):
            os.mkdir("d", dir_fd=above)
            within = os.open("d", os.O_RDONLY, dir_fd=above)
            os.close(above)
            above = within
        os.close(above)
    clock.ahead_s = 2 * DAY_S
    assert set(aging.collect((), (), keep_days=1)) == {first.key, second.key}
    assert [os.path.exists(os.path.join(tree, "train.py")) for tree in trees] == [False, False]
    subprocess.run(["rm", "-rf", aging._directory], check=True)  # too deep for shutil, and so for pytest


def test_what_a_job_linked_to_stays(work: Work, repositories: LocalRepositories, aging: Trees, clock: Clock) -> None:
    """It put a link to the original in the place of a directory with files of the snapshot."""
    code = frozen(repositories, work.root)
    tree = Path(aging.prepare(code))
    (tree / "src" / "model.py").unlink()
    (tree / "src").rmdir()
    (tree / "src").symlink_to(work.root / "src")
    clock.ahead_s = 2 * DAY_S
    assert aging.collect((), (), keep_days=1) == [code.key]
    assert (work.root / "src" / "model.py").read_text() == "size = 1\n"
    assert not tree.exists()


def test_what_a_job_wrote_stays(work: Work, repositories: LocalRepositories, aging: Trees, clock: Clock) -> None:
    code = frozen(repositories, work.root)
    tree = Path(aging.prepare(code))
    (tree / "results").mkdir()
    (tree / "results" / "model.pt").write_text("weights")
    (tree / "src" / "__pycache__").mkdir()
    (tree / "src" / "__pycache__" / "x.pyc").write_text("")
    clock.ahead_s = 2 * DAY_S
    assert aging.collect((), (), keep_days=1) == [code.key]
    assert files(tree) == {"results/model.pt"}
    assert (work.root / "data" / "in.txt").read_text() == "numbers\n"
    assert aging.collect((), (), keep_days=1) == []
    again = Path(aging.prepare(code))
    assert again != tree
    assert files(again) == {".gitignore", "train.py", "src/model.py"}

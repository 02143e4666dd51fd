"""How a job is called that has no name."""

from __future__ import annotations

import pytest

from runyard.model.spec import JobSpec


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("python train.py --data /mnt/sets/imagenet --lr 0.1 --epochs 100", "train.py"),
        ("cd /data && make", "cd"),
        ("LR=0.1 SEED='1 2' python -m pkg.mod --x", "pkg.mod"),
        ("/usr/bin/env A=1 python3.11 -u -W ignore src/train.py", "train.py"),
        ("python3 -OO 'my file.py' x", "my file.py"),
        ("python -c 'import this'", "python"),
        ("python < script.py", "python"),
        ("python", "python"),
        ("bash -lc 'a b'", "bash"),
        ("bash -euo pipefail jobs/run.sh 3", "run.sh"),
        ("perl -e 'print 1'", "perl"),
        ("node server.js", "server.js"),
        ("(cd x; make)", "cd"),
        ("true;false", "true"),
        ("echo hello\necho you", "echo"),
        ("  ./bin/make all", "make"),
        ("'/opt/my tool/run it' now", "run it"),
        ("/opt/x/", "x"),
        ("A=1", "A=1"),
        ("x" * 100, "x" * 40),
        ('echo "open', "echo"),
    ],
)
def test_of_a_text(text: str, name: str) -> None:
    assert JobSpec((text,), shell="bash").label == name


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (("nvidia-smi",), "nvidia-smi"),
        (("./a/b.sh", "1"), "b.sh"),
        (("/usr/bin/python3", "train.py"), "train.py"),
        (("python", "-m", "a.b"), "a.b"),
        (("sh", "-c", "cat data"), "sh"),
        (("env", "A=1", "python", "x.py"), "x.py"),
        (("env",), "env"),
        (("a;b c",), "a;b c"),
        (("a\nb",), "a"),
        (("/",), "/"),
    ],
)
def test_of_an_argv(command: tuple[str, ...], name: str) -> None:
    assert JobSpec(command).label == name


def test_a_name_comes_first() -> None:
    assert JobSpec(("python", "x.py"), name="train").label == "train"


@pytest.mark.parametrize("mark", ["'", '"', "\"'", "=", " ", "(", "\\", "-"])
def test_a_long_and_odd_text_has_a_short_name(mark: str) -> None:
    assert 0 < len(JobSpec(("x" + mark * 50_000,), shell="bash").label) <= 40

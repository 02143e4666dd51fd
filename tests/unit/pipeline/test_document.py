"""A pipeline as a text: what it says, what is wrong with it and where, and that nothing is lost on the way back."""

from __future__ import annotations

import json
from string import printable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runyard.errors import InvalidSpec
from runyard.pipeline.reading import document, matrix
from runyard.pipeline.spec import PipelineJob, PipelineSpec

TEXT = """
name: digits
backend: tmux
size: 4
gpus: 2
cwd: /data
env: {STARTED: 22:00, ON: no}
public: STARTED
preamble: [module load cuda, "set -u"]
time: 1:00:00
jobs:
  fetch: curl -O https://example.org/digits.tar
  train:
    needs: fetch
    matrix:
      lr: [0.1, 1e-3]
      seed: [1, 2]
      exclude: [{lr: 0.1, seed: 2}]
    command: |
      set -e
      python train.py --lr {lr} --seed {seed} ${lr} {other}
    env: {LR: "{lr}"}
    cpus: 2
    mem: 8GB
    tags: slow, gpu
    log: no
    hold: true
    cpus-per-task: 3
  report:
    needs: [train, fetch]
    run: [echo, a b]
    setup: test -e x
    teardown: [rm x]
"""


def read(text: str, name: str = "p") -> PipelineSpec:
    return document.read(text, name).spec


def jobs(text: str) -> dict[str, PipelineJob]:
    return {job.name: job for job in read("jobs:\n" + text).jobs}


def test_all_that_it_can_say() -> None:
    found = document.read(TEXT, "p")
    spec = found.spec
    assert (spec.name, found.backend, spec.size, spec.gpus, spec.cwd) == ("digits", "tmux", 4, ("0", "1"), "/data")
    assert spec.env == (("STARTED", "22:00"), ("ON", "no"))
    assert (spec.public, spec.preamble) == (("STARTED",), ("module load cuda", "set -u"))
    assert spec.options == (("time", "1:00:00"),)
    fetch, first, second, third, report = spec.jobs
    assert (fetch.name, fetch.command) == ("fetch", "curl -O https://example.org/digits.tar")
    names = [job.name for job in (first, second, third)]
    assert names == ["train[lr=0.1,seed=1]", "train[lr=1e-3,seed=1]", "train[lr=1e-3,seed=2]"]
    assert second == PipelineJob(
        "train[lr=1e-3,seed=1]",
        "set -e\npython train.py --lr 1e-3 --seed 1 ${lr} {other}\n",
        ("fetch",),
        log=False,
        tags=("slow", "gpu"),
        env=(("LR", "1e-3"),),
        cpus=2,
        memory_mb=8192,
        options=(("hold", True), ("cpus_per_task", "3")),
    )
    assert report.needs == (*names, "fetch")
    assert (report.command, report.setup, report.teardown) == ("echo 'a b'", ("test -e x",), ("rm x",))


def test_a_name_of_its_own() -> None:
    assert read("jobs: {}", "from the file").name == "from the file"


def test_json() -> None:
    said = {"jobs": {"a": {"command": "x", "cpus": 2, "log": False, "requeue": True}}, "gpus": ["0", 1], "size": 2}
    spec = read(json.dumps(said))
    assert (spec.size, spec.gpus) == (2, ("0", "1"))
    assert spec.jobs == (PipelineJob("a", "x", log=False, cpus=2, options=(("requeue", True),)),)


def test_a_list_of_jobs() -> None:
    names = [job.name for job in read("jobs: [echo a, {command: echo b}, {name: c, command: d, needs: p-job-1}]").jobs]
    assert names == ["p-job-0", "p-job-1", "c"]


@pytest.mark.parametrize(
    ("needs", "meant"),
    [
        ("train", ["0.1", "0.2"]),
        ('"train[lr={lr}]"', ["0.1"]),
        ('"train[lr=0.2]"', ["0.2"]),
        ('["train[lr={lr}]", train]', ["0.1", "0.2"]),
    ],
)
def test_who_needs_a_matrix_needs_all_of_it_or_the_cells_that_he_says(needs: str, meant: list[str]) -> None:
    found = jobs(
        f"  train: {{matrix: {{lr: [0.1, 0.2]}}, run: x}}\n  eval: {{matrix: {{lr: [0.1]}}, run: y, needs: {needs}}}"
    )
    assert found["eval[lr=0.1]"].needs == tuple(f"train[lr={value}]" for value in meant)


def test_a_need_of_some_values() -> None:
    found = jobs("  train: {matrix: {lr: [1, 2], seed: [1, 2]}, run: x}\n  end: {run: y, needs: 'train[seed=2]'}")
    assert found["end"].needs == ("train[lr=1,seed=2]", "train[lr=2,seed=2]")


@pytest.mark.parametrize(
    ("need", "meant"),
    [
        ("t[a=1]", ["t[a=1]"]),
        ("t[b=2]", ["t[a=1,b=2]", "t[a=3,b=2]"]),
        ("t[b=2,a=1]", ["t[a=1,b=2]"]),
        ("t[a=x,y]", ["t[a=x,y]"]),
        ("t[a=9]", None),
        ("t[c=1]", None),
        ("u[a=1]", None),
        ("s[odd]", ["s[odd]"]),
    ],
)
def test_whom_a_need_means(need: str, meant: list[str] | None) -> None:
    cells = [{"a": "1"}, {"a": "1", "b": "2"}, {"a": "3", "b": "2"}, {"a": "x,y"}]
    assert matrix.meant(need, {"t": cells, "s[odd]": (), "u": ()}) == meant


def test_values_are_quoted_for_the_shell() -> None:
    found = jobs("  a:\n    matrix: {x: ['$(reboot)', a b]}\n    run: echo {x}\n    cwd: /{x}\n    setup: test {x}")
    first, second = found.values()
    assert (first.command, first.setup) == ("echo '$(reboot)'", ("test '$(reboot)'",))
    assert (second.command, second.cwd) == ("echo 'a b'", "/a b")
    words = jobs("  a: {matrix: {x: ['a b']}, run: [echo, '{x}']}")
    assert words["a[x=a b]"].command == "echo 'a b'"


def test_what_a_matrix_includes() -> None:
    found = matrix.cells(
        {"os": ["a", "b"], "include": [{"os": "a", "more": "1"}, {"os": "c"}, {"all": "2"}]},
    )
    assert found == [{"os": "a", "more": "1", "all": "2"}, {"os": "b", "all": "2"}, {"os": "c"}]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "file: a pipeline was expected: an object with `jobs`"),
        ("- x", "file: a pipeline was expected: an object with `jobs`"),
        ("name: x", "line 1: there are no `jobs` in it"),
        ("jbos: {}", "line 1: jbos: there is no option 'jbos'; did you mean 'jobs'?"),
        ("jobs: {}\nsiez: 4", "line 2: siez: there is no option 'siez'; did you mean 'size'?"),
        ("jobs: {}\nsize: 2000", "line 2: size: a number up to 1000, please"),
        ("jobs: {}\nsize: many", "line 2: size: a whole number was expected, not 'many'"),
        ("jobs: 3", "line 1: jobs by their names, or a list of them, were expected"),
        (
            "jobs:\n  a:\n    comand: x",
            "line 3: job 'a': comand: there is no option 'comand'; did you mean 'command'?",
        ),
        ("jobs:\n  a:\n    cpus: 2", "line 2: job 'a': it has no command"),
        ("jobs:\n  a: [x]", "line 2: job 'a': a command, or an object with one, was expected, not ['x']"),
        (
            "jobs:\n  a:\n    run: x\n    cpus: two",
            "line 4: job 'a': cpus: a whole number was expected, not 'two'",
        ),
        (
            "jobs:\n  a:\n    run: x\n    parition: gpu",
            "line 4: job 'a': parition: there is no option 'parition'; did you mean 'partition'?",
        ),
        ("jobs:\n  a: {run: x, command: y}", "line 2: job 'a': 'command' is given twice, by two names"),
        ("jobs:\n  a: x\n  a: y", "file: line 3: 'a' is here twice, first on line 2"),
        ('{"jobs": {"a": "x", "a": "y"}}', "file: 'a' is twice in one object"),
        ("jobs:\n- {name: a, run: x}\n- {name: a, run: y}", "line 3: two jobs are called 'a'"),
        ("jobs:\n  first: x\n  b: {run: y, needs: frist}", "line 3: job 'b': needs: there is no job 'frist'; did you"),
        ("jobs:\n  a: {run: x, needs: a}", "needs: jobs need each other in a circle: 'a' needs 'a'"),
        ("jobs:\n  a: {run: x, matrix: {lr: []}}", "line 2: job 'a': matrix: lr has no values"),
        ("jobs:\n  a: {run: x, matrix: [lr]}", "line 2: job 'a': matrix: lists of values by their names"),
        ("jobs:\n  a: {run: x, matrix: {n: 1, exclude: [{n: 1}]}}", "line 2: job 'a': matrix: no cell is left"),
        ("jobs:\n  a: {run: x, matrix: {n: 1, exclude: [{m: 1}]}}", "line 2: job 'a': matrix: it excludes by 'm'"),
        (
            "jobs:\n  a: {run: 'x {m}', matrix: {n: [1, 2], include: [{n: 1, m: 1}]}}",
            "line 2: job 'a': matrix: {m} stands in it, and some cells have no m",
        ),
        ("jobs:\n  a: {run: x, env: {A-B: c}}", "line 2: job 'a': env: 'A-B' is no name of a variable"),
        ("jobs:\n  a: {run: x, public: X}", "line 2: job 'a': public: there is no option 'public'"),
        ("directory: /x\njobs: {}", "line 1: directory: there is no option 'directory'"),
        ("jobs: {a: !!python/name:os.system x}", "file: this is neither JSON nor YAML"),
        ("jobs: &j {a: {run: &x [*x], matrix: {n: 1}}}", "file: *x holds itself"),
        ("jobs: {}\n---\njobs: {}", "file: several YAML documents"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(InvalidSpec) as error:
        read(text)
    assert error.value.message.startswith(told)


def test_a_bomb_of_aliases() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(InvalidSpec, match="once its aliases are followed"):
        read("\n".join(lines))


def test_a_matrix_too_large() -> None:
    axes = ", ".join(f"a{n}: [{', '.join(map(str, range(100)))}]" for n in range(4))
    with pytest.raises(InvalidSpec, match="100000000 cells; a job has at most 10000"):
        jobs(f"  a: {{run: x, matrix: {{{axes}}}}}")


TEXTS = st.text(st.sampled_from(printable + "äß漢\u2028\x85\x1b'\":{}[]#&*!|>%@`"), min_size=1, max_size=30).filter(
    str.strip
)
NAMES = st.text(st.sampled_from("abc {}[]=,.:'\"<#-é"), min_size=1, max_size=8).filter(str.strip)
PAIRS = st.dictionaries(st.from_regex(r"[A-Z_]{1,4}", fullmatch=True), st.one_of(TEXTS, st.just(""))).map(
    lambda found: tuple(found.items())
)
SOME = st.lists(TEXTS, max_size=2).map(tuple)
NUMBERS = st.none() | st.integers(0, 99)
VALUES = TEXTS.filter(lambda text: text.lower() not in ("true", "false"))
OPTIONS = st.fixed_dictionaries(
    {}, optional={"time": VALUES, "exclusive": st.just(True) | VALUES, "hold": st.just(True)}
).map(lambda found: tuple(found.items()))


@st.composite
def specs(draw: st.DrawFn) -> PipelineSpec:
    names = draw(st.lists(NAMES, unique=True, max_size=4))
    made = []
    for place, name in enumerate(names):
        needs = tuple(draw(st.lists(st.sampled_from(names[:place]), unique=True))) if place else ()
        made.append(
            draw(
                st.builds(
                    PipelineJob, st.just(name), TEXTS, st.just(needs), log=st.booleans(), preamble=SOME, setup=SOME,
                    teardown=SOME, env=PAIRS, cpus=NUMBERS, memory_mb=NUMBERS, gpus=NUMBERS,
                )
            )
        )  # fmt: skip
    return draw(
        st.builds(
            PipelineSpec, NAMES, st.just(tuple(made)), env=PAIRS, preamble=SOME, size=st.integers(1, 9),
            options=OPTIONS, gpus=st.lists(st.sampled_from(["0", "1", "0,1"]), max_size=2).map(tuple),
        )
    )  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)  # a busy machine draws slowly
@given(specs())
def test_what_is_written_is_read_back(spec: PipelineSpec) -> None:
    once = document.write(spec, "serial")
    found = document.read(once, "other")
    assert (found.backend, found.spec) == ("serial", spec)
    assert document.write(found.spec, "serial") == once

"""Templates of real scripts: what their parsers know is found without running them, and jobs are made of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.typist import Typist, editor, plain

TORCH = '''
import argparse
import not_there_at_all.nn as nn
import torch
from torch.utils.data import DataLoader, Dataset

class Net(nn.Module):
    """Derived from something that is not here."""

@torch.no_grad()
def evaluate(x: torch.Tensor | None) -> torch.Tensor:
    return x

def build_parser():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--lr", type=float, default=0.1, help="learning rate (%(default)s)")
    parser.add_argument("--opt", choices=["adam", "sgd"], default="adam")
    parser.add_argument("-b", "--batch-size", type=int, default=32)
    parser.add_argument("--amp", action="store_true")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser

def main():
    args = build_parser().parse_args()
    open("trained", "w").write(str(args))

if __name__ == "__main__":
    main()
'''
CLICK = """
import click

@click.group()
def cli(): pass

@cli.command()
@click.argument("data", type=click.Path())
@click.option("--lr", type=click.FloatRange(0, 1), default=0.1, help="rate")
@click.option("--opt", type=click.Choice(["adam", "sgd"]), default="adam")
@click.option("--amp/--no-amp", default=False)
@click.option("--tag", multiple=True)
@click.option("--who", prompt=True)
def train(data, lr, opt, amp, tag, who):
    print(data, lr, opt, amp, *tag)

if __name__ == "__main__":
    cli()
"""
SUBPARSERS = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, required=True)
commands = parser.add_subparsers(dest="command", required=True)
commands.add_parser("train").add_argument("--lr", type=float, default=0.1)
commands.add_parser("test")
parser.add_argument("--level", type=int, default=0)
args = parser.parse_args()
print(args.seed, args.level, args.lr)
"""
CLICK_GROUP = """
import click

@click.group()
@click.option("--seed", type=int, required=True)
@click.option("--level", type=int, default=0)
@click.pass_context
def cli(context, seed, level):
    context.obj = (seed, level)

@cli.command()
@click.option("--lr", type=float, default=0.1)
@click.pass_obj
def train(obj, lr):
    print(*obj, lr)

@cli.command()
def test(): pass

cli()
"""
TYPER = """
import enum
from typing import Annotated
import typer

class Opt(str, enum.Enum):
    adam = "adam"
    sgd = "sgd"

Rate = Annotated[float, typer.Option(min=0, help="rate")]

def main(data: str, lr: Rate = 0.1, opt: Opt = Opt.adam, amp: bool = False):
    print(data, lr, opt.value, amp)

if __name__ == "__main__":
    typer.run(main)
"""
HYDRA = """
import hydra

@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg):
    print(cfg.lr, cfg.model.layers, cfg.name)

if __name__ == "__main__":
    main()
"""
HOSTILE = """
import argparse, multiprocessing.util, os, socket, sqlite3, subprocess, sys
what = os.environ.get("WHAT", "")
if what == "exit":
    os._exit(3)
if what == "leave":
    sys.exit("please set X")
if what == "raise":
    raise ValueError("bad \\x1b[31m thing")
for forbidden in (
    os.fork, lambda: os.system("touch broke-out"), lambda: subprocess.run(["touch", "broke-out"]),
    lambda: os.remove("kept"), lambda: os.rename("kept", "gone"), lambda: socket.create_connection(("127.0.0.1", 9)),
    lambda: os.open("broke-out", os.O_CREAT | os.O_WRONLY), lambda: os.mkfifo("broke-out"),
    lambda: os.mknod("broke-out"), lambda: sqlite3.connect("broke-out"),
    lambda: os.posix_spawn("/bin/sh", ["sh", "-c", "touch broke-out"], {}),
    lambda: os.spawnv(os.P_WAIT, "/bin/sh", ["sh", "-c", "touch broke-out"]),
    lambda: multiprocessing.util.spawnv_passfds(b"/bin/sh", ["sh", "-c", "touch broke-out"], []),
):
    try:
        forbidden()
    except PermissionError:
        continue
    raise SystemExit("it was let through")
sqlite3.connect(":memory:").execute("create table t (a)")
os.makedirs("made/here", exist_ok=True)
open("written", "w").write("x")
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=int, default=1)
try:
    parser.parse_args()
finally:
    open("trained", "w").write("x")
"""


FREE = ("-c0",)


def script(ry: Typist, text: str, name: str = "train.py") -> str:
    (ry.directory / name).write_text(text, encoding="utf-8")
    return name


def parameters(ry: Typist, *command: str, **more: Any) -> dict[str, dict[str, Any]]:
    """What is found in this command, by name."""
    told = ry.json("template", "add", "t", "--replace", "-c0", "--", *command, **more)
    return {one["name"]: one for one in told["records"][0]["parameters"]}


@pytest.fixture(autouse=True)
def no_templates(ry: Typist) -> Any:
    yield
    for one in ry.yard.service.templates():
        ry.yard.service.remove_template(one.name)


def test_a_script_that_imports_a_missing_torch(ry: Typist) -> None:
    found = parameters(ry, "python", script(ry, TORCH))
    assert list(found) == ["data", "lr", "opt", "batch_size", "amp", "device"]
    assert found["data"]["required"] and found["data"]["style"] == "positional"
    assert (found["lr"]["type"], found["lr"]["default"], found["lr"]["help"]) == ("float", "0.1", "learning rate (0.1)")
    assert found["opt"]["choices"] == ["adam", "sgd"] and found["device"]["default"] == "cpu"
    assert (found["amp"]["type"], found["amp"]["flag"], found["batch_size"]["flag"]) == (
        "bool",
        "--amp",
        "--batch-size",
    )
    assert not (ry.directory / "trained").exists()


def test_an_installed_torch_is_not_even_imported(ry: Typist) -> None:
    """It takes its time, and hardly any parser needs it; where one does, the real one is looked at."""
    (ry.directory / "torch.py").write_text("import time; time.sleep(600)")
    assert parameters(ry, "python", script(ry, "import argparse, torch\nargparse.ArgumentParser().parse_args()")) == {}
    (ry.directory / "torch.py").write_text("MODELS = ['small', 'big']")
    text = "import argparse, torch\np = argparse.ArgumentParser()\np.add_argument('--m', choices=torch.MODELS)\n"
    assert parameters(ry, "python", script(ry, text + "p.parse_args()"))["m"]["choices"] == ["small", "big"]


def test_an_option_that_no_parameter_can_be_called_as_is_told(ry: Typist) -> None:
    text = (
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--gr\u00f6\u00dfe')\np.add_argument('--lr')\n"
    )
    made = ry("template", "add", "t", "--", "python", script(ry, text + "p.parse_args()\n"))
    assert made.out == "template t is saved, with 1 parameter: lr\n"
    assert "left out, because no parameter can be called so (letters are a to z): gr\u00f6\u00dfe\n" in made.err


def test_a_click_command(ry: Typist) -> None:
    found = parameters(ry, "python", script(ry, CLICK), "train")
    assert list(found) == ["data", "lr", "opt", "amp", "tag", "who"]
    assert (found["lr"]["least"], found["lr"]["most"], found["amp"]["off"], found["tag"]["many"]) == (
        0,
        1,
        "--no-amp",
        "each",
    )
    assert found["who"]["required"], "nobody is there to be asked"
    job = ry.ok("create", "t", "--data", "d", "--lr", "0.5", "--tag", "a,b", "--amp", "--who", "me").strip()
    ry.ok("wait", job)
    assert ry.ok("logs", job) == "d 0.5 adam True a b\n"


@pytest.mark.parametrize("text", [SUBPARSERS, CLICK_GROUP], ids=["argparse", "click"])
def test_options_of_the_program_stand_before_its_commands(ry: Typist, text: str) -> None:
    path = script(ry, text)
    assert "none is given: train, test" in ry.refused("template", "add", "t", "--", "python", path, "--seed", "1")
    refused = ry.refused("template", "add", "t", "--", "python", path, "train")
    assert "--seed has to stand before 'train': say where, as in --seed {seed} train" in refused
    made = ry("template", "add", "t", "--", "python", path, "--seed", "{seed}", "train")
    assert made.out == "template t is saved, with 2 parameters: seed, lr\n"
    assert made.err == "ry: left out, because it has to stand before a word of the command: --level\n"
    job = ry.ok("create", "t", "--seed", "3", "--lr", "0.5").strip()
    ry.ok("wait", job)
    assert ry.ok("logs", job) == "3 0 0.5\n"


def test_a_typer_command(ry: Typist) -> None:
    found = parameters(ry, "python", script(ry, TYPER))
    assert list(found) == ["data", "lr", "opt", "amp"]
    assert found["opt"]["choices"] == ["adam", "sgd"] and found["lr"]["least"] == 0 and found["lr"]["type"] == "float"
    job = ry.ok("create", "t", "--data", "d", "--opt", "sgd").strip()
    ry.ok("wait", job)
    assert ry.ok("logs", job) == "d 0.1 sgd False\n"


def test_a_hydra_application(ry: Typist) -> None:
    (ry.directory / "conf" / "model").mkdir(parents=True)
    for name, text in {
        "config": "defaults:\n  - model: small\n  - _self_\nlr: 0.1\nname: ???\n", "model/small": "layers: 2\n",
        "model/big": "layers: 20\n",
    }.items():  # fmt: skip
        (ry.directory / "conf" / f"{name}.yaml").write_text(text)
    found = parameters(ry, "python", script(ry, HYDRA))
    assert found["model"]["choices"] == ["big", "small"] and found["name"]["required"]
    assert (found["model.layers"]["type"], found["model.layers"]["default"], found["lr"]["style"]) == (
        "int",
        "2",
        "hydra",
    )
    job = ry.ok("create", "t", "--name", "a b", "--model", "big", "--lr", "0.2").strip()
    ry.ok("wait", job)
    assert ry.ok("logs", job) == "0.2 20 a b\n"
    assert tomllib.loads(ry.ok("template", "write", job, "-"))["model"] == "big"


def test_modules_and_launchers(ry: Typist) -> None:
    (ry.directory / "pkg").mkdir()
    (ry.directory / "pkg" / "__init__.py").touch()
    (ry.directory / "pkg" / "train.py").write_text(TORCH)
    assert "lr" in parameters(ry, "python", "-u", "-m", "pkg.train")
    assert "lr" in parameters(ry, "torchrun", "--nproc", "2", "pkg/train.py")
    assert list(parameters(ry, "python", "pkg/train.py", "--lr", "0.5")) == [
        "data",
        "opt",
        "batch_size",
        "amp",
        "device",
    ]


def test_a_hostile_script_is_contained(ry: Typist) -> None:
    (ry.directory / "kept").touch()
    name = script(ry, HOSTILE)
    assert list(parameters(ry, "python", name)) == ["x"]
    for what, says in {
        "exit": "without a word", "leave": "please set X", "raise": "ValueError: bad", "none": "",
    }.items():  # fmt: skip
        if says:
            told = ry.refused("template", "add", "bad", "--", "python", name, WHAT=what)
            assert says in told and "name them by hand" in told and "\x1b" not in told
    left = {path.name for path in ry.directory.iterdir()}
    assert left == {"kept", name}


def test_what_lies_in_the_directory_is_not_taken_for_the_standard_library(ry: Typist) -> None:
    for name in ("json", "argparse", "resource"):
        (ry.directory / f"{name}.py").write_text("open('broke-out', 'w').write('x')")
    for safe in ("", "1"):
        assert "lr" in parameters(ry, "python", script(ry, TORCH), PYTHONSAFEPATH=safe)
        assert not (ry.directory / "broke-out").exists()


def test_what_is_asked_is_contained_too(ry: Typist) -> None:
    (ry.directory / "click.py").write_text("import os\nos.system('touch broke-out')")
    assert "os.system is not allowed" in ry.refused("template", "add", "t", "--", "python", script(ry, CLICK))
    assert not (ry.directory / "broke-out").exists()


def test_a_script_without_a_parser_is_not_run(ry: Typist) -> None:
    told = ry.refused("template", "add", "t", "--", "python", script(ry, "open('trained', 'w')"))
    assert "has no parser" in told and not (ry.directory / "trained").exists()


def test_wrong_values_queue_nothing(ry: Typist) -> None:
    parameters(ry, "python", script(ry, TORCH))
    before = ry.json("ls", "--all")
    for words, says in {
        ("--data", "d", "--lr", "much"): "lr: a number was expected, not 'much'",
        ("--data", "d", "--opt", "adm"): "opt: 'adm' is none of adam, sgd",
        ("--data", "d", "--lrr", "1"): "--lr",
        ("d",): "'d': parameters are given by their flags: --data, --lr, --opt, --batch-size, --amp and 1 more",
        ("--data", "d", "--set", "lrr=1"): "did you mean 'lr'?",
        (): "data: this has to be given",
    }.items():
        assert says in ry.refused("create", "t", *words)
    assert "did you mean 't'?" in ry("create", "tt").err
    assert ry.json("ls", "--all") == before


def test_asked_on_a_terminal(ry: Typist) -> None:
    parameters(ry, "python", script(ry, TORCH))
    with ry.terminal("create", "t", "--batch-size", "8") as terminal:
        terminal.until("data")
        terminal.send("d\n")
        terminal.until(r"lr \(float\) \[0.1\]")
        terminal.send("much\n")
        terminal.until("a number was expected")
        terminal.send("0.5\n")
        terminal.until(r"opt \(adam\|sgd\)")
        terminal.send("\n")
        terminal.until("amp")
        terminal.send("\n")
        terminal.until("device")
        terminal.send("\n")
        assert terminal.end() == 0
        assert "learning rate" in plain(terminal.text)
    row = ry.json("ls", "@")[0]
    assert dict(row["params"]) == {
        "data": "d", "lr": "0.5", "opt": "adam", "batch_size": "8", "amp": "false", "device": "cpu",
    }  # fmt: skip
    assert row["command"].endswith("train.py d --lr 0.5 --batch-size 8") and row["template"] == "t"


def test_the_tab_key(ry: Typist) -> None:
    parameters(ry, "python", script(ry, TORCH))
    assert "t" in ry.tabbed("ry create t", 2).out
    assert "--batch-size" in ry.tabbed("ry create t --b", 3).out
    assert ry.tabbed("ry create t --opt s", 4).out.strip().endswith("sgd")


def test_runs_are_numbered_without_clashes(ry: Typist) -> None:
    """Also between creates at the same time, and past directories that are there."""
    (ry.directory / "runs" / "002").mkdir(parents=True)
    ry.ok(
        "template", "add", "t", "-c0", "--name", "run-{n:02d}", "-p", "out=runs/{n:03d}", "--", "mkdir", "-p", "{out}"
    )
    with ThreadPoolExecutor(4) as pool:
        jobs = list(pool.map(lambda _: int(ry.ok("create", "t", "--yes")), range(4)))
    ry.done(*jobs)
    assert sorted(path.name for path in (ry.directory / "runs").iterdir()) == ["001", "002", "003", "004", "005"]
    assert sorted(row["name"] for row in ry.json("ls", *map(str, jobs))) == ["run-01", "run-03", "run-04", "run-05"]


def test_exported_edited_and_taken_in_again(ry: Typist) -> None:
    parameters(ry, "python", script(ry, TORCH))
    text = ry.ok("template", "show", "t", "--toml")
    assert tomllib.loads(text)["parameters"]["lr"]["default"] == "0.1"
    changed = text.replace('default = "0.1"', 'default = "0.2"')
    assert "changed template t" in ry.ok("template", "edit", "t", "--file", "-", stdin=changed)
    job = ry.ok("create", "t", "--data", "d", "--hold", "--yes").strip()
    assert ry.json("ls", job)[0]["command"].endswith("train.py d --lr 0.2")
    ry.ok("template", "add", "u", "--file", "-", stdin=changed)
    again = ry.refused("template", "add", "u", "--file", "-", stdin=changed, code=1)
    assert "there is a template 'u' already" in again
    assert "has no 'x'" in ry.refused("template", "edit", "t", "--file", "-", stdin="command = 'x'\nx = 1")
    fast = text.replace('default = "0.1"', 'default = "fast"')
    for words in (("--file", "-"), ("--set", "lr=fast")):
        assert "lr: a number was expected, not 'fast'" in ry.refused("template", "edit", "t", *words, stdin=fast)


def test_what_was_written_in_an_editor_is_not_lost(ry: Typist, tmp_path: Path) -> None:
    ry.ok("template", "add", "t", "-p", "lr:float=0.1", "--", "true")
    typed = editor(tmp_path, r"'s/\"0.1\"/\"fast\"/; s/^description.*//; 1i description = \"kept\"'", "'s/fast/0.5/'")
    assert ry.ok("template", "edit", "t", VISUAL=typed) == "changed template t\n"
    assert "#! lr: a number was expected, not 'fast'" in (tmp_path / "seen.2").read_text()
    made = ry.json("template", "show", "t")
    assert (made["description"], made["parameters"][0]["default"]) == ("kept", "0.5")
    ended = ry("template", "edit", "t", EDITOR="true", VISUAL="")
    assert (ended.code, ended.err) == (0, "nothing was changed\n")


def test_a_job_becomes_a_configuration(ry: Typist, tmp_path: Path) -> None:
    job = ry.submit("-c0", "--param", "lr=0.1", "--param", "model.size=3", "--", "true")
    ry.ok("template", "write", str(job), "best.json")
    assert json.loads((tmp_path / "best.json").read_text()) == {"lr": 0.1, "model": {"size": 3}}
    assert "--force" in ry.refused("template", "write", str(job), "best.json")
    ry.ok("template", "write", str(job), "best.json", "--force")


def test_the_same_run_with_another_value(ry: Typist, tmp_path: Path) -> None:
    """Also of a script's own copy, with what its parser knows; in an editor, too."""
    parameters(ry, "python", script(ry, TORCH))
    job = ry.ok("create", "t", "--data", "d", "--lr", "0.5", "--hold", "--yes", "-J", "{opt}").strip()
    copy = ry.ok("copy", job, "--set", "lr=3", "--set", "batch-size=64", "--set", "amp=yes").strip()
    assert ry.json("ls", copy)[0]["command"].endswith("train.py d --lr 3 --batch-size 64 --amp")
    assert ry.refused("copy", job, "--set", "opt=adm") == "ry: opt: 'adm' is none of adam, sgd\n"
    ry.ok("edit", copy, EDITOR=editor(tmp_path, r"'s/^lr = .*/lr = 0.25/'"), VISUAL="")
    assert "--lr 0.25 --batch-size 64" in ry.json("ls", copy)[0]["command"]
    ry.ok("template", "rm", "t")
    assert "lr: template 't' is gone" in ry.refused("edit", job, "--set", "lr=3")
    assert "lr = " not in ry.ok("edit", job, EDITOR="cat", VISUAL="")


def test_a_shell_text_quotes_values(ry: Typist) -> None:
    ry.ok("template", "add", "t", "-c0", "-p", "a", "echo {a} | cat")
    job = ry.ok("create", "t", "--a", "$(touch broke-out); 'x'").strip()
    ry.ok("wait", job)
    assert ry.ok("logs", job) == "$(touch broke-out); 'x'\n"
    assert not (ry.directory / "broke-out").exists()


def test_parameters_that_are_called_as_our_own_flags(ry: Typist) -> None:
    """The parameter is meant; what else the flag does is said by its short form, or not at all."""
    text = "import argparse\np = argparse.ArgumentParser()\n"
    for name in ("json", "dry-run", "set", "yes", "name", "called", "time"):
        text += f"p.add_argument('--{name}', default='x')\n"
    parameters(ry, "python", script(ry, text + "p.parse_args()\n"))
    words = ("--json", "a", "--dry-run", "b", "--set", "c", "--yes", "d", "--name", "e", "--called", "f", "--time", "g")
    job = ry.ok("create", "t", *words, "-t", "1h", "-J", "mine", "-H").strip()
    assert ry.json("ls", job)[0]["command"].split()[2:] == list(words)
    spec = ry.json("show", job)["spec"]
    assert (spec["name"], spec["time_limit_s"], spec["hold"]) == ("mine", 3600, True)


def test_used_from_anywhere(ry: Typist, tmp_path: Path) -> None:
    """Paths of a template are those of where it was made."""
    (tmp_path / "greet.sh").write_text("#!/bin/sh\necho $WORD $1 in $PWD\n")
    (tmp_path / "vars").write_text("WORD=hello\n")
    words = ("--script", "--env-file", "vars", "-p", "who:text=you", *FREE, "--", "greet.sh", "{who}")
    ry.ok("template", "add", "t", *words)
    (tmp_path / "elsewhere").mkdir()
    job = ry.ok("create", "t", "--who", "me", cwd=tmp_path / "elsewhere").strip()
    (tmp_path / "greet.sh").unlink()
    ry.ok("wait", job)
    assert ry.ok("logs", job) == f"hello me in {tmp_path}\n"


def test_interpreters_of_other_ages(ry: Typist) -> None:
    """The probe runs in the user's Python, which need not be ours: in all that are here."""
    text = "import argparse, torch\nclass Net(torch.nn.Module): pass\np = argparse.ArgumentParser()\n"
    name = script(ry, text + "p.add_argument('--x', default=3)\np.parse_args()\n")
    found = {python: list(parameters(ry, python, name)) for python in interpreters()}
    assert found and all(names == ["x"] for names in found.values()), found


def interpreters() -> list[str]:
    """One of each minor version on this machine. (A name on the PATH may be an empty shim.)"""
    found = []
    for minor in range(8, 15):
        installed = sorted(map(str, Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python3.{minor}")))
        known = [python for python in (shutil.which(f"python3.{minor}"), *installed) if python is not None]
        found += [python for python in known if subprocess.run([python, "-c", ""], check=False).returncode == 0][:1]
    return found

"""Runs a script until it reads its command line, tells what its parser knows, and ends.

    main OUT LOOK KIND TARGET WORDS...

OUT is a file in the one directory that may be written in; LOOK says what stands in for modules (LOOKS); KIND is `file`
or `module`. OUT gets a JSON object: `source` and `parameters`, or `error`. A parser is asked where it would be used
(`parse_args`, a click command's `main`, `hydra.main`); there the process ends without running anything more.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import importlib
import importlib.util
import json
import os
import runpy
import sys
import traceback
from typing import Any

from . import parsers
from .containment import Containment
from .standins import Importer, is_library

LOOKS = {"light": (True, False), "real": (False, False), "loose": (True, True)}
PARSERS = frozenset(
    (
        "argparse", "click", "typer", "hydra", "rich_click", "configargparse", "jsonargparse", "simple_parsing", "tyro",
        "tap", "datargs", "transformers", "lightning", "pytorch_lightning", "fairseq", "optparse_argparse",
    )
)  # fmt: skip
"""What a script imports, itself or by its own modules, if it has a parser that we can ask. One that has none is not
run at all: it would begin to work."""

OLDEST = (3, 8)
FILES_MAX = 300
ERROR_MAX = 2_000
CALLS = frozenset(("parse_args", "parse_known_args", "parse_intermixed_args", "parse_known_intermixed_args"))


class Probe:
    """What is known so far, and where it is to be written."""

    def __init__(self, fd: int, words: list[str]) -> None:
        self._fd = fd
        self.words = words
        self.importer: Any = None
        self.containment: Any = None

    def found(self, source: str, description: parsers.Description) -> None:
        """The parser was reached: tell, and end."""
        self.tell(
            {
                "source": source,
                "parameters": list(description.parameters.values()),
                "ahead": description.ahead,
                "wrong": description.wrong,
                "uncertain": description.uncertain,
                "missing": sorted(set(self.importer.missing)) if self.importer else [],
            }
        )

    def failed(self, error: str) -> None:
        """It cannot be reached."""
        refused = self.containment.refused[:3] if self.containment else []
        self.tell({"error": error[-ERROR_MAX:], "refused": refused})

    def tell(self, report: dict[str, Any]) -> None:
        """Write it and end at once: no handler of the script's runs."""
        data = json.dumps(report).encode("ascii")
        while data:
            data = data[os.write(self._fd, data) :]
        os._exit(0)


def main() -> None:
    """The program."""
    out, look, kind, target, *words = sys.argv[1:]
    probe = Probe(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), words)
    silence()
    try:
        look_at(probe, (out, look, kind, target))
    except BaseException as error:  # noqa: BLE001  # what is wrong here is told, too
        probe.failed(told(error))


def look_at(probe: Probe, wanted: tuple[str, str, str, str]) -> None:
    """Set everything up, and run it."""
    out, look, kind, target = wanted
    if sys.version_info < OLDEST:
        probe.failed("its Python is older than 3.8")
    path = target if kind == "file" else module_file(target)
    if path is None:
        probe.failed(f"there is no module {target}")
    imported = imports_of(str(path))
    if not imported & PARSERS:
        probe.failed("it has no parser: it imports none of argparse, click, typer, hydra")
    probe.containment = Containment(os.path.dirname(os.path.abspath(out)))
    hook_argparse(probe)
    for name, hook in (("click", hook_click), ("rich_click", hook_click), ("typer", hook_typer), ("hydra", hook_hydra)):
        if name in imported and importlib.util.find_spec(name.partition(".")[0]) is not None:
            hook(probe, importlib.import_module(name))
    light, loose = LOOKS[look]
    probe.importer = builtins.__import__ = Importer(light, loose)
    run(probe, kind, target, probe.words)


def silence() -> None:
    """What it prints goes nowhere, and there is nothing to read."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)


def run(probe: Probe, kind: str, target: str, words: list[str]) -> None:
    """Run it as Python would. It comes back only where no parser was reached."""
    sys.argv = [target, *words]
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = os.path.dirname(os.path.abspath(target)) if kind == "file" else os.getcwd()
    try:
        if kind == "file":
            runpy.run_path(target, run_name="__main__")
        else:
            runpy.run_module(target, run_name="__main__", alter_sys=True)
    except BaseException as error:  # noqa: BLE001  # whatever the script does, it is told what became of it
        probe.failed(told(error))
    probe.failed("it ended without reading its command line")


def told(error: BaseException) -> str:
    """The error in one line, with the place in the user's code."""
    if isinstance(error, SystemExit):
        return f"it ended before it read its command line ({error.code if error.code is not None else 0})"
    places = [frame for frame in traceback.extract_tb(error.__traceback__) if not is_library(frame.filename)]
    ours = os.path.dirname(os.path.abspath(__file__))
    places = [frame for frame in places if not os.path.abspath(frame.filename).startswith(ours)]
    where = f" ({os.path.basename(places[-1].filename)}, line {places[-1].lineno})" if places else ""
    return f"{type(error).__name__}: {error}{where}"


def module_file(name: str) -> str | None:
    """The file that `-m NAME` runs."""
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = os.getcwd()
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(name + ".__main__")
    except (ImportError, ValueError):
        return None
    return spec.origin if spec is not None else None


def imports_of(path: str) -> set[str]:
    """The names of modules that a script and the user's modules that it imports name, without running any of them."""
    top = os.path.dirname(os.path.abspath(path))
    left: list[str] = [path]
    seen: set[str] = set()
    names: set[str] = set()
    while left and len(seen) < FILES_MAX:
        file = left.pop()
        if file in seen:
            continue
        seen.add(file)
        for name in imported_by(file):
            names.add(name.partition(".")[0])
            left += files_of(name, (top, os.path.dirname(file), os.getcwd()))
    return names


def imported_by(path: str) -> Any:
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if base:
                yield base
            for alias in node.names:
                yield f"{base}.{alias.name}" if base else alias.name


def files_of(name: str, places: Any) -> list[str]:
    """The user's own files that this may import."""
    inside = name.replace(".", "/")
    tries = (os.path.join(place, inside) for place in places)
    return [path for base in tries for path in (base + ".py", base + "/__init__.py") if os.path.isfile(path)]


def hook_argparse(probe: Probe) -> None:
    """Ask a parser when it is used. One that reads only what it knows may be the first of two: where the function that
    called it parses again below, that one is waited for."""
    real = argparse.ArgumentParser.parse_known_args

    def parse_args(self: Any, args: Any = None, namespace: Any = None) -> Any:
        probe.found("argparse", parsers.of_argparse(self, words_of(args, probe)))

    def parse_known_args(self: Any, args: Any = None, namespace: Any = None) -> Any:
        if parses_again(sys._getframe(1)):
            try:
                return real(self, args, namespace)
            except SystemExit:
                pass
        probe.found("argparse", parsers.of_argparse(self, words_of(args, probe)))

    argparse.ArgumentParser.parse_args = parse_args  # type: ignore[method-assign]
    argparse.ArgumentParser.parse_intermixed_args = parse_args  # type: ignore[method-assign]
    argparse.ArgumentParser.parse_known_args = parse_known_args  # type: ignore[method-assign]


def words_of(args: Any, probe: Probe) -> list[str]:
    return [str(word) for word in args] if args is not None else probe.words


def parses_again(frame: Any) -> bool:
    """Whether the function of this frame calls a parser once more, further below."""
    try:
        with open(frame.f_code.co_filename, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        return False
    around = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and holds(node, frame.f_lineno)]
    place = max(around, key=lambda node: node.lineno) if around else tree
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in CALLS
        and node.lineno > frame.f_lineno
        for node in ast.walk(place)
    )


def holds(node: Any, line: int) -> bool:
    return bool(node.lineno <= line <= (node.end_lineno or node.lineno))


def hook_click(probe: Probe, click: Any, source: str = "click") -> None:
    """Ask a command when it is called."""

    def main(self: Any, args: Any = None, *rest: Any, **named: Any) -> Any:
        probe.found(source, parsers.of_click(self, words_of(args, probe)))

    for name in ("Command", "BaseCommand", "Group", "RichCommand", "RichGroup", "TyperCommand", "TyperGroup"):
        found = click.__dict__.get(name)
        if isinstance(found, type):
            for cls in found.__mro__:
                if "main" in cls.__dict__:
                    cls.main = cls.__call__ = main  # type: ignore[attr-defined, method-assign]


def hook_typer(probe: Probe, typer: Any) -> None:
    """Typer makes commands of click's kind, whether it brings its own or not."""
    hook_click(probe, importlib.import_module("typer.core"), "typer")


def hook_hydra(probe: Probe, hydra: Any) -> None:
    """Ask a Hydra application's config when its function is called."""

    def hydra_main(config_path: Any = None, config_name: Any = None, **more: Any) -> Any:
        def decorate(function: Any) -> Any:
            directory = os.path.dirname(os.path.abspath(function.__code__.co_filename))

            def call(*args: Any, **named: Any) -> None:
                try:
                    probe.found("hydra", hydra_config(hydra, directory, config_path, config_name))
                except BaseException as error:  # noqa: BLE001  # Hydra says what is wrong with the config
                    probe.failed(told(error))

            return call

        return decorate

    hydra.main = hydra_main


def hydra_config(hydra: Any, directory: str, config_path: Any, config_name: Any) -> parsers.Description:
    """The config as Hydra composes it, with the words that were given."""
    if not config_name:
        raise ValueError("the application has no config: @hydra.main(config_name=...)")
    place = os.path.join(directory, str(config_path or ""))
    hydra.core.global_hydra.GlobalHydra.instance().clear()
    given = [word for word in sys.argv[1:] if "=" in word]
    with hydra.initialize_config_dir(config_dir=os.path.abspath(place), version_base=None):
        config = hydra.compose(config_name=str(config_name), overrides=given, return_hydra_config=True)
    omegaconf = importlib.import_module("omegaconf")
    chosen = omegaconf.OmegaConf.to_container(config.hydra.runtime.choices)
    groups = groups_in(place)
    with omegaconf.open_dict(config):
        del config["hydra"]
    plain = omegaconf.OmegaConf.to_container(config, resolve=False, throw_on_missing=False)
    plain["__groups__"] = {name: chosen[name] for name in groups if chosen.get(name)}
    return parsers.of_config(plain, {name: groups[name] for name in plain["__groups__"]})


def groups_in(place: str) -> dict[str, list[str]]:
    """Directories below a config directory, with the names of their files."""
    groups = {}
    for directory, below, files in os.walk(place):
        below[:] = [name for name in below if not name.startswith((".", "__"))]
        name = os.path.relpath(directory, place)
        options = sorted(file.rsplit(".", 1)[0] for file in files if file.endswith((".yaml", ".yml")))
        if name != "." and options:
            groups[name] = options
    return groups

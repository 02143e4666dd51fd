"""The rules of the house, as functions over syntax trees. `test_tidy.py` applies them to all of src/runyard.

A rule takes a Module and yields Findings, each saying what to do instead. The tables on top are the whole policy: who
wants an exception adds it there, with its reason, in the commit that needs it.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

MAY_IMPORT = {
    "errors": "",
    "settings": "model",
    "config": "model",
    "yaml_text": "",
    "model": "",
    "planner": "model",
    "store": "model",
    "api": "model",
    "service": "model api planner store",
    "server": "model api foreign",
    "client": "model api foreign",
    "foreign": "model",
    "runtime": "model foreign",
    "engines": "model foreign runtime",
    "agent": "model api foreign runtime engines client",
    "submitting": "model api foreign client yaml_text",
    "pipeline": "model api foreign client config yaml_text",
    "pipeline/backends/yard": "model api foreign client config connect",
    "fleet": "model api foreign",
    "cli": "model api foreign client submitting pipeline config",
    "tui": "model api foreign client submitting pipeline config",
    "wiring": "foreign agent",
    "wiring/cli": "",
    "wiring/door": "foreign server",
    "wiring/connect": "api foreign client",
    "wiring/far": "model api foreign client submitting",
    "wiring/python": "api client submitting config",
    "wiring/server": "model api foreign runtime store service server config",
    "wiring/agent": "foreign runtime engines agent config",
    "__init__": "client pipeline",
    "__main__": "cli",
    **dict.fromkeys(("base_queue", "serial_queue", "tmux_queue", "slurm_queue", "airflow_queue"), "pipeline"),
}
"""The dependency rule: complete, nothing is transitive, and what only a type checker reads counts too. What it says
beyond the packages of the design has its reasons in docs/decisions/0037."""

EVERYBODY = ("errors", "settings")
"""What all may import (themselves excepted)."""

ENTRY_POINTS = ("__init__.py", "__main__.py", "cli/main.py")
"""Where the one composition root, `wiring`, is called from."""

PROCESSES = ("runyard.wiring.cli", "runyard.wiring.server", "runyard.wiring.agent")
"""They do not import each other (the agent would carry a web server): what two of them need is a module beside them."""

SHIPPED = (
    "__init__.py",
    "errors.py",
    "settings.py",
    "api.py",
    "model/",
    "foreign/",
    "runtime/",
    "engines/",
    "agent/",
    "client/",
)
"""What goes to hosts in the zipapp: the standard library and Python 3.9 alone (pyproject.toml lints them so)."""

STDLIB = sys.stdlib_module_names - {"tomllib", "annotationlib", "compression"}
"""The standard library as Python 3.9 has it."""

SHIPPED_WITH = frozenset({"pynvml"})

PURE = (
    "model/",
    "planner/",
    "agent/reconcile.py",
    "pipeline/spec.py",
    "pipeline/graph.py",
    "pipeline/layout.py",
    "pipeline/state.py",
    "pipeline/reading/",
    "pipeline/render/",
    "pipeline/drawing/",
)
IMPURE = {
    "logging",
    "os",
    "random",
    "secrets",
    "shutil",
    "socket",
    "sqlite3",
    "subprocess",
    "threading",
    "time",
    "uuid",
}
IMPURE_CALLS = re.compile(r"open|input|(.*\.)?(now|utcnow|today)")
"""Clock, chance, processes, files: in pure modules these are arguments."""

RUNS_PROGRAMS = ("foreign/", "runtime/", "wiring/", "submitting/probe/containment.py")
"""Who may run programs (the last one keeps a user's script from it)."""

PROGRAM_MODULES = frozenset({"subprocess", "pty", "multiprocessing", "_posixsubprocess"})
PROGRAM_CALLS = re.compile(r"os\.(system|popen|fork|forkpty|exec[lv]\w*|spawn[lv]\w*|posix_spawnp?)")

ASYNC = ("server/", "tui/")
ASYNC_MODULES = frozenset({"asyncio", "anyio", "trio"})

IMPORTS_LATE = ("cli/main.py", "__init__.py")
"""Lazy command groups, and public names that are loaded when they are first used."""

STARTS_THREADS = (
    "foreign/lasting.py",
    "service/controller.py",
    "agent/aside.py",
    "agent/attach.py",
    "agent/gpus.py",
    "agent/look.py",
    "cli/status_line.py",
)
"""Who may make a thread of its own: the yard thread guards each of its turns, and the agent's all that they do; a look
at the driver and a viewer end with what they are for, the line below a prompt with the shell."""

PRINTS = ("cli/render/",)

OUTERMOST = (
    "service/controller.py",
    "foreign/lasting.py",
    "agent/main.py",
    "agent/aside.py",
    "agent/look.py",
    "server/app.py",
    "server/run.py",
    "runtime/runner.py",
    "runtime/zygote.py",
    "submitting/probe/main.py",
    "cli/shell.py",
)
"""The loops that must go on whatever happens may catch everything (and a forked child, which must never return, and the
program that runs a user's script to see what it knows), and nothing else may. Each says why in a comment."""

NEVER_IMPORTED = frozenset({"pickle", "shelve", "marshal", "dill", "cloudpickle", "joblib"})
NEVER_CALLED = re.compile(r"(builtins\.)?(eval|exec)|yaml\.(load|load_all|full_load\w*|unsafe_load\w*)")

MODULE_LINES = 400
FUNCTION_LINES = 60
PARAMETERS = 6


@dataclass(frozen=True)
class Finding:
    """A broken rule."""

    line: int
    message: str


@dataclass(frozen=True)
class Import:
    """One imported name, dotted and absolute: `from runyard.model import job` is runyard.model.job."""

    line: int
    name: str

    @property
    def root(self) -> str:
        return self.name.partition(".")[0]

    @property
    def ours(self) -> str | None:
        """The package or module of ours that is imported ("" is the package runyard alone); None if it is not ours."""
        return f"{self.name}.".split(".")[1] if self.root == "runyard" else None


@dataclass(frozen=True)
class Module:
    """A source file; `path` is relative to src/runyard."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @cached_property
    def imports(self) -> list[Import]:
        return [found for node in self.nodes for found in _imports(node, self.path)]

    @cached_property
    def functions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        return [node for node in self.nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    @cached_property
    def comments(self) -> dict[int, str]:
        """The comment of each line that has one, without what is meant for linters."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        comments = {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}
        return {
            line: re.sub(r"(noqa|type: ignore)(: ?[A-Z0-9, ]+|\[.*?\])?", "", text) for line, text in comments.items()
        }

    @property
    def place(self) -> str:
        """The package, or the module beside the packages."""
        return self.path.removesuffix(".py").partition("/")[0]

    def within(self, places: tuple[str, ...]) -> bool:
        """Whether it is one of these files or lies in one of these directories."""
        return any(self.path == place or (place.endswith("/") and self.path.startswith(place)) for place in places)


Rule = Callable[[Module], Iterator[Finding]]


def import_table(module: Module) -> Iterator[Finding]:
    """Packages import what the table says."""
    key = next((key for key in (module.path.removesuffix(".py"), module.place) if key in MAY_IMPORT), None)
    if key is None:
        yield Finding(1, f"{module.place} has no line in MAY_IMPORT (tests/tidy.py): say there what it may import")
        return
    allowed = MAY_IMPORT[key].split()
    everybody = () if module.place in EVERYBODY else EVERYBODY
    for found in module.imports:
        if found.ours in (None, "", "__version__", "wiring", module.place, *allowed, *everybody):
            continue
        choice = ", ".join(allowed) or "nothing of ours"
        also = f" (and {', '.join(everybody)})" if everybody else ""
        yield Finding(found.line, f"imports {found.name}; {key} may import: {choice}{also}")


def wiring_only_at_entry_points(module: Module) -> Iterator[Finding]:
    """Nothing knows the composition root but what starts a process, and one process nothing of another."""
    own = "runyard." + module.path.removesuffix(".py").replace("/", ".")
    for found in module.imports:
        if module.place == "wiring":
            if found.name.startswith(PROCESSES) and not found.name.startswith(own):
                yield Finding(found.line, f"imports {found.name}; put what two processes need in a module beside them")
        elif found.ours == "wiring" and not module.within(ENTRY_POINTS):
            yield Finding(found.line, f"imports {found.name}; only entry points may: {', '.join(ENTRY_POINTS)}")


def shipped_needs_only_the_standard_library(module: Module) -> Iterator[Finding]:
    """Hosts have Python and sshd, nothing else."""
    if not module.within(SHIPPED):
        return
    for found in module.imports:
        if found.ours is None and found.root not in STDLIB | SHIPPED_WITH:
            yield Finding(
                found.line, f"imports {found.name}; what is shipped to hosts has Python 3.9's library and pynvml"
            )


def pure(module: Module) -> Iterator[Finding]:
    """Decisions see no clock, no chance and no world."""
    if not module.within(PURE):
        return
    for found in module.imports:
        if found.root in IMPURE:
            yield Finding(found.line, f"imports {found.name}; this module is pure: take the value as an argument")
    for line, name in _calls(module):
        if IMPURE_CALLS.fullmatch(name):
            yield Finding(line, f"calls {name}; this module is pure: take the value as an argument")


def programs_run_in_one_place(module: Module) -> Iterator[Finding]:
    """Other programs are foreign/'s business; processes of ours are runtime's and the wiring's."""
    if module.within(RUNS_PROGRAMS):
        return
    for found in module.imports:
        if found.root in PROGRAM_MODULES:
            yield Finding(found.line, f"imports {found.name}; run programs through foreign/")
    for line, name in _calls(module):
        if PROGRAM_CALLS.fullmatch(name):
            yield Finding(line, f"calls {name}; run programs through foreign/")


def async_stays_in_the_server(module: Module) -> Iterator[Finding]:
    """Threads and blocking calls everywhere else."""
    if module.within(ASYNC):
        return
    for found in module.imports:
        if found.root in ASYNC_MODULES:
            yield Finding(found.line, f"imports {found.name}; async stays in {', '.join(ASYNC)}")
    for function in module.functions:
        if isinstance(function, ast.AsyncFunctionDef):
            yield Finding(function.lineno, f"{function.name} is async; async stays in {', '.join(ASYNC)}")


def imports_at_the_top(module: Module) -> Iterator[Finding]:
    """What a module needs is seen at its top."""
    if module.within(IMPORTS_LATE):
        return
    for node in {node for function in module.functions for node in ast.walk(function)}:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield Finding(node.lineno, f"imports inside a function; only {', '.join(IMPORTS_LATE)} may")


def module_docstring(module: Module) -> Iterator[Finding]:
    """A module opens with its protocol."""
    if module.tree.body and not ast.get_docstring(module.tree):
        yield Finding(1, "opens without a docstring: what it does, who calls it, what it may assume")


def module_size(module: Module) -> Iterator[Finding]:
    """A long module is two."""
    lines = len(module.text.splitlines())
    if lines > MODULE_LINES:
        yield Finding(lines, f"has {lines} lines, {MODULE_LINES} is the most: which two things are in it?")


def function_size(module: Module) -> Iterator[Finding]:
    """A long function is two. Its docstring does not count."""
    for function in module.functions:
        lines = _lines(function) - (_lines(function.body[0]) if ast.get_docstring(function) else 0)
        if lines > FUNCTION_LINES:
            yield Finding(function.lineno, f"{function.name} has {lines} lines, {FUNCTION_LINES} is the most")


def parameters(module: Module) -> Iterator[Finding]:
    """Options travel in a frozen dataclass. In the CLI the decorators of click feed them."""
    for function in module.functions:
        if module.place == "cli" and function.decorator_list:
            continue
        given = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
        names = [argument.arg for argument in given if argument.arg not in ("self", "cls")]
        if len(names) > PARAMETERS:
            message = f"{function.name} takes {len(names)} parameters, {PARAMETERS} is the most: use a frozen dataclass"
            yield Finding(function.lineno, message)


def broad_except(module: Module) -> Iterator[Finding]:
    """Only what must go on whatever happens catches everything. Cleaning up and raising again catches nothing."""
    for node in module.nodes:
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type) and not _raises_again(node):
            if not module.within(OUTERMOST):
                yield Finding(node.lineno, f"catches everything; only the outermost loops may: {', '.join(OUTERMOST)}")
            elif not any(re.search(r"\w", module.comments.get(line, "")) for line in (node.lineno, node.lineno + 1)):
                yield Finding(node.lineno, "catches everything without a comment that says why")
        elif isinstance(node, ast.Call) and _dotted(node.func).endswith("suppress") and any(map(_is_broad, node.args)):
            yield Finding(node.lineno, "suppresses everything; name the errors")


def threads_last(module: Module) -> Iterator[Finding]:
    """A thread that nobody would begin again goes on whatever its work raises."""
    if module.within(STARTS_THREADS):
        return
    for line, name in _calls(module):
        if name.rpartition(".")[2] in ("Thread", "start_new_thread", "Timer"):
            yield Finding(line, f"calls {name}; use foreign.lasting, or say in STARTS_THREADS why its end does no harm")


def prints(module: Module) -> Iterator[Finding]:
    """What the user sees goes through one place."""
    if module.within(PRINTS):
        return
    for line, name in _calls(module):
        if name == "print":
            yield Finding(line, "calls print; only cli/render does")


def never(module: Module) -> Iterator[Finding]:
    """What has no right use here."""
    for found in module.imports:
        if found.root in NEVER_IMPORTED or NEVER_CALLED.fullmatch(found.name):
            yield Finding(found.line, f"imports {found.name}; never")
    for line, name in _calls(module):
        if NEVER_CALLED.fullmatch(name):
            yield Finding(line, f"calls {name}; never" + (" (yaml.safe_load)" if name.startswith("yaml") else ""))
    for node in module.nodes:
        if isinstance(node, ast.keyword) and node.arg == "shell" and _constant(node.value) is True:
            yield Finding(node.value.lineno, "says shell=True; never: programs are run by argv")


RULES: tuple[Rule, ...] = (
    import_table,
    wiring_only_at_entry_points,
    shipped_needs_only_the_standard_library,
    pure,
    programs_run_in_one_place,
    async_stays_in_the_server,
    imports_at_the_top,
    module_docstring,
    module_size,
    function_size,
    parameters,
    broad_except,
    threads_last,
    prints,
    never,
)


def _imports(node: ast.AST, path: str) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        yield from (Import(node.lineno, alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        package = ["runyard", *path.split("/")[:-1]]
        start = package[: len(package) - node.level + 1] if node.level else []
        base = ".".join([*start, *([node.module] if node.module else [])])
        yield from (Import(node.lineno, f"{base}.{alias.name}") for alias in node.names)
    elif isinstance(node, ast.Attribute) and _dotted(node.value) == "runyard":
        yield Import(node.lineno, _dotted(node))
    elif isinstance(node, ast.Call) and _dotted(node.func).rpartition(".")[2] in ("import_module", "__import__"):
        name = _constant(node.args[0]) if node.args else None
        if isinstance(name, str):
            yield Import(node.lineno, name)


def _calls(module: Module) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything that is called."""
    yield from ((node.lineno, _dotted(node.func)) for node in module.nodes if isinstance(node, ast.Call))


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _constant(node: ast.AST) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _is_broad(node: ast.AST | None) -> bool:
    if isinstance(node, ast.Tuple):
        return any(map(_is_broad, node.elts))
    return node is None or _dotted(node).removeprefix("builtins.") in ("Exception", "BaseException")


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None

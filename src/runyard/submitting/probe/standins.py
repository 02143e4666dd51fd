"""Modules that stand in for those that are missing here, or take long to import.

`Importer` takes the place of the builtin import, for the user's own code only: libraries import what they always do.
What it gives for a missing module is inert: it can be called, indexed, subclassed and compared, and does nothing.
"""

from __future__ import annotations

import ast
import builtins
import sys
import sysconfig
import types
from typing import Any

HEAVY = frozenset(
    (
        "accelerate", "bitsandbytes", "datasets", "deepspeed", "diffusers", "flax", "gym", "gymnasium", "jax", "keras",
        "lightning", "matplotlib", "mlflow", "optax", "pandas", "peft", "pytorch_lightning", "scipy", "seaborn",
        "sklearn", "tensorboard", "tensorflow", "timm", "torch", "torchaudio", "torchvision", "transformers", "triton",
        "trl", "wandb", "xformers",
    )
)  # fmt: skip
"""Modules that take seconds to import and that hardly any parser needs."""

CATCHES = frozenset(("ImportError", "ModuleNotFoundError", "Exception", "BaseException", "OSError"))


LIBRARIES = tuple(sysconfig.get_path(name) + "/" for name in ("stdlib", "platstdlib"))
"""Where Python's own modules lie. (Asked for before any import is ours: sysconfig itself imports as it likes.)"""


class Plain:
    """What a class becomes that is derived from something inert."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass


class Inert:
    """Something of a module that is not here."""

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "_inert_name", name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return Inert(f"{self._inert_name}.{name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs and isinstance(args[0], (types.FunctionType, type)):
            return args[0]  # it is a decorator
        return Inert(self._inert_name + "()")

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        first = next(base for base in bases if isinstance(base, Inert))
        return (Plain,) if first is self else ()

    def __iter__(self) -> Any:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return False

    def __contains__(self, item: Any) -> bool:
        return False

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *args: Any) -> None:
        return None

    def __instancecheck__(self, instance: Any) -> bool:
        return False

    def __subclasscheck__(self, cls: type) -> bool:
        return False

    def __str__(self) -> str:
        return f"<{self._inert_name}>"

    __repr__ = __str__

    def __int__(self) -> int:
        return 0

    __index__ = __int__

    def __float__(self) -> float:
        return 0.0

    def _same(self, *args: Any) -> Any:
        return Inert(self._inert_name)

    __getitem__ = __or__ = __ror__ = __and__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _same
    __truediv__ = __rtruediv__ = __floordiv__ = __pow__ = __mod__ = __neg__ = __matmul__ = _same

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def __lt__(self, other: Any) -> bool:
        return False

    __le__ = __gt__ = __ge__ = __lt__


class InertModule(types.ModuleType):
    """A module that is not here."""

    def __init__(self, name: str, known: dict[str, InertModule]) -> None:
        super().__init__(name)
        self.__dict__.update(__all__=[], __path__=[], __file__="", __version__="0.0.0", _inert_known=known)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        whole = f"{self.__name__}.{name}"
        return self._inert_known.get(whole) or Inert(whole)


class Importer:
    """The import of the user's code. `light`: heavy modules are stood in for too. `loose`: also where the script says
    itself what to do without the module."""

    def __init__(self, light: bool, loose: bool) -> None:
        self._light = light
        self._loose = loose
        self._real = builtins.__import__
        self._known: dict[str, InertModule] = {}
        self._guards: dict[str, list[range]] = {}
        self.missing: list[str] = []

    def __call__(self, name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        root = name.partition(".")[0]
        if level or not is_users(globals):
            return self._real(name, globals, locals, fromlist, level)
        if root in self._known or (self._light and root in HEAVY):
            return self._stand_in(name, fromlist)
        try:
            return self._real(name, globals, locals, fromlist, level)
        except (ImportError, OSError):
            caller = sys._getframe(1)
            if not self._loose and self._is_guarded(caller.f_code.co_filename, caller.f_lineno):
                raise
            self.missing.append(root)
            return self._stand_in(name, fromlist)

    def _stand_in(self, name: str, fromlist: Any) -> Any:
        parts = name.split(".")
        for count in range(1, len(parts) + 1):
            whole = ".".join(parts[:count])
            if whole not in self._known:
                self._known[whole] = InertModule(whole, self._known)
        return self._known[name if fromlist else parts[0]]

    def _is_guarded(self, path: str, line: int) -> bool:
        """Whether the script says there what to do without the module."""
        if path not in self._guards:
            self._guards[path] = list(_guards(path))
        return any(line in lines for lines in self._guards[path])


def is_users(globals: Any) -> bool:
    """Whether the module with these globals is the user's own, and not of a library."""
    path = (globals or {}).get("__file__") or ""
    return bool(path) and not is_library(path)


def is_library(path: str) -> bool:
    """Whether this file belongs to Python or to something that was installed."""
    parts = path.replace("\\", "/").split("/")
    if "site-packages" in parts or "dist-packages" in parts or path.startswith("<"):
        return True
    return path.startswith(LIBRARIES)


def _guards(path: str) -> Any:
    """The lines that stand in a `try` which catches a missing module."""
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and any(_catches(handler.type) for handler in node.handlers):
            yield range(node.body[0].lineno, (node.body[-1].end_lineno or node.body[-1].lineno) + 1)


def _catches(kind: Any) -> bool:
    if kind is None:
        return True
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(getattr(one, "id", "") in CATCHES for one in kinds)

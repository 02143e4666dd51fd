"""What has to be done before some starts, in a thread of its own: it may take its time, and the agent's loop may not.

Frozen code is laid out, and what is installed for the command's Python is compared with what was when the job was
submitted. `ask` takes a ready order; `fileno()` is readable when `take` has what became of one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Optional

from runyard.agent.starting import Ready
from runyard.errors import RunyardError
from runyard.foreign.installed import listing, sources
from runyard.model.attempt import AttemptKey
from runyard.model.beat import Order
from runyard.model.code import ENVIRONMENT_CHANGED, Code, Note
from runyard.model.drift import differences
from runyard.model.record import changed

NAMED = 4
"""So many differences are told."""

LISTED_S = 1.0
"""What is installed is looked at again after so long."""

PYTHONPATH = "PYTHONPATH"


@dataclass(frozen=True)
class Prepared:
    """An order that can be started now, or (`why`) waits for a person. `notes` are for its user."""

    ready: Ready
    notes: tuple[Note, ...] = ()
    why: str = ""


class Preparer:
    """Prepares orders, one after the other. `lay_out` gives the directory of frozen code."""

    def __init__(self, lay_out: Callable[[Code], str]) -> None:
        self._lay_out = lay_out
        self._orders: queue.SimpleQueue[Ready] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Prepared] = queue.SimpleQueue()
        self._listings: dict[str, tuple[float, str]] = {}
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        self._thread: Optional[threading.Thread] = None
        self._asked = 0
        self.keys: set[AttemptKey] = set()
        """The orders that are being prepared."""

    def fileno(self) -> int:
        return self._read

    def ask(self, ready: Ready) -> None:
        """Prepare this one."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="prepare", daemon=True)
            self._thread.start()
        self.keys.add(ready.order.key)
        self._asked += 1
        self._orders.put(ready)

    def close(self) -> None:
        """Let go of everything; what is being prepared is prepared again by the next agent."""
        os.close(self._read)

    def take(self) -> list[Prepared]:
        """Those that are done since the last call, less those that were dropped."""
        taken: list[Prepared] = []
        if not self._asked:
            return taken
        with contextlib.suppress(BlockingIOError):
            os.read(self._read, 4096)
        with contextlib.suppress(queue.Empty):
            while True:
                taken.append(self._done.get_nowait())
        self._asked -= len(taken)
        wanted = [one for one in taken if one.ready.order.key in self.keys]
        self.keys.difference_update(one.ready.order.key for one in wanted)
        return wanted

    def drop(self, key: AttemptKey) -> bool:
        """It is not wanted any more; whether it was."""
        wanted = key in self.keys
        self.keys.discard(key)
        return wanted

    def _run(self) -> None:
        while True:
            self._done.put(self._prepared(self._orders.get()))
            os.write(self._write, b"\0")

    def _prepared(self, ready: Ready) -> Prepared:
        order = ready.order
        try:
            told = self._drift(order, ready.listing)
            if told and order.drift == "hold":
                return Prepared(ready, why=f"its Python environment is another than at submit: {told}")
            if order.code is not None:
                tree = self._lay_out(order.code)
                ready = ready._replace(order=in_tree(order, order.code, tree, ready.environment))
        except (RunyardError, OSError, ValueError) as error:
            return Prepared(ready, why=f"its frozen code cannot be had: {error}")
        return Prepared(ready, (Note(ENVIRONMENT_CHANGED, told),) if told else ())

    def _drift(self, order: Order, before: str) -> str:
        """How the environment differs from that of the submit, in words ("" if it does not)."""
        if order.python is None:
            return ""
        now = self._listing(order.python.python)
        if hashlib.sha256(now.encode("utf-8", "surrogateescape")).hexdigest() == order.python.listing:
            return ""
        with open(before, encoding="utf-8", errors="surrogateescape") as file:
            told = differences(file.read(), now)
        return ", ".join(told[:NAMED]) + (f" and {len(told) - NAMED} more" if len(told) > NAMED else "")

    def _listing(self, python: str) -> str:
        at, text = self._listings.get(python, (0.0, ""))
        if time.monotonic() - at > LISTED_S or not text:
            text = listing(python)
            self._listings[python] = (time.monotonic(), text)
        return text


def in_tree(order: Order, code: Code, tree: str, environment: str) -> Order:
    """The order with the tree in place of the original: it runs there, and imports from there. Its output and input
    files stay where they were named."""
    workdir = moved(os.path.realpath(order.workdir), code.root, tree) or order.workdir
    if workdir != order.workdir:
        os.makedirs(workdir, exist_ok=True)  # git keeps no empty directories
    python = order.python.python if order.python is not None else ""
    paths = import_path(_variable(environment, PYTHONPATH), sources(python) if python else (), code.root, tree)
    variables = {
        **dict(order.variables),
        "RUNYARD_CODE": tree,
        "RUNYARD_SOURCE": code.root,
        "RUNYARD_COMMIT": code.commit,
        **({PYTHONPATH: paths} if paths else {}),
    }
    return changed(
        order,
        workdir=workdir,
        output=os.path.join(order.workdir, order.output) if order.output else "",
        input=os.path.join(order.workdir, order.input) if order.input else "",
        variables=tuple(variables.items()),
    )


def import_path(given: str, editable: Iterable[str], root: str, tree: str) -> str:
    """PYTHONPATH with what lies in the original replaced by its frozen twin; so is what was installed to be imported
    from there (`pip install -e`). "" where nothing is to be replaced."""
    own = [path for source in editable if (path := moved(source, root, tree))]
    kept = [moved(path, root, tree) or path for path in given.split(":") if path]
    if not own and kept == [path for path in given.split(":") if path]:
        return ""
    return ":".join(dict.fromkeys([*own, *kept]))


def moved(path: str, root: str, tree: str) -> str:
    """The twin of a path of the original in the tree ("" for one that lies elsewhere, or has none)."""
    if path != root and not path.startswith(root + "/"):
        return ""
    return os.path.join(tree, path[len(root) + 1 :]).rstrip("/")


def _variable(environment: str, name: str) -> str:
    """Out of a copy of an environment's blob."""
    if not environment:
        return ""
    with open(environment, encoding="ascii") as file:
        return str(json.load(file).get(name, ""))

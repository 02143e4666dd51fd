"""What has to be done before some starts, aside of the agent's loop: it may take its time, and the loop may not.

Frozen code is laid out, and what is installed for the command's Python is compared with what was when the job was
submitted. `ask` takes a ready order; `fileno()` is readable when `take` has what became of one. Orders that need the
same are prepared one after the other, others beside them: a repository that hangs holds up its own jobs alone.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Optional

from runyard.agent.aside import Aside
from runyard.agent.starting import Ready
from runyard.errors import RunyardError
from runyard.foreign.installed import listing, sources
from runyard.model.attempt import AttemptKey
from runyard.model.beat import Order, Terms
from runyard.model.code import ENVIRONMENT_CHANGED, Code, Note
from runyard.model.drift import differences
from runyard.model.listing import shown
from runyard.model.record import changed
from runyard.runtime.spawn import NotStarted, environment_of

AT_ONCE = 8
"""How many orders are prepared at a time."""

NAMED = 4
"""How many differences are named."""

LISTED_S = 1.0
"""How long a listing of what is installed may be used again."""

PYTHONPATH = "PYTHONPATH"


@dataclass(frozen=True)
class Prepared:
    """An order that can be started now, or (`why`) waits for a person. `notes` are for its user."""

    ready: Ready
    notes: tuple[Note, ...] = ()
    why: str = ""


class Unprepared(Exception):
    """It cannot be prepared; the message says why."""


class Preparer:
    """Prepares orders. `lay_out` gives the directory of frozen code."""

    def __init__(self, lay_out: Callable[[Code], str]) -> None:
        self._lay_out = lay_out
        self._aside: Aside[Ready, Prepared] = Aside("prepare", AT_ONCE, self._prepared, _failed)
        self._lines: dict[str, deque[Ready]] = {}
        self._listings: dict[str, tuple[float, str]] = {}
        self._wanted: dict[AttemptKey, Optional[Terms]] = {}

    def fileno(self) -> int:
        return self._aside.fileno()

    @property
    def keys(self) -> Collection[AttemptKey]:
        """The orders that are being prepared."""
        return self._wanted

    def ask(self, ready: Ready) -> None:
        """Prepare this one."""
        self._wanted[ready.order.key] = None
        line = self._lines.get(_needed(ready.order))
        if line is not None:
            line.append(ready)
            return
        self._lines[_needed(ready.order)] = deque()
        self._aside.ask(ready)

    def close(self) -> None:
        """Let go of everything; what is being prepared is prepared again by the next agent."""
        self._aside.close()

    def take(self) -> list[Prepared]:
        """Those that are done since the last call, less those that were dropped."""
        taken = self._aside.take()
        for one in taken:
            self._next(_needed(one.ready.order))
        return [_under(self._wanted.pop(key), one) for one in taken if (key := one.ready.order.key) in self._wanted]

    def drop(self, key: AttemptKey) -> bool:
        """It is not wanted any more; whether it was."""
        wanted = key in self._wanted
        self._wanted.pop(key, None)
        return wanted

    def adjust(self, terms: Terms) -> bool:
        """It is to start under these terms; whether it is being prepared."""
        wanted = terms.key in self._wanted
        if wanted:
            self._wanted[terms.key] = terms
        return wanted

    def _next(self, needed: str) -> None:
        """The next one that is still wanted, of those that need this."""
        line = self._lines[needed]
        while line:
            ready = line.popleft()
            if ready.order.key in self._wanted:
                self._aside.ask(ready)
                return
        del self._lines[needed]

    def _prepared(self, ready: Ready) -> Prepared:
        order = ready.order
        try:
            with _about("its Python environment cannot be compared with that of its submit"):
                told = self._drift(order, ready.listing)
            if told and order.drift == "hold":
                return Prepared(ready, why=f"its Python environment is another than at submit: {told}")
            if order.code is not None:
                with _about("its frozen code cannot be had"):
                    tree = self._lay_out(order.code)
                with _about("it cannot be moved into its frozen code"):
                    ready = ready._replace(order=in_tree(order, order.code, tree, ready.environment))
        except Unprepared as why:
            return Prepared(ready, why=str(why))
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
        return shown(told, NAMED)

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
    given = os.fsdecode(environment_of(environment).get(PYTHONPATH.encode("ascii"), b"")) if environment else ""
    paths = import_path(given, sources(python) if python else (), code.root, tree)
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


def _needed(order: Order) -> str:
    """What its preparation waits for, and that of others."""
    return order.code.key if order.code is not None else order.python.python if order.python is not None else ""


def _under(terms: Optional[Terms], one: Prepared) -> Prepared:
    """The same under what was told meanwhile: only what runs can be paused, so that is its time limit."""
    if terms is None:
        return one
    return replace(one, ready=one.ready._replace(order=changed(one.ready.order, time_limit_s=terms.time_limit_s)))


@contextmanager
def _about(what: str) -> Iterator[None]:
    try:
        yield
    except (RunyardError, OSError, ValueError, NotStarted) as error:
        raise Unprepared(f"{what}: {error}") from error


def _failed(ready: Ready, error: Exception) -> Prepared:
    return Prepared(ready, why=f"it cannot be prepared: {type(error).__name__}: {error}")

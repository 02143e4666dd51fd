"""Every option of a job, once: its name (the long flag) and how its text or JSON value is read.

Flags, entries of a file and the defaults of a queue all go through this table, so an option means the same everywhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from runyard.errors import InvalidSpec
from runyard.model.code import IN_PLACE, WORK_TREE
from runyard.model.drift import POLICIES
from runyard.model.filter import PREFIXES
from runyard.model.params import Params
from runyard.model.spec import ARRAY_INDEX_MAX, ARRAY_MAX, ArraySpec, RetryVariable
from runyard.model.wish import parse_wish
from runyard.settings import Settings
from runyard.submitting import arrays, checkpoints, dependencies, durations, gpus, sizes
from runyard.submitting.ground import Ground, Near
from runyard.submitting.nearest import meant

if TYPE_CHECKING:
    from runyard.submitting.far import Far

NO_LIMIT = ("0", "none", "unlimited", "infinite")
SELECTS = re.compile(rf"all$|@|({'|'.join(PREFIXES)}):")
"""What a selector begins with that is no name (see `model.filter`). Numbers may be names: `name:12` selects them."""

TRUE = ("true", "yes", "on", "1")
FALSE = ("false", "no", "off", "0")
OUTPUT_MARKS = "jaxANu%"
"""What may follow a % in the name of an output file (see `runtime.spawn`)."""


class Here(NamedTuple):
    """Where and when something is typed.

    `far` is the machine that it is submitted to, where that is another one. The rest are settings of the yard: the
    largest environment, whose variables are public, and options where nobody says any.
    """

    environ: Mapping[str, str]
    cwd: str
    now: float
    environment_max_kb: int = 1_280
    far: Ground | None = None
    public_prefixes: tuple[str, ...] = ("DQ_",)
    defaults: Mapping[str, Any] = MappingProxyType({})

    @property
    def ground(self) -> Ground:
        """The machine that it is submitted to: the one place that says so."""
        return self.far or Near(self.environ, self.cwd)


def here_of(environ: Mapping[str, str], now: float, settings: Settings, far: Far | None = None) -> Here:
    """This directory, now, with the settings of the yard: of another machine's, as the login there has found them."""
    if far is None:
        prefixes, defaults = settings.public_prefixes, settings.defaults
    else:
        prefixes, defaults = far.public_prefixes, far.defaults
    return Here(environ, os.getcwd(), now, settings.environment_max_kb, far, prefixes, defaults)


Read = Callable[[Any, str, Here], Any]


RIVALS = {"mem": "mem-per-cpu", "mem-per-cpu": "mem", "venv": "conda", "conda": "venv", "input": "tty", "tty": "input"}
"""Options that say the same in another way, or cannot both be: who gives one of them does not mean the other."""


def layered(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """The options of both; those above win, also over their rivals."""
    return {**{name: value for name, value in below.items() if RIVALS.get(name) not in above}, **above}


def text(value: Any, name: str, here: Here) -> str:
    found = os.fspath(value) if isinstance(value, os.PathLike) else value
    if isinstance(found, bool) or not isinstance(found, (str, int, float)):
        raise InvalidSpec(f"a text was expected, not {value!r}", name)
    return checked(str(found), name)


def checked(value: str, name: str) -> str:
    """The text, if the system can be given it: JSON can hold halves of characters."""
    if not value.isascii():
        try:
            value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise InvalidSpec("holds a character that is none (half a surrogate pair)", name) from None
    return value


def title(value: Any, name: str, here: Here) -> str:
    """A job's name. One that selects other things could never be named, and `all` would name everything."""
    called = text(value, name, here)
    if SELECTS.match(called):
        raise InvalidSpec(f"{called!r} selects jobs in another way; call the job something else", name)
    return called


def remark(value: Any, name: str, here: Here) -> str:
    """A text for people, on one line."""
    return " ".join(text(value, name, here).split())


def integer(value: Any, name: str, here: Here) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            pass
    raise InvalidSpec(f"a whole number was expected, not {value!r}", name)


def flag(value: Any, name: str, here: Here) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    if word in TRUE or word in FALSE:
        return word in TRUE
    raise InvalidSpec(f"true or false was expected, not {value!r}", name)


def texts(value: Any, name: str, here: Here) -> tuple[str, ...]:
    """One text or a list of them."""
    items = value if isinstance(value, (list, tuple)) else [value]
    return tuple(text(item, name, here) for item in items)


def listed(value: Any, name: str, here: Here) -> tuple[str, ...]:
    """A list, or a text with commas."""
    return tuple(part.strip() for item in texts(value, name, here) for part in item.split(",") if part.strip())


def variables(value: Any, name: str, here: Here) -> tuple[str, ...]:
    """`K=V`, a list of them, or an object."""
    if isinstance(value, dict):
        return tuple(f"{text(key, name, here)}={text(held, name, here)}" for key, held in value.items())
    return texts(value, name, here)


def parameters(value: Any, name: str, here: Here) -> Params:
    """`K=V`, a list of them, or an object. What is given again counts."""
    given = {}
    for word in variables(value, name, here):
        key, equals, held = word.partition("=")
        if not equals:
            raise InvalidSpec(f"{word!r}: use NAME=VALUE, as in lr=0.1", name)
        given[key] = held
    return tuple(given.items())


def wishes(value: Any, name: str, here: Here) -> tuple[str, ...]:
    """Hooks to tell: a list, or a text with blanks; `none` asks for none."""
    found = tuple(dict.fromkeys(word for item in texts(value, name, here) for word in item.split()))
    for word in found:
        parse_wish(word, name)
    return () if found == ("none",) else found


def after(value: Any, name: str, here: Here) -> tuple[dependencies.Wanted, ...]:
    return tuple(part for item in texts(value, name, here) for part in dependencies.parse(item, name))


def time_limit(value: Any, name: str, here: Here) -> float | None:
    word = text(value, name, here).strip().lower()
    return None if word in NO_LIMIT else durations.seconds(word, name)


def span(value: Any, name: str, here: Here) -> float:
    """A bare number is seconds here: grace and pauses are short."""
    return durations.seconds(text(value, name, here), name, bare_s=1)


def warning(value: Any, name: str, here: Here) -> checkpoints.Signal:
    return checkpoints.signal_of(text(value, name, here), name)


def retry_variables(value: Any, name: str, here: Here) -> tuple[RetryVariable, ...]:
    return tuple(checkpoints.retry_variable(word, name) for word in variables(value, name, here))


def begin(value: Any, name: str, here: Here) -> float:
    return durations.moment(text(value, name, here), here.now, name)


def memory(value: Any, name: str, here: Here) -> int:
    return sizes.megabytes(text(value, name, here), name)


def devices(value: Any, name: str, here: Here) -> Any:
    return gpus.parse(text(value, name, here), name)


def array(value: Any, name: str, here: Here) -> ArraySpec:
    """As `-a` takes it, or a list of indices."""
    if not isinstance(value, (list, tuple, range)):
        return arrays.parse(text(value, name, here), name)
    if not value or len(value) > ARRAY_MAX:
        raise InvalidSpec(f"from 1 to {ARRAY_MAX} indices, please", name)
    indices = tuple(integer(index, name, here) for index in value)
    if len(set(indices)) != len(indices) or min(indices) < 0 or max(indices) > ARRAY_INDEX_MAX:
        raise InvalidSpec(f"indices are different numbers from 0 to {ARRAY_INDEX_MAX}", name)
    return ArraySpec(indices)


def output(value: Any, name: str, here: Here) -> str:
    """A path with patterns; an unknown one would stay in the name as it is."""
    path = text(value, name, here)
    for mark in re.findall(r"%\d?(.?)", path, re.DOTALL):
        if mark not in OUTPUT_MARKS or not mark:
            raise InvalidSpec(
                f"{path!r}: there is no %{mark}; use %j id, %a index, %A array, %x name, %N host, %u user,"
                " %% a percent sign",
                name,
            )
    return path


def snapshot(value: Any, name: str, here: Here) -> str:
    """True or false, or the name of a branch or commit."""
    word = "true" if value is True else "false" if value is False else text(value, name, here).strip()
    if word.lower() in TRUE or word == WORK_TREE:
        return WORK_TREE
    return IN_PLACE if word.lower() in (*FALSE, "") else word


def policy(value: Any, name: str, here: Here) -> str:
    word = text(value, name, here)
    if word not in POLICIES:
        raise InvalidSpec(f"{word!r} is none of {', '.join(POLICIES)}{meant(word, POLICIES)}", name)
    return word


FIELDS: dict[str, Read] = {
    "name": title,
    "workdir": text,
    "queue": text,
    "priority": integer,
    "gpus": devices,
    "cpus": integer,
    "mem": memory,
    "mem-per-cpu": memory,
    "time": time_limit,
    "grace": span,
    "after": after,
    "array": array,
    "hold": flag,
    "begin": begin,
    "retries": integer,
    "backoff": span,
    "retry-on": listed,
    "on-lost": text,
    "unique": text,
    "note": remark,
    "output": output,
    "input": text,
    "shell": text,
    "env": variables,
    "env-file": texts,
    "clean-env": flag,
    "venv": text,
    "conda": text,
    "setup": texts,
    "detach": flag,
    "tty": flag,
    "param": parameters,
    "slurm-env": flag,
    "notify": wishes,
    "signal": warning,
    "checkpoint-dir": flag,
    "requeue-on-checkpoint": flag,
    "checkpoint-tries": integer,
    "retry-env": retry_variables,
    "ports": integer,
    "snapshot": snapshot,
    "drift": policy,
}
"""Every option of a job by its long flag."""

DEFAULTABLE = (
    "priority", "gpus", "cpus", "mem", "mem-per-cpu", "time", "grace", "retries", "backoff", "retry-on", "output",
    "shell", "venv", "conda", "setup", "clean-env", "detach", "slurm-env", "notify", "tty", "signal",
    "checkpoint-dir", "requeue-on-checkpoint", "checkpoint-tries", "retry-env", "ports", "snapshot", "drift",
)  # fmt: skip
"""What a queue may give to jobs whose submitter says nothing. (Its on-lost is a limit of the queue itself.)"""


def read(options: Mapping[str, Any], here: Here) -> dict[str, Any]:
    """The options with their values read; an unknown name or a bad value raises InvalidSpec that names it."""
    values = {}
    for name, value in options.items():
        reader = FIELDS.get(name)
        if reader is None:
            raise InvalidSpec(f"there is no such option{meant(name, FIELDS)}", name)
        values[name] = reader(value, name, here)
    return values


def check_defaults(defaults: Mapping[str, str], here: Here) -> None:
    """Whether a queue may have these defaults."""
    for name in defaults:
        if name not in DEFAULTABLE:
            listed = f"it may have: {', '.join(DEFAULTABLE)}"
            raise InvalidSpec(f"a queue has no default for it{meant(name, DEFAULTABLE, listed)}", name)
    read(defaults, here)

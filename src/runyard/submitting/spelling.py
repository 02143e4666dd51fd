"""How the value of each option is spelled: read from a text, or from what JSON and YAML have, and written back.

A reader takes the value, the name that its errors say, and where it was typed. What a writer gives (a text, a number, a
bool or a list) its reader takes, and it means the same.
"""

from __future__ import annotations

import os
import re
import signal
import time
from typing import Any

from runyard.errors import InvalidSpec
from runyard.model import sizes
from runyard.model.code import IN_PLACE, WORK_TREE
from runyard.model.drift import POLICIES
from runyard.model.filter import PREFIXES
from runyard.model.nearest import meant
from runyard.model.params import Params, assigned
from runyard.model.spec import ARRAY_INDEX_MAX, ARRAY_MAX, ArraySpec, Dependency, GpuRequest, RetryVariable
from runyard.model.wish import parse_wish
from runyard.submitting import arrays, checkpoints, dependencies, durations, gpus
from runyard.submitting.ground import Here

NO_LIMIT = ("0", "none", "unlimited", "infinite")
SELECTS = re.compile(rf"all$|@|({'|'.join(PREFIXES)}):")
"""What a selector begins with that is no name (see `model.filter`). Numbers may be names: `name:12` selects them."""

TRUE = ("true", "yes", "on", "1")
FALSE = ("false", "no", "off", "0")
OUTPUT_MARKS = "jaxANu%"
"""What may follow a % in the name of an output file (see `runtime.spawn`)."""


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


def words(value: Any, name: str, here: Here) -> tuple[str, ...]:
    """A command: one text, or a list of words."""
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)) or any(isinstance(item, bool) for item in items):
        raise InvalidSpec("a text for the shell, or a list of texts", name)
    return tuple(text(item, name, here) for item in items)


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
    given = variables(value, name, here)
    return tuple(dict(assigned(word, "NAME=VALUE, as in lr=0.1", name) for word in given).items())


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


def span_text(seconds: float | None) -> str:
    """A span as it is read."""
    if seconds is None:
        return "none"
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s" if seconds % 1 == 0 else f"{seconds:.3f}s"


def memory_text(megabytes: int) -> str:
    """An amount of memory as it is read."""
    return f"{megabytes // 1024}G" if megabytes and megabytes % 1024 == 0 else f"{megabytes}M" if megabytes else "0"


def gpus_text(asked: GpuRequest) -> str:
    """A request for GPUs as it is read."""
    if asked.indices:
        head = "index=" + ",".join(map(str, asked.indices))
    else:
        head = f"{asked.count}:{asked.model}" if asked.model else str(asked.count)
    return f"{head},mem={memory_text(asked.memory_mb)}" if asked.memory_mb else head


def moment_text(at: float | None) -> str:
    """A time as it is read."""
    return "" if at is None else time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(at))


def command_text(had: tuple[tuple[str, ...], str]) -> str | list[str]:
    """A text for the shell, or the words of an argv: of a command and its shell."""
    command, shell = had
    return command[0] if shell else list(command)


def after_texts(after: tuple[Dependency, ...]) -> list[str]:
    """What it waits for, as it is read."""
    return [f"{wanted.kind}:{wanted.job_id}" for wanted in after]


def signal_text(asked: tuple[int, float, bool]) -> str:
    """The signal before the time limit, as it is read: its number, how long before, and whether all get it."""
    number, before_s, to_all = asked
    if not number:
        return ""
    known = {int(one): one.name.removeprefix("SIG") for one in signal.Signals}
    return f"{'all:' if to_all else ''}{known.get(number, number)}@{span_text(before_s)}"


def retry_texts(variables: tuple[RetryVariable, ...]) -> list[str]:
    """The variables of its retries, as they are read."""
    return [f"{f'{one.cause}:' if one.cause else ''}{one.name}={one.value}" for one in variables]


def parameter_texts(params: Params) -> list[str]:
    """Its parameters, as they are read."""
    return [f"{name}={value}" for name, value in params]


def snapshot_text(asked: str) -> str:
    """Which code is frozen, as it is read."""
    return {WORK_TREE: "true", IN_PLACE: "false"}.get(asked, asked)

"""The options of a pipeline and of its jobs, from what Python, a file or the command line has to a checked value. Pure.

An unknown name is told with the nearest one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from runyard.errors import InvalidSpec
from runyard.model import sizes
from runyard.model.nearest import meant
from runyard.model.record import changed
from runyard.pipeline.reading.sbatch import ALIASES, SBATCH
from runyard.pipeline.spec import Option, Options, PipelineJob, PipelineSpec, Variables

Unknown = Callable[[str], None]
"""What is done about an unknown option, given the message: raise it, or warn."""

Readers = dict[str, tuple[str, Callable[[Any, str], Any]]]
"""Of each option the field of the record, and how its value is read."""


def refuse(message: str) -> None:
    """What is done about an unknown option unless somebody says otherwise."""
    raise InvalidSpec(message)


def job_options(options: Mapping[str, Any], unknown: Unknown = refuse) -> dict[str, Any]:
    """The fields of a job that these options give."""
    fields, native = _read(options, JOB_OPTIONS, ("name", "depends"), unknown)
    return {**fields, "options": native}


def no_such_option(option: str, known: Iterable[str]) -> str:
    """What is said of an option that there is not."""
    return f"there is no option {option!r}{meant(option, known, 'see docs/pipelines.md for those there are')}"


def lines(value: Any, name: str) -> tuple[str, ...]:
    """A text, or a list of them."""
    return tuple(text(item, name) for item in (value if isinstance(value, (list, tuple)) else [value]) if item)


def words(value: Any, name: str) -> tuple[str, ...]:
    """A list, or a text with commas."""
    items = value if isinstance(value, (list, tuple, set, frozenset)) else [value]
    return tuple(word.strip() for item in items for word in text(item, name).split(",") if word.strip())


def text(value: Any, name: str) -> str:
    if isinstance(value, bool) or not (isinstance(value, (str, int, float)) or hasattr(value, "__fspath__")):
        raise InvalidSpec(f"a text was expected, not {value!r}", name)
    return str(value)


def flag(value: Any, name: str) -> bool:
    if not isinstance(value, (bool, int)):
        raise InvalidSpec(f"true or false was expected, not {value!r}", name)
    return bool(value)


def number(value: Any, name: str) -> int:
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidSpec(f"a whole number was expected, not {value!r}", name)
    return value


def count(value: Any, name: str) -> int:
    """How many there are: a number, or a list of them."""
    return len(value) if isinstance(value, (list, tuple)) else number(value, name)


def memory(value: Any, name: str) -> int:
    """MB, or a text with a unit (`8GB`)."""
    return sizes.megabytes(text(value, name), name)


def variables(value: Any, name: str) -> Variables:
    """A mapping, or `NAME=VALUE` texts."""
    if isinstance(value, Mapping):
        return tuple((str(key), _secret(held, str(key))) for key, held in value.items())
    pairs = []
    for word in value if isinstance(value, (list, tuple)) else [value]:
        key, equals, held = _secret(word, name).partition("=")
        if not equals:
            raise InvalidSpec("NAME=VALUE was expected, and there is no = in it", name)
        pairs.append((key, held))
    return tuple(pairs)


def _secret(value: Any, name: str) -> str:
    """A text that no message repeats."""
    try:
        return text(value, name)
    except InvalidSpec:
        raise InvalidSpec(f"a text was expected, not a {type(value).__name__}", name) from None


def devices(value: Any, name: str) -> tuple[str, ...]:
    """A list of devices, or how many there are."""
    if isinstance(value, int) and not isinstance(value, bool):
        return tuple(str(device) for device in range(value))
    items = value if isinstance(value, (list, tuple)) else text(value, name).split(",")
    return tuple(text(item, name) for item in items)


def native_value(value: Any, name: str) -> Option:
    """A value of an option of sbatch; True is the bare option, False that it is not given."""
    return value if isinstance(value, (bool, int)) else text(value, name)


JOB_OPTIONS: Readers = {
    "cwd": ("cwd", text),
    "log": ("log", flag),
    "tags": ("tags", words),
    "preamble": ("preamble", lines),
    "setup": ("setup", lines),
    "teardown": ("teardown", lines),
    "env": ("env", variables),
    "cpus": ("cpus", number),
    "mem": ("memory_mb", memory),
    "gpus": ("gpus", count),
}
"""The options of a job: the field of the record, and how its value is read."""


PIPELINE_OPTIONS: Readers = {
    "cwd": ("cwd", text),
    "preamble": ("preamble", lines),
    "env": ("env", variables),
    "public": ("public", words),
    "size": ("size", number),
    "gpus": ("gpus", devices),
    "home": ("home", text),
    "host": ("host", text),
}
"""The options of a pipeline: the field of the record, and how its value is read."""


def spec_of(name: str, options: Mapping[str, Any], unknown: Unknown = refuse) -> PipelineSpec:
    """The pipeline without jobs."""
    fields, native = _read(options, PIPELINE_OPTIONS, ("name", "backend", "directory"), unknown)
    return PipelineSpec(name, options=native, **fields)


def whole(spec: PipelineSpec, jobs: tuple[PipelineJob, ...]) -> PipelineSpec:
    """The pipeline with these jobs. InvalidSpec if they need each other in a circle."""
    made = changed(spec, jobs=jobs)
    made.__post_init__()
    made.in_order  # noqa: B018  # it raises
    return made


def _read(
    options: Mapping[str, Any], readers: Readers, others: tuple[str, ...], unknown: Unknown
) -> tuple[dict[str, Any], Options]:
    """The fields of the record, and the options of sbatch. None is as if not given."""
    fields: dict[str, Any] = {}
    native: list[tuple[str, Option]] = []
    for option, value in options.items():
        if option in readers:
            if value is not None:
                field, reader = readers[option]
                fields[field] = reader(value, option)
        elif (option := ALIASES.get(option, option)) in SBATCH:
            if value is not None:
                native.append((option, native_value(value, option)))
        else:
            unknown(no_such_option(option, (*readers, *others, *SBATCH)))
    return fields, tuple(native)


def options_of(spec: PipelineSpec) -> dict[str, Any]:
    """The options that make this pipeline again."""
    fields = {option: getattr(spec, field) for option, (field, _) in PIPELINE_OPTIONS.items()}
    return {**fields, "env": dict(spec.env), **dict(spec.options)}

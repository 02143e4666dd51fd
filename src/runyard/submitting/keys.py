"""What of a job can be changed after it was accepted: its options (`job_options`), and `command` besides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from runyard.errors import InvalidSpec
from runyard.model.fields import PARAM
from runyard.model.job import JobState
from runyard.model.nearest import meant
from runyard.model.params import Params
from runyard.model.spec import JobSpec
from runyard.model.wishes import REMARKS, STILL_CHANGES
from runyard.submitting import spelling
from runyard.submitting.job_options import OPTIONS, Option, written

COMMAND = Option(
    spelling.words, "command shell", spelling.command_text, "a list runs as it is, a text is run by a shell"
)
CHANGEABLE: Mapping[str, Option] = {
    "command": COMMAND,
    **{name: option for name, option in OPTIONS.items() if not option.fixed},
}
FOLLOWED = "a parameter: the command follows"
KEYS: Mapping[str, Option] = {name: option for name, option in CHANGEABLE.items() if option.at or option.about}
"""Those that an editor shows."""


def is_option(name: str) -> bool:
    """Whether this is an option of jobs (and no parameter of one)."""
    return name in CHANGEABLE or name in OPTIONS


def check_keys(names: Iterable[str], params: Iterable[str] = ()) -> None:
    """Whether these can be changed; InvalidSpec says why one cannot. `params` could be meant, too."""
    for name in names:
        if name not in CHANGEABLE:
            why = OPTIONS[name].fixed if name in OPTIONS else ""
            changeable = (*CHANGEABLE, *params)
            others = meant(name, changeable, f"these can: {', '.join(changeable)}")
            raise InvalidSpec(f"cannot be changed{f': {why}' if why else others}", name)


def keys_for(state: str) -> Mapping[str, Option]:
    """Those that can be changed of a job in this state."""
    if state == JobState.PENDING.value:
        return KEYS
    places = REMARKS if state == JobState.DONE.value else STILL_CHANGES
    return {name: option for name, option in KEYS.items() if option.at.partition(".")[0] in places}


def keys_of(params: Params) -> Mapping[str, Option]:
    """Those of parameters of a job whose command can be made again."""
    return {
        f"{PARAM}{name}" if is_option(name) else name: Option(spelling.text, "", partial(_held, value), FOLLOWED)
        for name, value in params
    }


def _held(value: str, _: object) -> str:
    return value


def differences(before: JobSpec, after: JobSpec) -> list[str]:
    """What differs, as in `time: none -> 2h`."""
    told = [
        f"{name}: {written(option.shown(before))} -> {written(option.shown(after))}"
        for name, option in KEYS.items()
        if option.shown(before) != option.shown(after)
    ]
    return told + (["env: other variables"] if before.environment != after.environment else [])

"""What sbatch's options become here. What becomes nothing is told by name, and so is what is done in another way.

Those of a script stand on its lines; those that are given otherwise have the line 0.

As in sbatch the last of several lines with one option counts. Values are handed on as text, for
`submitting.job_options`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from runyard.errors import InvalidSpec
from runyard.model import sbatch, sizes
from runyard.submitting import gpus, job_options
from runyard.submitting.grammar import Grammar, Option, Stray, names

MARK = "#SBATCH"

SAME = {
    "job-name": "name", "output": "output", "input": "input", "time": "time", "cpus-per-task": "cpus", "mem": "mem",
    "mem-per-cpu": "mem-per-cpu", "array": "array", "partition": "queue", "chdir": "workdir", "gpus": "gpus",
    "gpus-per-node": "gpus", "hold": "hold", "priority": "priority", "comment": "note", "dependency": "after",
}  # fmt: skip
"""What means the same here, by the name that it has here."""

MEANT_ANYWAY = {
    ("nodes", "1"), ("nodes", "1-1"), ("ntasks", "1"), ("ntasks-per-node", "1"), ("open-mode", "append"),
    ("kill-on-invalid-dep", "yes"), ("export", "ALL"), ("mail-type", "NONE"),
}  # fmt: skip
"""Options that ask for what is done here anyway."""

DAYTIMES = {"midnight": "00:00", "noon": "12:00", "fika": "15:00", "teatime": "16:00"}
NICE = "100"
"""What `--nice` alone means in Slurm."""

SIGNAL_S = "60"
"""How long before the end of its time Slurm sends the signal if nothing is said."""

MAIL_HOOK = "mail"
MAIL = {
    "BEGIN": ("started",), "END": ("ended",), "FAIL": ("failed",), "REQUEUE": ("retried",), "TIME_LIMIT": ("timeout",),
    "INVALID_DEPEND": ("skipped",), "ARRAY_TASKS": ("each",), "ALL": ("started", "ended", "retried"),
}  # fmt: skip
"""What `--mail-type` says, and the hook that sends it."""

MULTIPLIED = ("ntasks", "ntasks-per-node", "gpus-per-task", "mem-per-gpu", "cpus-per-gpu")

HANDLED = names(
    "begin error export gres kill-on-invalid-dep mail-type mail-user nice no-requeue nodes open-mode requeue signal"
)

UNKNOWN_HERE = sbatch.OPTIONS.difference(SAME, HANDLED, MULTIPLIED)
"""sbatch's other options."""

GRAMMAR = Grammar(
    names=sbatch.OPTIONS,
    shorts={
        "A": "account", "a": "array", "b": "begin", "D": "chdir", "M": "clusters", "C": "constraint", "S": "core-spec",
        "c": "cpus-per-task", "d": "dependency", "m": "distribution", "e": "error", "x": "exclude",
        "B": "extra-node-info", "G": "gpus", "H": "hold", "i": "input", "J": "job-name", "L": "licenses",
        "k": "no-kill", "F": "nodefile", "w": "nodelist", "N": "nodes", "n": "ntasks", "o": "output",
        "O": "overcommit", "s": "oversubscribe", "p": "partition", "q": "qos", "Q": "quiet", "t": "time",
        "v": "verbose", "W": "wait",
    },
    bare=sbatch.FLAGS,
    maybe=sbatch.EITHER,
    abbreviates=True,
)  # fmt: skip


class Translated(NamedTuple):
    """The options by our names (`shown` says how they were given), and what the user should know."""

    options: tuple[Option, ...]
    remarks: tuple[str, ...]


def translated(
    given: Iterable[Option | Stray], script: str, environ: Mapping[str, str], hooks: Callable[[], Collection[str]]
) -> Translated:
    """What these options mean here, of a script or of what else is called so. `environ` is the submitter's, `hooks` are
    the yard's."""
    work = _Translation(script, environ, hooks)
    for said in given:
        if isinstance(said, Stray):
            work.undone.append((said.word, said.line))
        else:
            work.last[said.name] = said
    options = tuple(work.options())
    return Translated(options, tuple(work.told()))


class _Translation:
    """The options of one script on their way; `last` is the last of each."""

    def __init__(self, script: str, environ: Mapping[str, str], hooks: Callable[[], Collection[str]]) -> None:
        self.last: dict[str, Option] = {}
        self.undone: list[tuple[str, int]] = []
        self._script = script
        self._environ = environ
        self._hooks = hooks
        self._remarks: list[str] = []

    def options(self) -> Iterator[Option]:
        for name, option in self.last.items():
            if (name, option.value) in MEANT_ANYWAY:
                continue
            made = self._one(name, option)
            if made is None:
                self.undone.append((option.shown, option.line))
                continue
            yield from made
        yield from self._multiplied()

    def told(self) -> Iterator[str]:
        """Remarks, each beginning with its place."""
        yield from self._remarks
        if self.undone:
            lines = sorted({line for _, line in self.undone})
            shown = ", ".join(dict.fromkeys(shown for shown, _ in self.undone))
            yield f"{self._at(*lines)}{shown} {'are' if len(self.undone) > 1 else 'is'} not done here"

    def _one(self, name: str, option: Option) -> Iterable[Option] | None:
        """What one option becomes; None: it is not done here."""
        if name in MULTIPLIED:
            return ()
        if name in SAME:
            return self._as(SAME[name], option, option.value)
        special = SPECIAL.get(name)
        return special(self, option) if special else None

    def _as(self, name: str, option: Option, value: str) -> Iterable[Option] | None:
        """The option under our name, if there is such a one."""
        if name not in job_options.OPTIONS:
            return None
        return (_ours(name, value, option),)

    def _remark(self, option: Option, text: str) -> None:
        self._remarks.append(f"{self._place(option)}: {text}")

    def _place(self, option: Option) -> str:
        return f"{self._at(option.line)}{option.shown}"

    def _at(self, *lines: int) -> str:
        """Where something is said: on which lines of a script, if not (0) in another way."""
        if not any(lines):
            return f"{self._script}: "
        return f"{self._script}, line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines))}: {MARK} "

    def _begin(self, option: Option) -> Iterable[Option] | None:
        value = DAYTIMES.get(option.value.lower(), option.value)
        return self._as("begin", option, value + "s" if re.fullmatch(r"now\+\d+", value) else value)

    def _error(self, option: Option) -> Iterable[Option] | None:
        output = self.last.get("output")
        if output is None or output.value != option.value:
            self._remark(option, "errors go where the output goes, in one file")
        return ()

    def _export(self, option: Option) -> Iterable[Option] | None:
        words = [part.replace("'", "") for part in re.findall(r"(?:'[^']*'|[^,'])+", option.value)]
        whole = "ALL" in words
        wanted = [word for word in words if word not in ("ALL", "NONE", "NIL")]
        absent = [word for word in wanted if "=" not in word and word not in self._environ]
        if absent:
            self._remark(option, f"{', '.join(absent)} {'is' if len(absent) == 1 else 'are'} not set here")
        made = [] if whole else [_ours("clean-env", "true", option)]
        named = [word for word in wanted if word not in absent and ("=" in word or not whole)]
        return [*made, *(_ours("env", word, option) for word in named)]

    def _gres(self, option: Option) -> Iterable[Option] | None:
        kinds = [part for part in option.value.split(",") if part and part != "none"]
        ours = [re.sub(r"\(.*\)$", "", part) for part in kinds if part.partition(":")[0] == "gpu"]
        self.undone += [(f"{option.shown}={part}", option.line) for part in kinds if part.partition(":")[0] != "gpu"]
        if len(ours) > 1:
            raise InvalidSpec(f"{option.value!r}: GPUs of one model, please", self._place(option))
        return self._as("gpus", option, gpus.gres(ours[0], self._place(option))) if ours else ()

    def _nice(self, option: Option) -> Iterable[Option] | None:
        value = option.value or NICE
        return self._as("priority", option, value[1:] if value.startswith("-") else f"-{value}")

    def _on_lost(self, option: Option) -> Iterable[Option] | None:
        return self._as("on-lost", option, "requeue" if option.name == "requeue" else "end")

    def _signal(self, option: Option) -> Iterable[Option] | None:
        which, _, before = option.value.removeprefix("R").removeprefix("B").removeprefix(":").partition("@")
        return self._as("signal", option, f"{which}@{before or SIGNAL_S}")

    def _mail_type(self, option: Option) -> Iterable[Option] | None:
        kinds = [kind for kind in option.value.upper().split(",") if kind and kind != "NONE"]
        self.undone += [(f"{option.shown}={kind}", option.line) for kind in kinds if kind not in MAIL]
        events = dict.fromkeys(event for kind in kinds for event in MAIL.get(kind, ()))
        if not events:
            return ()
        if MAIL_HOOK not in self._hooks():
            self._remark(option, f"this yard has no hook {MAIL_HOOK!r} (see `ry hooks`), so no mail is sent")
            return ()
        user = self.last.get("mail-user")
        to = f":{user.value}" if user is not None and "@" in user.value else ""
        return self._as("notify", option, f"{MAIL_HOOK}{to}:{','.join(events)}")

    def _mail_user(self, option: Option) -> Iterable[Option] | None:
        if "mail-type" not in self.last:
            self._remark(option, "without --mail-type no mail is sent")
        elif "@" not in option.value:
            self._remark(option, f"mail goes where the hook {MAIL_HOOK!r} sends it")
        return ()

    def _multiplied(self) -> Iterator[Option]:
        """What is said for each task or each GPU."""
        tasks = self._tasks()
        cpus = self.last.get("cpus-per-task")
        if tasks and tasks[1] > 1:
            each = self._whole(cpus) if cpus else 1
            self._remark(tasks[0], f"the script runs once, with the CPUs of all {tasks[1]} tasks")
            yield _ours("cpus", str(tasks[1] * each), tasks[0])
        if per_task := self.last.get("gpus-per-task"):
            yield self._times("gpus", per_task, tasks[1] if tasks else 1)
        for name, ours in (("mem-per-gpu", "mem"), ("cpus-per-gpu", "cpus")):
            if option := self.last.get(name):
                yield self._times(ours, option, self._gpus())

    def _tasks(self) -> tuple[Option, int] | None:
        option = self.last.get("ntasks") or self.last.get("ntasks-per-node")
        return (option, self._whole(option)) if option else None

    def _gpus(self) -> int:
        option = self.last.get("gpus") or self.last.get("gpus-per-node")
        gres = self.last.get("gres")
        text = option.value if option else gpus.gres(gres.value.partition(",")[0]) if gres else "1"
        return max(1, gpus.parse(text).count)

    def _times(self, name: str, option: Option, count: int) -> Option:
        """The value `count` times."""
        place = self._place(option)
        if name == "gpus":
            asked = gpus.parse(option.value, place)
            value = f"{asked.count * count}:{asked.model}" if asked.model else str(asked.count * count)
        else:
            value = str((sizes.megabytes(option.value, place) if name == "mem" else self._whole(option)) * count)
        return _ours(name, value, option)

    def _whole(self, option: Option) -> int:
        if not option.value.isdecimal():
            raise InvalidSpec(f"a whole number was expected, not {option.value!r}", self._place(option))
        return int(option.value)


def _ours(name: str, value: str, option: Option) -> Option:
    """The option under our name, shown as it was given."""
    return Option(name, value, option.line, f"{MARK} {option.shown}" if option.line else option.shown)


SPECIAL: dict[str, Callable[[_Translation, Option], Iterable[Option] | None]] = {
    "begin": _Translation._begin,
    "error": _Translation._error,
    "export": _Translation._export,
    "gres": _Translation._gres,
    "nice": _Translation._nice,
    "requeue": _Translation._on_lost,
    "no-requeue": _Translation._on_lost,
    "signal": _Translation._signal,
    "mail-type": _Translation._mail_type,
    "mail-user": _Translation._mail_user,
}
"""What becomes something else."""

"""Writes what the documentation says of tables in the code, so that it is said in one place.

    python docs/generate.py            writes every page that is stale
    python docs/generate.py --check    writes nothing; names the stale ones and returns 1

A part of a page stands between `<!-- generated: NAME -->` and `<!-- end of NAME -->`; `PARTS` says who makes it. What a
table of the code does not say in words is said here. A new state, outcome, word or file that has no words yet fails;
so does a stale page, in `tests/unit/docs`.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import MISSING, fields, is_dataclass, replace
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from runyard import model, settings
from runyard.config import TABLES
from runyard.errors import IllegalMove
from runyard.model import ending, lifecycle, view
from runyard.model.attempt import Attempt, AttemptKey, Placement, Result
from runyard.model.code import Note
from runyard.model.events import (
    KINDS,
    Assigned,
    DependencyFailed,
    DependencyMet,
    Edited,
    Ended,
    Event,
    Held,
    Moved,
    Noted,
    Paused,
    Promoted,
    Released,
    Reopened,
    Resumed,
    Retried,
    Revoked,
    Started,
    StopRequested,
    Submitted,
    Woken,
)
from runyard.model.job import WORDS, Job, JobState, StopRequest
from runyard.model.outcome import ENDED_BADLY, Outcome
from runyard.model.spec import DEPENDENCY_KINDS, JobSpec
from runyard.server.app import BEAT, CHANGES
from runyard.server.routes import ROUTES, Route

DOCS = Path(__file__).resolve().parent
MODEL = tuple(found.name for found in iter_modules(model.__path__))
"""Modules whose records the glossary lists, beside those of `api`."""

STATES = {
    JobState.PENDING: ("accepted, and not given a place yet", "the planner"),
    JobState.ASSIGNED: ("an attempt has a place; its agent starts it, or gives it back", "the agent"),
    JobState.RUNNING: ("its command has been started", "the runner"),
    JobState.DONE: ("it has ended, with an outcome", "nobody, unless a user retries it"),
}
OUTCOMES = {
    Outcome.SUCCEEDED: ("the command ended with exit code 0", "0"),
    Outcome.FAILED: ("the command ended with another exit code", "the command's"),
    Outcome.KILLED: ("a signal ended the command, and it was not ours", "128 + signal"),
    Outcome.TIMEOUT: ("its time limit ended it", ""),
    Outcome.CANCELLED: ("a user ended it, or took it back before it started", ""),
    Outcome.OOM: ("it was ended because it used more memory than it may", "the command's, else 137"),
    Outcome.LOST: ("it may have started, and nobody knows how it ended", ""),
    Outcome.SKIPPED: ("a job that it waited for ended otherwise than wanted", ""),
    Outcome.NOT_STARTED: ("its command could not be started", ""),
}
"""When a job ends so; and what `run` and `wait` return where no fixed code is set."""

WAITING = {
    "held": "a user keeps it back",
    "waiting": "for other jobs, for its time to begin, or for the pause before the next try",
    "queued": "nothing of its own keeps it: it waits for its queue, its turn or for room",
    "starting": "it has a place, and its command is about to be started",
    "running": "its command has been started",
    "paused": "it is stopped for a while (not yet in this version)",
    "stopping": "somebody wants it to end, and not all of its processes are dead yet",
}
HOME = {
    "config": "settings, if you write any",
    "database": "every job, attempt and event, queues, hosts (SQLite, with its `-wal` and `-shm` beside it)",
    "high_water": "",
    "sockets": "the sockets of our processes",
    "server_socket": "where the server listens",
    "far": "",
    "remembered": "",
    "history": "",
    "runner_sockets": "one socket for each runner",
    "locks": "the locks, with the pid of who holds them; `host-id` where the machine has no id",
    "server_lock": "",
    "agent_lock": "",
    "blobs": "",
    "blob_cache": "",
    "code": "",
    "code_scratch": "",
    "agent_state": "the yard that the agent serves, and the last epoch and event that it has heard of",
    "runs": "`<host id>/live` and `<host id>/done`: a directory for each attempt, with its output",
    "checkpoints": "`<thousand>/<job>`: what a job keeps from one attempt to the next, where it asked for that",
    "pipelines": "",
    "drafts": "",
    "drafts_lock": "",
    "logs": "`server.log`, `agent.log`, `zygote.log`",
}
"""What lies in each place of `settings.Home`; "" takes the property's own docstring."""


# parts of the page of states


def states_part() -> str:
    return table(("state", "a job in it", "who moves it on"), ((f"**{s.value}**", *STATES[s]) for s in JobState))


def outcomes_part() -> str:
    titles = ("outcome", "when", "`run` and `wait` return", "`--retry-on`", "stops a stop-on-fail queue")
    return table(titles, outcomes())


def verdicts_part() -> str:
    rows = ((o.value, *(VERDICTS[lifecycle.verdict(kind, o)] for kind in DEPENDENCY_KINDS)) for o in Outcome)
    return table(("the job ended", *(f"`{kind}`" for kind in DEPENDENCY_KINDS)), rows)


def words_part() -> str:
    return table(("word", "means"), ((f"`{word}`", meaning(word)) for word in WORDS))


def reasons_part() -> str:
    return table(("code", "means"), ((f"`{code}`", text) for code, text in view.REASONS.items()))


VERDICTS = {True: "met", False: "failed: skipped", None: "stays open"}


def meaning(word: str) -> str:
    return OUTCOMES[Outcome(word)][0] if word in {outcome.value for outcome in Outcome} else WAITING[word]


def outcomes() -> Iterator[tuple[str, ...]]:
    for outcome in Outcome:
        when, code = OUTCOMES[outcome]
        fixed = ending.EXIT_OF.get(outcome)
        yield (
            f"**{outcome.value}**",
            when,
            code if fixed is None else str(fixed),
            f"`{ending.CAUSES[outcome]}`" if outcome in ending.CAUSES else "never",
            "yes" if outcome in ENDED_BADLY else "no",
        )


KEY = AttemptKey(1, 1, "token")
ATTEMPT = Attempt(1, "token", 0.0, (Placement("agent", "host"),))
FAILED = Result("runner", 256)
EXAMPLES: dict[type, tuple[Event, ...]] = {
    Held: (Held(1.0),),
    Released: (Released(1.0),),
    Woken: (Woken(1.0),),
    DependencyMet: (DependencyMet(1.0, 2),),
    DependencyFailed: (DependencyFailed(1.0, 2),),
    Assigned: (Assigned(1.0, ATTEMPT),),
    Promoted: (Promoted(1.0, KEY),),
    Started: (Started(1.0, KEY),),
    Paused: (Paused(1.0),),
    Resumed: (Resumed(1.0),),
    StopRequested: (StopRequested(1.0, StopRequest(1.0)),),
    Revoked: (Revoked(1.0, KEY),),
    Ended: (Ended(1.0, KEY, FAILED), Ended(1.0, KEY, FAILED, again_at=2.0)),
    Edited: (Edited(1.0, JobSpec(("true",), name="another name")),),
    Moved: (Moved(1.0, 0.5),),
    Retried: (Retried(1.0),),
    Reopened: (Reopened(1.0, 2),),
    Noted: (Noted(1.0, KEY, Note("code changed", "train.py")),),
}
"""Each kind of event, in the ways that lead to different states."""


def examples() -> Iterator[Job]:
    """A job in each state, each also with a request to stop where it can have one, one that is named ahead and one
    that was skipped."""
    pending = lifecycle.begin(1, Submitted(0.0, JobSpec(("true",))))
    assigned = lifecycle.advance(pending, Assigned(0.0, ATTEMPT))
    running = lifecycle.advance(assigned, Started(0.0, KEY))
    yield pending
    yield lifecycle.advance(assigned, Promoted(0.0, KEY, "7.1"))
    for job in (assigned, running):
        yield from (job, replace(job, stop=StopRequest(0.0)))
    yield lifecycle.advance(running, Ended(0.0, KEY, FAILED))
    yield lifecycle.advance(pending, DependencyFailed(0.0, 2))


def after(state: JobState, kind: type) -> list[JobState]:
    """The states that an event of this kind leads to from this state, by doing it."""
    found = set()
    for job in examples():
        for event in EXAMPLES[kind] if job.state is state else ():
            try:
                found.add(lifecycle.advance(job, event).state)
            except IllegalMove:
                continue
    if bool(found) != ((state, kind) in lifecycle.TABLE):
        raise SystemExit(f"docs/generate.py: no example shows what {kind.__name__} does to a job that is {state.value}")
    return [known for known in JobState if known in found]


def moves() -> str:
    def cell(state: JobState, cls: type) -> str:
        return " or ".join(s.value for s in after(state, cls)) or "-"

    rows = [("`submitted`", first_sentence(Submitted), "(a new job) pending", "-", "-", "-")]
    for kind, cls in KINDS.items():
        if cls is not Submitted:
            rows.append((f"`{kind}`", first_sentence(cls), *(cell(state, cls) for state in JobState)))  # type: ignore[arg-type]
    return table(("event", "what has happened", *(state.value for state in JobState)), rows)


def mermaid() -> str:
    arrows: dict[tuple[str, str], list[str]] = {("[*]", "pending"): ["submitted"]}
    for state in JobState:
        for kind, cls in KINDS.items():
            for target in after(state, cls) if cls is not Submitted else ():
                if target is not state:
                    arrows.setdefault((state.value, target.value), []).append(kind)
    lines = [f"    {start} --> {end}: {', '.join(kinds)}" for (start, end), kinds in arrows.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", "    direction LR", *lines, "    done --> [*]", "```"])


# parts of other pages


def settings_part() -> str:
    words = attribute_docs(settings.Settings)
    rows = [
        (f"`{field.name}`", variable_of(field.name), default_of(field.default), words[field.name])
        for field in fields(settings.Settings)
        if field.name != "home"
    ]
    return table(("in config.toml", "in the environment", "default", "means"), rows)


def variable_of(name: str) -> str:
    return "" if name in TABLES else f"`RUNYARD_{name.upper()}`"


def default_of(value: object) -> str:
    if value is MISSING:
        return "none"
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    return f"`{value}`" if value != "" else "empty"


def home_part() -> str:
    apart = settings.Home("/home", "/local")
    rows = []
    for name, path in places("/home").items():
        local = getattr(apart, name).startswith("/local/")
        text = HOME[name] or inspect.cleandoc(getattr(settings.Home, name).__doc__ or "").rstrip(".")
        rows.append((f"`{path.removeprefix('/home/')}`", text[:1].lower() + text[1:], "yes" if local else "no"))
    return table(("below the home", "holds", "in the local part"), rows)


def places(root: str) -> dict[str, str]:
    """The path of each place of a home at `root`, by the name of its property."""
    home = settings.Home(root)
    names = [name for name, member in vars(settings.Home).items() if isinstance(member, property)]
    return {name: getattr(home, name) for name in names if not name.startswith("_")}


def records_part() -> str:
    rows = []
    for name in (*(f"model.{module}" for module in MODEL), "api"):
        module = import_module(f"runyard.{name}")
        for cls in vars(module).values():
            if is_record(cls, module.__name__):
                rows.append((f"`{name}.{cls.__name__}`", first_sentence(cls)))
    return table(("record", "is"), rows)


def is_record(value: object, module: str) -> bool:
    named = isinstance(value, type) and value.__module__ == module and not value.__name__.startswith("_")
    return named and is_dataclass(value)


def routes_part() -> str:
    return table(
        ("call", "does", "takes", "gives"),
        (
            (f"`{r.method} {r.path}`", r.summary + queries(r), type_name(r.takes), type_name(r.gives))
            for r in sorted((*ROUTES, CHANGES, BEAT), key=lambda r: (r.path.split("/")[1], r.path, r.method))
        ),
    )


def queries(route: Route) -> str:
    return f" ({', '.join(f'`{name}`' for name in route.query)})" if route.query else ""


def type_name(cls: object) -> str:
    if cls is None or cls is type(None):
        return "-"
    if cls is bytes or getattr(cls, "__name__", "") == "Chunk":
        return "bytes"
    inner = [arg for arg in getattr(cls, "__args__", ()) if arg is not Ellipsis]
    return f"a list of `{inner[0].__name__}`" if inner else f"`{getattr(cls, '__name__', cls)}`"


# what stands in the code


def first_sentence(cls: type) -> str:
    """The first sentence of a docstring, without its full stop."""
    text = " ".join(inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0].split())
    if not text or text.startswith(f"{cls.__name__}("):
        raise SystemExit(f"docs/generate.py: {cls.__module__}.{cls.__name__} has no docstring")
    return cell_text(re.split(r"(?<=[a-z)`])\. |\.$", text)[0])


def attribute_docs(cls: type) -> dict[str, str]:
    """The texts that stand below the attributes of a class."""
    body = ast.parse(inspect.getsource(cls)).body[0]
    if not isinstance(body, ast.ClassDef):
        raise TypeError(cls)
    found = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            text = ast.literal_eval(below.value)
            found[field.target.id] = cell_text(" ".join(text.split()))
    return found


# Markdown


def cell_text(text: str) -> str:
    return text.replace("|", "\\|")


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


PARTS: dict[str, dict[str, Callable[[], str]]] = {
    "states.md": {
        "states": states_part,
        "diagram": mermaid,
        "moves": moves,
        "outcomes": outcomes_part,
        "verdicts": verdicts_part,
        "words": words_part,
        "reasons": reasons_part,
    },
    "glossary.md": {"records": records_part},
    "rest.md": {"routes": routes_part},
    "running.md": {"settings": settings_part, "home": home_part},
}


def made() -> dict[Path, str]:
    """Every page that has made parts, as it should be."""
    texts = {}
    for name, parts in PARTS.items():
        text = (DOCS / name).read_text(encoding="utf-8")
        for part, make in parts.items():
            text = with_part(text, part, make())
        texts[DOCS / name] = text
    return texts


def with_part(text: str, name: str, content: str) -> str:
    begin, end = f"<!-- generated: {name} -->", f"<!-- end of {name} -->"
    before, found, rest = text.partition(begin)
    _, ended, behind = rest.partition(end)
    if not found or not ended:
        raise SystemExit(f"docs/generate.py: a page lacks the place for {name}: {begin} ... {end}")
    return f"{before}{begin}\n\n{content}\n\n{end}{behind}"


def stale() -> dict[Path, str]:
    """The pages that do not say what the code says, as they should be."""
    return {
        path: text
        for path, text in made().items()
        if path.read_text(encoding="utf-8") != text
    }  # fmt: skip


def main() -> int:
    check = "--check" in sys.argv[1:]
    pages = stale()
    for path, text in pages.items():
        if not check:
            path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(DOCS.parent)} {'is stale' if check else 'written'}\n")
    return int(check and bool(pages))


if __name__ == "__main__":
    sys.exit(main())

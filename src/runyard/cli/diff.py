"""`diff`: what is another between two jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import click

from runyard.api import JobDetail
from runyard.cli.context import App
from runyard.cli.options import SELECTORS, as_json, complete_jobs
from runyard.cli.render.facts import command, line_of
from runyard.cli.render.json import plain
from runyard.cli.render.text import harmless
from runyard.cli.selecting import attempt_of, single
from runyard.model.code import COUNTED, WORK_TREE, title
from runyard.model.comparing import HIDDEN, Comparison, Variable
from runyard.model.spec import JobSpec
from runyard.submitting.job_options import OPTIONS

TOLD = frozenset(("command", "code", "environment", "public", "python", "script", "user", "array_index"))
"""Fields of a spec that are told in a way of their own, or always differ."""

FLAGS: dict[str, Callable[[JobSpec], Any]] = {
    **{f"--{name}": option.shown for name, option in OPTIONS.items() if option.at},
    "--snapshot": lambda s: s.snapshot == WORK_TREE,
    "--commit": lambda s: s.snapshot if s.snapshot != WORK_TREE else "",
}
"""How a user asks for what the other fields hold, and what a job has of each."""

NOTHING = "-"


@click.command("diff", epilog=SELECTORS)
@click.argument("first", metavar="JOB", shell_complete=complete_jobs)
@click.argument("second", metavar="JOB", shell_complete=complete_jobs)
@click.option("--stat", is_flag=True, help="Name the files that differ, and no more.")
@as_json
@click.pass_obj
def diff(app: App, first: str, second: str, stat: bool) -> int:
    """What is another between two jobs: code, command, options, environment, installed packages.

    Of variables only the names are shown; those that are public are shown with their values. The code is compared as
    it was when each job was submitted, or frozen.

    \b
    Examples:
      ry diff 12 15
      ry diff @~1 @ --stat
    """
    service = app.service()
    jobs = [service.job(single(app, attempt_of(selector)[0]).id) for selector in (first, second)]
    found = service.compare(jobs[0].row.id, jobs[1].row.id)
    if app.output.as_json:
        app.output.json(record(jobs[0], jobs[1], found))
        return 0
    lines = list(_facts(jobs[0], jobs[1], found))
    app.output.facts(lines or [("", f"jobs {jobs[0].row.id} and {jobs[1].row.id} differ in nothing that is known")])
    if found.patch and not stat:
        app.output.line()
        log = app.output.log()
        log.write(found.patch.encode("utf-8", "surrogateescape"))
        log.end()
        if found.patch_cut:
            app.output.note("ry: the rest of the patch is too long to be shown")
    return 0


def record(first: JobDetail, second: JobDetail, found: Comparison) -> dict[str, Any]:
    """Both sides for `--json`."""
    options = {name: [before, after] for name, before, after in _options(first.spec, second.spec)}
    return {
        "jobs": [first.row.id, second.row.id],
        "commits": [_commit(first), _commit(second)],
        "commands": [list(first.spec.command), list(second.spec.command)],
        "options": options,
        **plain(found),
    }


def _commit(detail: JobDetail) -> str | None:
    return detail.spec.code.commit if detail.spec.code is not None else None


def _facts(first: JobDetail, second: JobDetail, found: Comparison) -> Iterator[tuple[str, str]]:
    before, after = first.spec, second.spec
    if _code(first) != _code(second):
        yield from _both("code", _code(first), _code(second))
    if (before.command, before.shell) != (after.command, after.shell):
        yield from _both(
            "command", line_of(before.command, bool(before.shell)), line_of(after.command, bool(after.shell))
        )
    if before.script != after.script:
        yield from _both("script", before.script[:10] or NOTHING, after.script[:10] or NOTHING)
    for flag, shown in FLAGS.items():
        if shown(before) != shown(after):
            yield from _both("option", *_typed(flag, shown(before), shown(after)))
    if before.template != after.template:
        yield from _both("template", before.template or NOTHING, after.template or NOTHING)
    for variable in found.environment:
        yield "variable", _variable(variable)
    for package in found.packages:
        yield "package", harmless(package)
    for line in found.files:
        yield "file", harmless(line)
    if found.more:
        at_least = "at least " if len(found.files) + found.more >= COUNTED else ""
        yield "", f"and {at_least}{found.more} more files"
    if found.problem and (before.code or after.code):
        yield "", harmless(f"the code is not compared: {found.problem}")


def _both(name: str, before: str, after: str) -> Iterator[tuple[str, str]]:
    yield name, before
    yield "", after


def _code(detail: JobDetail) -> str:
    code = detail.spec.code
    return harmless(title(code, detail.code)) if code is not None else NOTHING


def _options(before: JobSpec, after: JobSpec) -> Iterator[tuple[str, Any, Any]]:
    """Fields that differ, with their values as JSON has them."""
    old, new = plain(before), plain(after)
    for name in old:
        if name not in TOLD and old[name] != new[name]:
            yield name, old[name], new[name]


def _typed(flag: str, before: Any, after: Any) -> tuple[str, str]:
    """Two values as they are asked for; of lists what only one of them has."""
    sides = (before, after)
    if isinstance(before, list) and set(before) != set(after):
        sides = [one for one in before if one not in after], [one for one in after if one not in before]
    return _words(flag, sides[0]), _words(flag, sides[1])


def _words(flag: str, value: Any) -> str:
    if isinstance(value, bool):
        return flag if value else f"no {flag}"
    values = value if isinstance(value, list) else [value]
    return command(word for one in values if one != "" for word in (flag, str(one))) or NOTHING


def _variable(variable: Variable) -> str:
    if not variable.before or not variable.after:
        how, value = ("new", variable.after) if variable.after else ("gone", variable.before)
        return harmless(f"{variable.name} is {how}" + (f" ({value})" if value != HIDDEN else ""))
    if variable.before == variable.after:
        return harmless(f"{variable.name} has another value")
    return harmless(f"{variable.name} {variable.before} -> {variable.after}")

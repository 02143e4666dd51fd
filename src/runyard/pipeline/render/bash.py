"""What the bash scripts of all backends have in common: quoting, the text of one job, the file of values. Pure.

The text of a job is a program of its own: every backend runs it in a bash of its own, so that what it does to its shell
(`exit`, `cd`, `set`, traps, `kill $$`) concerns no other job.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence

from runyard import __version__
from runyard.model.wording import counted
from runyard.pipeline.layout import Layout, ScriptFile
from runyard.pipeline.spec import PipelineJob, PipelineSpec, Variables

GATE = 3
"""The exit code of a job whose directory is not there, or whose preamble or setup failed."""

_PLAIN = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
_SPECIAL = re.compile(r'([\\"$`])')


def quoted(text: str) -> str:
    """The text as one word of a shell, whatever is in it: so that nobody takes a `$` in it for a mistake, too."""
    if _PLAIN.fullmatch(text):
        return text
    return double_quoted(text) if "$" in text or "`" in text else shlex.quote(text)


def double_quoted(text: str) -> str:
    """The same in double quotes, for values that people look for in a script."""
    return '"' + _SPECIAL.sub(r"\\\1", text) + '"'


def json_word(text: str) -> str:
    """The text as a JSON text, as one word of a shell: it can be put into a status file as it is, and be printed."""
    return quoted(json.dumps(text, ensure_ascii=False))


def heading(what: str, how: str) -> str:
    """The first lines of a script."""
    return f"#!/usr/bin/env bash\n# Written by runyard {__version__}: {what}.\n# {how}\n"


def title(spec: PipelineSpec) -> str:
    """What the heading says of a pipeline."""
    return f"pipeline {quoted(spec.name)}, {counted(len(spec.jobs), 'job')}"


def job_text(spec: PipelineSpec, job: PipelineJob) -> str:
    """The program of one job: its directory, the preambles, setup, command and teardown. Its exit code is that of the
    command, or GATE if it did not come to it. Without any of these it is the command as it was given."""
    return "\n".join((*_before(spec, job), *_command(job))) + "\n"


def _before(spec: PipelineSpec, job: PipelineJob) -> Iterator[str]:
    directory = job.cwd or spec.cwd
    if directory:
        # one that begins with `./` is not looked for in CDPATH
        yield f"cd -- {quoted(directory if directory.startswith('/') else './' + directory)} || exit {GATE}"
    for what, lines in (("preamble", (*spec.preamble, *job.preamble)), ("setup", job.setup)):
        if lines:
            yield f"# {what}"
        for line in lines:
            yield f"{{\n{_ended(line)}\n}} || exit {GATE}" if _long(line) else f"{line} || exit {GATE}"


def _command(job: PipelineJob) -> Iterator[str]:
    if not job.teardown:
        yield job.command
        return
    # bash runs it after a signal too; a trap of its own for each would lose signals that a subshell sends itself
    yield "# teardown: however the command ends"
    yield "teardown() {"
    yield from map(_ended, job.teardown)
    yield "}"
    yield 'finish() {\n  local code=$?\n  trap - EXIT\n  (teardown)\n  exit "$code"\n}\ntrap finish EXIT'
    yield f"(\n{_ended(job.command)}\n)"


def _long(line: str) -> bool:
    """Whether `line || exit` could mean something else than the line, and then the exit."""
    return re.fullmatch(r"[\w ./:=\"'$@{}+,-]+", line, re.ASCII) is None


def _ended(text: str) -> str:
    """A text after which a line can follow: its last line is not to be continued."""
    return text + "\n" if text.endswith("\\") else text


def values_file(layout: Layout, also: Iterable[str] = ()) -> ScriptFile:
    """The file with the values of variables: `source values.env KEY` exports those of the pipeline and of this job."""
    spec = layout.spec
    lines = ["# Values of variables; only you can read this. Sourced with the key of a job.", *_exports(private(spec))]
    lines.extend(also)
    own = [(layout.keys[job.name], job.env) for job in spec.jobs if job.env]
    if own:
        lines.append('case "${1-}" in')
        for key, env in own:
            lines.append(f"{key})")
            lines.extend(_exports(env))
            lines.append(";;")
        lines.append("esac")
    return ScriptFile(layout.values, "\n".join(lines) + "\n", program=False)


def has_values(spec: PipelineSpec) -> bool:
    """Whether there is anything to keep in a file of values."""
    return bool(private(spec)) or any(job.env for job in spec.jobs)


def private(spec: PipelineSpec) -> Variables:
    """The pipeline's variables whose values stand in no script."""
    return tuple((name, value) for name, value in spec.env if name not in spec.public)


def public(spec: PipelineSpec) -> list[str]:
    """Lines that export the pipeline's other variables."""
    return _exports([(name, value) for name, value in spec.env if name in spec.public])


def _exports(variables: Iterable[tuple[str, str]]) -> list[str]:
    return [f"export {name}={quoted(value)}" for name, value in variables]


def heredoc(text: str, taken: Sequence[str] = ()) -> tuple[str, str]:
    """A word that ends this text and stands on no line of it, and the text with it."""
    lines = set(text.splitlines())
    word, number = "JOB", 1
    while word in lines or word in taken:
        number += 1
        word = f"JOB{number}"
    return word, f"{text}{'' if text.endswith(chr(10)) else chr(10)}{word}"

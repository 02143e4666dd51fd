"""One job as a piece of bash that tells what became of it in files, outside of any pipeline's script. Pure.

It may be typed, sourced, or stand in a script with others of its kind. Queues of cmd_queue's make it of their jobs.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence

from runyard.model.record import dataclass
from runyard.pipeline.render import bash
from runyard.pipeline.spec import PipelineJob, PipelineSpec

SKIPPED = 126
"""What the status of a job says that was not run; a command that ends so has failed all the same."""

PASS, FAIL, SKIP = "on_pass", "on_fail", "on_skip"
Hooks = Mapping[str, Sequence[str]]
"""Lines that are run when the job has passed, failed or was skipped."""


@dataclass(frozen=True)
class Files:
    """Where a job tells of itself. `needs` are the `passed` files of those that it needs. `log` "": none is kept."""

    passed: str
    failed: str
    skipped: str
    status: str
    log: str = ""
    needs: tuple[str, ...] = ()


def render(job: PipelineJob, files: Files, hooks: Hooks | None = None) -> str:
    """The piece of bash."""
    hooks = hooks or {}
    written = (files.passed, files.failed, files.skipped, files.status, *([files.log] if files.log else []))
    made = dict.fromkeys(map(posixpath.dirname, written))
    lines = [f"# {bash.quoted(job.name)}", f"mkdir -p -- {' '.join(map(bash.quoted, made))}"]
    run = [*_running(job, files), *_told(job, files, hooks)]
    if files.needs:
        needs = " && ".join(f"-e {bash.quoted(path)}" for path in files.needs)
        skipped = [_status(job, files, "skipped", str(SKIPPED)), *_mark("skip", files.skipped, hooks.get(SKIP))]
        lines.extend((f"if [[ {needs} ]]; then", *run, "else", *skipped, "fi"))
    else:
        lines.extend(run)
    return "\n".join(lines) + "\n"


def _running(job: PipelineJob, files: Files) -> Iterator[str]:
    yield _status(job, files, "running", "null")
    text = bash.quoted(bash.job_text(PipelineSpec(job.name), job))
    if files.log:
        yield f"bash -c {text} 2>&1 | tee -- {bash.quoted(files.log)}"
        yield "code=${PIPESTATUS[0]}"
    else:
        yield f"bash -c {text}"
        yield "code=$?"


def _told(job: PipelineJob, files: Files, hooks: Hooks) -> Iterator[str]:
    yield "if ((code == 0)); then"
    yield _status(job, files, "passed", "0")
    yield from _mark("pass", files.passed, hooks.get(PASS))
    yield "else"
    yield _status(job, files, "failed", "$code")
    yield from _mark("fail", files.failed, hooks.get(FAIL))
    yield "fi"


def _status(job: PipelineJob, files: Files, status: str, code: str) -> str:
    told = f'{{"name": %s, "status": "{status}", "ret": %s}}\\n'
    return f"printf '{told}' {bash.json_word(job.name)} \"{code}\" >{bash.quoted(files.status)}"


def _mark(word: str, path: str, hook: Sequence[str] | None) -> Iterator[str]:
    yield f"printf {word} >{bash.quoted(path)}"
    yield from hook or ()

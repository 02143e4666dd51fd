"""What `show` tells about a job's code and its Python environment."""

from __future__ import annotations

from collections.abc import Iterator

from runyard.api import JobDetail
from runyard.cli.render.text import harmless
from runyard.model.code import title
from runyard.model.listing import shown

NAMED = 6


def code_facts(detail: JobDetail) -> Iterator[tuple[str, str]]:
    """The code, what was changed in it, and what was another when the job started."""
    code, record = detail.spec.code, detail.code
    if code is not None:
        how = f"frozen as {code.key}" if code.frozen else "in place"
        yield "code", f"{harmless(title(code, record))}; {how}, of {harmless(code.root)}"
        if record is not None and record.changed:
            more = f" and {record.more} more" if record.more else ""
            yield "changed", shown([harmless(line) for line in record.changed], NAMED) + more
        if record is not None and record.left_out:
            yield "left out", shown([harmless(path) for path in record.left_out], NAMED)
    if detail.spec.python is not None:
        yield "python", harmless(detail.spec.python.python)
    for link in detail.links:
        yield "link", harmless(link.address or f"{link.kind} {link.run} in {link.path}")
    for attempt in detail.attempts:
        for note in attempt.notes:
            of = f"attempt {attempt.number}: " if len(detail.attempts) > 1 else ""
            yield "warning", harmless(f"{of}{note.kind}: {note.text}")

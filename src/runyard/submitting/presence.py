"""Whether what a job needs seems to be there: a look when it is submitted, for jobs that wait for nothing.

What cannot begin (a path that names no file) is refused. What may yet be right (a program that another PATH has) is a
remark.
"""

from __future__ import annotations

import os

from runyard.errors import InvalidSpec
from runyard.submitting.ground import Ground
from runyard.submitting.script import INTERPRETERS


def look_for_program(program: str, workdir: str, path: str, ground: Ground) -> str:
    """A remark on the program of an argv ("" where all is well); InvalidSpec if there is no such file.

    As the runner looks for it: from `workdir`, and without a slash along this `path`.
    """
    whole = os.path.join(workdir, program)
    if "/" not in program:
        places = [os.path.join(workdir, place, program) for place in path.split(":")]
        if ground.has_program(places):
            return ""
        where = f"; there is one in {workdir}: say ./{program}" if ground.exists(whole) else ""
        if not where and os.path.splitext(program)[1] in INTERPRETERS:
            raise InvalidSpec(
                f"there is no script {program} in {workdir}{ground.where}, nor on the job's PATH", "command"
            )
        return f"there is no program {program!r} on the job's PATH{ground.where}{where}"
    shown = os.path.normpath(whole)
    if ground.is_directory(whole):
        raise InvalidSpec(f"{shown} is a directory, not a program", "command")
    if not ground.exists(whole):
        raise InvalidSpec(
            f"there is no file {shown}{ground.where}; if another job makes it, wait for that one by --after", "command"
        )
    if not ground.may_execute(whole):
        return f"{shown} may not be executed: `chmod +x` it, or name its interpreter first"
    return ""


def look_for_output(output: str, workdir: str, ground: Ground) -> str:
    """A remark on the directory of an output file ("" where it is there, or hangs on a pattern)."""
    directory = os.path.dirname(os.path.join(workdir, output))
    if not output or "%" in directory.replace("%%", "") or ground.is_directory(directory.replace("%%", "%")):
        return ""
    return f"there is no directory {directory}{ground.where} for the output; a job makes none, and would not start"

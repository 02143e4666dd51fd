"""One line `@reboot` in an account's crontab, where there is no systemd. All other lines stay as they are."""

from __future__ import annotations

import shlex
from typing import Optional

from runyard.errors import InvalidSpec
from runyard.foreign.command import run

CALL_S = 30.0
MARK = "# runyard: "
NONE_YET = b"no crontab for"


def line_of(home: str, python: str) -> str:
    """The line. In a crontab a percent sign is a line break unless it is quoted."""
    if not home.isprintable() or not python.isprintable():
        raise InvalidSpec(f"{home!r} holds a character that a crontab cannot", "home")
    words = [python, "-m", "runyard", "--home", home, "server", "start"]
    return f"@reboot {shlex.join(words)} >/dev/null 2>&1 {MARK}{home}".replace("%", "\\%")


def added(table: bytes, line: str) -> bytes:
    """The table with this line at its end, once."""
    if line.encode() in table.split(b"\n"):
        return table
    return table + (b"" if not table or table.endswith(b"\n") else b"\n") + line.encode() + b"\n"


def marked(table: bytes, home: str) -> list[str]:
    """The lines of this home, also if they were changed."""
    mark = f"{MARK}{home}".replace("%", "\\%").encode()
    return [line.decode("utf-8", "surrogateescape") for line in table.split(b"\n") if line.endswith(mark)]


def removed(table: bytes, lines: list[str]) -> bytes:
    """The table without these lines."""
    gone = {line.encode("utf-8", "surrogateescape") for line in lines}
    return b"\n".join(line for line in table.split(b"\n") if line not in gone)


def read(account: str = "") -> bytes:
    """The crontab of this account ("": the caller's)."""
    ended = run(["crontab", *_of(account), "-l"], CALL_S, env=None)
    if ended.returncode and NONE_YET in ended.stderr:
        return b""
    return ended.required().stdout


def write(table: bytes, account: str = "") -> None:
    """Replace the crontab; an empty one is removed."""
    if table.strip():
        run(["crontab", *_of(account), "-"], CALL_S, table).required()
    else:
        run(["crontab", *_of(account), "-r"], CALL_S).required()


def _of(account: Optional[str]) -> list[str]:
    return ["-u", account] if account else []

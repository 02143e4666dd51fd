"""Mail by the machine's `sendmail`: an argv with the addresses, and a message on its standard input.

The message is built by `email.message`, which refuses what could begin another header; addresses come after `--`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate

from runyard.foreign.command import run

SUBJECT_MAX = 200


def message(sender: str, to: Sequence[str], subject: str, text: str, mark: str) -> bytes:
    """A message. `mark` is the same for each repetition of it."""
    made = EmailMessage(policy=SMTP.clone(linesep="\n"))
    if sender:
        made["From"] = sender
    made["To"] = ", ".join(to)
    plain = "".join(one if one.isprintable() else "?" for one in subject)
    made["Subject"] = plain.replace("=?", "= ?")[:SUBJECT_MAX]  # an encoded word would be read as what it encodes
    made["Date"] = formatdate(time.time(), localtime=True)
    made["Auto-Submitted"] = "auto-generated"
    made["X-Runyard-Event"] = mark
    made.set_content(text)
    return bytes(made)


def send(sendmail: Sequence[str], to: Sequence[str], data: bytes, timeout_s: float, env: Mapping[str, str]) -> None:
    """Hand it to sendmail; CommandError if that does not take it."""
    run([*sendmail, "--", *to], timeout_s, data, env).required()

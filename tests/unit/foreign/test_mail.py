"""A message by mail has the headers that we give it, and no other, whatever its subject says."""

from __future__ import annotations

import email
import email.policy

import pytest

from runyard.foreign.mail import message

OURS = ["From", "To", "Subject", "Date", "Auto-Submitted", "X-Runyard-Event"]


@pytest.mark.parametrize(
    "subject",
    [
        "=?utf-8?q?x=0AReply-To:_evil@x=0A=0ABODY?=",
        "x\nReply-To: evil@x",
        "=?=?utf-8?q?=0A?=",
        "größer \x1b[31m",
        "x" * 999,
    ],
)
def test_its_headers_are_ours(subject: str) -> None:
    made = message("ry@example.org", ["ada@example.org"], subject, "job 1 failed\n", "1-2")
    read = email.message_from_bytes(made, policy=email.policy.default)
    assert [name for name in read if name in OURS or "eply" in name] == OURS
    assert read.get_body() is not None and "BODY" not in read.get_content()

"""Hooks: whom a yard tells what happens to jobs, as they are configured (`[hooks.NAME]` in config.toml).

A job only names them (see `model.wish`), so nobody who submits gives a command, a URL or an address that the yard's
owner has not allowed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Optional

from runyard.errors import InvalidSpec
from runyard.model.record import dataclass
from runyard.model.wish import ADDRESS, ENDED, HOOK_NAME, check_events, parse_wish

COMMAND, WEBHOOK, MAIL = "command", "url", "mail"
KINDS = (COMMAND, WEBHOOK, MAIL)
KEYS = {
    COMMAND: ("command", "on", "limit_s"),
    WEBHOOK: ("url", "on", "limit_s", "headers"),
    MAIL: ("mail", "on", "limit_s", "from", "sendmail", "to_domains"),
}

LIMIT_S = 30.0
LIMIT_MOST_S = 600.0
SENDMAIL = ("/usr/sbin/sendmail", "-i")
TO_MAX = 20

_LOCAL = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]{0,63}")
_URL = re.compile(r"https?://[^\s/?#@]+(?:[/?][\x21-\x7e]*)?")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True)
class Hook:
    """One of them: exactly one of `command` (an argv), `url` and `mail` (addresses) is given.

    `on` are the events that it is told where a job does not say. A submitter may give a mail address of one of
    `to_domains`.
    """

    name: str
    command: tuple[str, ...] = ()
    url: str = ""
    mail: tuple[str, ...] = ()
    on: tuple[str, ...] = (ENDED,)
    limit_s: float = LIMIT_S
    headers: tuple[tuple[str, str], ...] = ()
    sender: str = ""
    sendmail: tuple[str, ...] = SENDMAIL
    to_domains: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return COMMAND if self.command else WEBHOOK if self.url else MAIL


def hooks_of(tables: Mapping[str, Any]) -> dict[str, Hook]:
    """The hooks in `[hooks.*]`; InvalidSpec names the one that is wrong."""
    return {name: _hook(name, table) for name, table in tables.items()}


def _hook(name: str, table: Any) -> Hook:
    where = f"hooks.{name}"
    if not HOOK_NAME.fullmatch(name):
        raise InvalidSpec("a hook's name is letters, digits, '-' and '_'", where)
    if not isinstance(table, dict):
        raise InvalidSpec("a table was expected, as in [hooks.slack]", where)
    kinds = [kind for kind in KINDS if kind in table]
    if len(kinds) != 1:
        raise InvalidSpec("exactly one of command, url and mail, please", where)
    kind = kinds[0]
    for key in table:
        if key not in KEYS[kind]:
            raise InvalidSpec(f"there is no {key!r} beside {kind}; there are: {', '.join(KEYS[kind])}", where)
    on = _texts(table, "on", where) or (ENDED,)
    check_events(on, where)
    limit_s = table.get("limit_s", LIMIT_S)
    if isinstance(limit_s, bool) or not isinstance(limit_s, (int, float)) or not 0 < limit_s <= LIMIT_MOST_S:
        raise InvalidSpec(f"limit_s is a number of seconds, at most {LIMIT_MOST_S:g}", where)
    made = {COMMAND: _command, WEBHOOK: _webhook, MAIL: _mail}[kind](table, where)
    return Hook(name=name, on=on, limit_s=float(limit_s), **made)


def _command(table: Mapping[str, Any], where: str) -> dict[str, Any]:
    command = _texts(table, "command", where)
    if not command or isinstance(table["command"], str):
        raise InvalidSpec('command is a list of words, as in ["notify-send", "a job has ended"]', where)
    return {"command": command}


def _webhook(table: Mapping[str, Any], where: str) -> dict[str, Any]:
    url = table["url"]
    if not isinstance(url, str) or not _URL.fullmatch(url):
        raise InvalidSpec("url is http://... or https://..., without a name and password in it", where)
    headers = table.get("headers", {})
    if not isinstance(headers, dict) or not all(
        _HEADER.fullmatch(name) and isinstance(value, str) and value.isprintable() and value.isascii()
        for name, value in headers.items()
    ):
        raise InvalidSpec("headers are a table of names and texts", where)
    return {"url": url, "headers": tuple(headers.items())}


def _mail(table: Mapping[str, Any], where: str) -> dict[str, Any]:
    to, sender = _texts(table, "mail", where), table.get("from", "")
    for address in (*to, *([sender] if sender != "" else [])):
        if not is_address(address):
            raise InvalidSpec(f"{address!r} is no mail address", where)
    domains = _texts(table, "to_domains", where)
    if (not to and not domains) or len(to) > TO_MAX:
        raise InvalidSpec(f"mail is an address, or a list of at most {TO_MAX}", where)
    sendmail = _texts(table, "sendmail", where) or SENDMAIL
    return {"mail": to, "sender": sender, "sendmail": sendmail, "to_domains": domains}


def is_address(text: Any) -> bool:
    """Whether mail can be sent there: an address, or an account of this machine."""
    return isinstance(text, str) and bool(ADDRESS.fullmatch(text) or _LOCAL.fullmatch(text))


def _texts(table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = table.get(key, ())
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, (list, tuple)) or not all(map(_is_word, words)):
        raise InvalidSpec(f"{key} is a text or a list of texts", where)
    return tuple(words)


def _is_word(word: Any) -> bool:
    return isinstance(word, str) and word != "" and "\0" not in word


def check_wish(text: str, hooks: Mapping[str, Hook]) -> Optional[str]:
    """What is wrong with this wish in a yard with these hooks; None if nothing is."""
    wish = parse_wish(text)
    hook = hooks.get(wish.hook)
    if hook is None:
        known = f"there are: {', '.join(hooks)}" if hooks else "[hooks.NAME] in its config.toml makes one"
        return f"there is no hook {wish.hook!r}; {known}"
    if wish.to and (hook.kind != MAIL or wish.to.partition("@")[2].lower() not in hook.to_domains):
        return f"{wish.to}: the hook {wish.hook!r} sends no mail there (see to_domains in config.toml)"
    if not wish.to and hook.kind == MAIL and not hook.mail:
        return f"the hook {wish.hook!r} needs an address: {wish.hook}:you@{hook.to_domains[0]}"
    return None

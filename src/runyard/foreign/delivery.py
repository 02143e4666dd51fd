"""How notices reach those who are told: by a command, by a POST, by mail. For the server process."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from typing import Any

import runyard
from runyard.foreign import mail, webhook
from runyard.foreign.command import CommandError, ProgramMissing, run
from runyard.model.hook import COMMAND, WEBHOOK, Hook
from runyard.model.notice import Notice, Undelivered

OUTPUT_MAX = 4_096
KEPT = (
    "HOME",
    "LANG",
    "LC_ALL",
    "LOGNAME",
    "PATH",
    "SHELL",
    "TZ",
    "USER",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
)
"""What a command or sendmail gets of the server's environment."""

log = logging.getLogger("runyard.hooks")


class Delivery:
    """Hands notices over."""

    def __init__(self, home: str, yard: str, environ: Mapping[str, str]) -> None:
        self._home = home
        self._yard = yard
        self._environ = {name: environ[name] for name in KEPT if name in environ}

    def __call__(self, hook: Hook, notice: Notice) -> None:
        """Undelivered if it was not taken."""
        try:
            if hook.kind == COMMAND:
                self._command(hook, notice)
            elif hook.kind == WEBHOOK:
                self._webhook(hook, notice)
            else:
                self._mail(hook, notice)
        except CommandError as error:
            raise Undelivered(error.message, isinstance(error, ProgramMissing)) from None
        except ValueError as error:  # a text that no header can hold
            raise Undelivered(str(error), for_good=True) from None

    def payload(self, notice: Notice) -> dict[str, Any]:
        """What a command reads and a URL gets. `text` alone is what chat programs show."""
        return {
            "text": notice.text, "id": notice.id, "event": notice.event, "at": notice.at, "yard": self._yard,
            "home": self._home, **notice.body,
        }  # fmt: skip

    def _command(self, hook: Hook, notice: Notice) -> None:
        data = json.dumps(self.payload(notice)).encode("ascii")
        ended = run(hook.command, hook.limit_s, data, {**self._environ, **self._variables(notice)}, "/")
        said = (ended.stdout + ended.stderr)[-OUTPUT_MAX:].decode("utf-8", "replace")
        for line in said.splitlines():
            log.info("%s (%s): %s", hook.name, notice.id, "".join(one if one.isprintable() else "?" for one in line))
        ended.required()

    def _variables(self, notice: Notice) -> dict[str, str]:
        job = notice.body.get("job", {})
        group = notice.body.get("group", {})
        values = {
            "EVENT": notice.event, "EVENT_ID": notice.id, "TEXT": notice.text, "HOME": self._home,
            "JOB_ID": job.get("id"), "JOB_NAME": job.get("name"), "OUTCOME": job.get("outcome"),
            "EXIT_CODE": job.get("exit_code"), "QUEUE": job.get("queue"), "GROUP_ID": notice.group,
            "GROUP_NAME": group.get("name"),
        }  # fmt: skip
        return {f"RUNYARD_{name}": str(value).replace("\0", "") for name, value in values.items() if value is not None}

    def _webhook(self, hook: Hook, notice: Notice) -> None:
        body = json.dumps(self.payload(notice)).encode("ascii")
        own = {"User-Agent": f"runyard/{runyard.__version__}", "X-Runyard-Event": notice.id}
        webhook.post(hook.url, body, {**own, **dict(hook.headers)}, hook.limit_s)

    def _mail(self, hook: Hook, notice: Notice) -> None:
        to = (notice.to,) if notice.to else hook.mail
        told = {name: value for part in notice.body.values() if isinstance(part, dict) for name, value in part.items()}
        lines = [f"{name}: {value}" for name, value in told.items() if value not in (None, "", {})]
        text = "\n".join([notice.text, "", *map(_one_line, lines), f"yard: {self._home} on {os.uname().nodename}", ""])
        data = mail.message(hook.sender, to, f"[runyard] {notice.text}", text, notice.id)
        mail.send(hook.sendmail, to, data, hook.limit_s, self._environ)


def _one_line(text: str) -> str:
    return "".join(one if one.isprintable() else " " for one in text)

"""Calls the application as an ASGI server would, without one: status, headers and body of one request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from runyard.server.app import Backend, make_app
from runyard.server.auth import UID, App
from runyard.server.waiting import Topics

JSON = ("content-type", "application/json")


class Recorder:
    """A `Service` of which every verb is a failure: nothing that is refused may reach it."""

    def __init__(self) -> None:
        self.called: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def verb(*args: Any) -> Any:
            self.called.append(name)
            raise AssertionError(f"{name} was called")

        return verb


class NoTopics:
    """Nothing ever changes."""

    position = 1

    def publish(self, topics: tuple[str, ...]) -> None:
        raise AssertionError("something was published")

    def since(self, topics: tuple[str, ...], after: int) -> bool:
        raise AssertionError("somebody asks")

    def watch(self, topics: tuple[str, ...], after: int, wake: Callable[[], object]) -> Callable[[], None]:
        raise AssertionError("somebody waits")


@dataclass(frozen=True)
class Told:
    """An answer."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Silent:
    """Topics of which nobody ever hears."""

    position = 1

    def publish(self, topics: tuple[str, ...]) -> None:
        pass

    def since(self, topics: tuple[str, ...], after: int) -> bool:
        return False

    def watch(self, topics: tuple[str, ...], after: int, wake: Callable[[], object]) -> Callable[[], None]:
        return lambda: None


def application(service: Any, allowed: bool = True, body_max: int = 100_000, topics: Topics | None = None) -> App:
    return make_app(Backend(lambda uid: service, topics or NoTopics(), lambda uid: allowed, "test", body_max))


def call(
    app: App, method: str, path: str, body: bytes | Sequence[bytes] = b"", headers: Sequence[tuple[str, str]] = ()
) -> Told:
    """One request of uid 1000, by itself. A body may come in pieces."""
    return asyncio.run(asyncio.wait_for(exchange(app, method, path, body, headers), 30))


async def exchange(
    app: App, method: str, path: str, body: bytes | Sequence[bytes] = b"", headers: Sequence[tuple[str, str]] = ()
) -> Told:
    """One request, beside others."""
    pieces = [body] if isinstance(body, bytes) else list(body)
    plain, _, query = path.partition("?")
    scope: dict[str, Any] = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": plain, "raw_path": plain.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "client": None, "server": ("runyard", None), "state": {UID: 1000},
    }  # fmt: skip
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not pieces:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    head = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    return Told(sent[0]["status"], head, b"".join(message.get("body", b"") for message in sent[1:]))

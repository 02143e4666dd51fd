"""Whoever is not allowed gets nothing: every route and every method, taken from the application's own list."""

from __future__ import annotations

import json
import re

import pytest

from runyard.server.app import BEAT, CHANGES
from runyard.server.auth import UID, caller_uid
from runyard.server.routes import ROUTES
from tests.unit.server.client import JSON, Recorder, application, call

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "")
PATHS = sorted(
    {re.sub(r"{\w+}", "1", route.path) for route in (*ROUTES, CHANGES, BEAT)}
    | {
        "/",
        "/openapi.json",
        "/docs",
        "/redoc",
        "/nothing",
        "/jobs/",
        "//jobs",
        "/../jobs",
        "/%2e%2e/status",
        "/jobs/1/x",
    }
)
BODIES = (b"", b"{}", b"[1]", b'{"ids":[1]}')


@pytest.mark.parametrize("path", PATHS)
def test_nobody_without_identity_passes(path: str) -> None:
    service = Recorder()
    app = application(service, allowed=False)
    for method in METHODS:
        for body in BODIES:
            told = call(app, method, path, body, [JSON])
            assert told.status == 403, (method, path)
            assert json.loads(told.body)["error"]["kind"] == "NotAllowed"
    assert service.called == []


@pytest.mark.parametrize("header", ["x-forwarded-for", "x-real-ip", "forwarded", "authorization", "cookie", "host"])
def test_what_the_client_says_of_itself_does_not_count(header: str) -> None:
    app = application(Recorder(), allowed=False)
    for said in ("uid:0", "0", "127.0.0.1", "localhost"):
        assert call(app, "GET", "/status", headers=[(header, said)]).status == 403


@pytest.mark.parametrize("state", [{}, {UID: "0"}, {UID: None}, {"uid": 0}])
def test_a_caller_that_is_no_peer_of_a_socket_is_nobody(state: dict[str, object]) -> None:
    assert caller_uid({"state": state, "client": ("uid:0", 0)}) == -1
    assert caller_uid({"client": ("uid:0", 0)}) == -1


def test_the_uid_is_the_one_that_the_kernel_told() -> None:
    assert caller_uid({"state": {UID: 1000}, "client": ("uid:0", 0)}) == 1000


@pytest.mark.parametrize("path", PATHS)
def test_unknown_methods_do_nothing(path: str) -> None:
    service = Recorder()
    app = application(service)
    known = {(route.method, re.sub(r"{\w+}", "1", route.path)) for route in (*ROUTES, CHANGES, BEAT)}
    for method in ("HEAD", "PATCH", "OPTIONS", "TRACE", "PROPFIND"):
        if (method, path) not in known:
            told = call(app, method, path, b"{}", [JSON])
            assert told.status in (200, 404, 405), (method, path)
            assert told.status != 200 or path == "/openapi.json"
    assert service.called == []


def test_answers_are_not_kept_and_not_guessed_at() -> None:
    told = call(application(Recorder()), "GET", "/nothing")
    assert told.headers["cache-control"] == "no-store"
    assert told.headers["x-content-type-options"] == "nosniff"
    assert not [name for name in told.headers if name.startswith("access-control")]


def test_a_call_of_a_newer_client_is_told_what_to_do() -> None:
    told = call(application(Recorder()), "POST", "/embroider", b"{}", [JSON])
    assert told.status == 404
    assert "POST /embroider: this server has no such call (after an update 'ry server stop'" in told.body.decode()

"""The application: endpoints made from the route table, errors made into answers, the guard before everything."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from runyard.api import Chunk, Service
from runyard.errors import InvalidSpec, RunyardError, UsageError
from runyard.model import codec
from runyard.model.beat import Answer, Report
from runyard.server.auth import App, Guard, caller_uid
from runyard.server.routes import BODY_MAX, LANES, ROUTES, Call, Route, encode, encode_answer
from runyard.server.schema import complete
from runyard.server.streams import Streams
from runyard.server.waiting import Topics, beat, changed

LARGE_BYTES = 1 << 20
RETURN_AFTER_S = 10.0
"""How long after a body as large as this its memory is given back to the system."""

RESTART = "after an update 'ry server stop' ends it, and the next command starts the new one; jobs run on"

log = logging.getLogger("runyard.server")

HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True)
class Backend:
    """What the application serves: each caller's Service, the topics, who may call at all, and what to do when a large
    body is dealt with."""

    service_for: Callable[[int], Service]
    topics: Topics
    allowed: Callable[[int], bool]
    version: str
    body_max: int = BODY_MAX
    return_memory: Callable[[], None] = lambda: None
    streams: Streams = field(default_factory=Streams)


def make_app(backend: Backend) -> App:
    """The ASGI application."""
    app = FastAPI(title="Runyard", version=backend.version, docs_url=None, redoc_url=None, redirect_slashes=False)
    lanes = {lane: ThreadPoolExecutor(threads, thread_name_prefix=lane) for lane, threads in LANES.items()}
    _add(app, BEAT, _beat(backend, lanes[BEAT.lane]))  # first, as routes are tried in turn: on the way of every job
    _add(app, CHANGES, _changes(backend))
    for route in ROUTES:
        _add(app, route, _endpoint(route, backend, lanes[route.lane]))
    _add(app, STREAM_DOWN, _stream_down(backend))
    _add(app, STREAM_UP, _stream_up(backend))
    app.add_exception_handler(RunyardError, _told)
    app.add_exception_handler(HTTPException, _unknown)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _broken)
    document: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not document:
            document.update(complete(FastAPI.openapi(app), (*ROUTES, CHANGES, BEAT, STREAM_DOWN, STREAM_UP)))
        return document

    app.openapi = openapi  # type: ignore[method-assign]
    return Guard(app, backend.allowed)


CHANGES = Route(
    "GET", "/changes", "Wait until a topic may have changed", lambda service, call: None, int,
    query={"topic": "string", "after": "integer", "timeout_s": "number"},
)  # fmt: skip
BEAT = Route("POST", "/agents/{agent}/beat", "An agent reports and gets its orders", lambda service, call: None, Answer,
             takes=Report)  # fmt: skip
STREAM_DOWN = Route("GET", "/streams/{ticket}", "What the other end of a stream sends, as it comes",
                    lambda service, call: None, bytes)  # fmt: skip
STREAM_UP = Route("POST", "/streams/{ticket}", "Send to the other end of a stream, as long as the body goes on",
                  lambda service, call: None, type(None), takes=bytes)  # fmt: skip

Endpoint = Callable[[Request], Awaitable[Response]]


def _add(app: FastAPI, route: Route, endpoint: Endpoint) -> None:
    app.add_api_route(
        route.path,
        endpoint,
        methods=[route.method],
        summary=route.summary,
        operation_id=f"{route.method.lower()}{route.path.replace('/', '_').replace('{', '').replace('}', '')}",
        response_class=Response,
        status_code=204 if route.gives is type(None) else 200,
    )


def _endpoint(route: Route, backend: Backend, pool: ThreadPoolExecutor) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        raw = await _body(request, route, backend.body_max) if route.takes is not None else b""
        service = backend.service_for(caller_uid(request.scope))

        def work() -> Response:
            body = raw if route.takes is bytes else _decode(route, raw)
            value = route.does(service, Call(dict(request.path_params), _query(request), body))
            return _response(route, value)

        loop = asyncio.get_running_loop()
        if len(raw) > LARGE_BYTES:
            loop.call_later(RETURN_AFTER_S, pool.submit, backend.return_memory)
        return await loop.run_in_executor(pool, work)

    return endpoint


def _changes(backend: Backend) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        call = Call({}, _query(request))
        timeout_s = _seconds(call.one("timeout_s", "0"))
        topics = tuple(call.query.get("topic", ()))
        return _response(CHANGES, await changed(backend.topics, topics, call.number("after"), timeout_s))

    return endpoint


def _beat(backend: Backend, pool: ThreadPoolExecutor) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        report: Report = _decode(BEAT, await _body(request, BEAT, backend.body_max))
        if report.agent != request.path_params["agent"]:
            raise InvalidSpec("the path names another agent", "agent")
        service = backend.service_for(caller_uid(request.scope))

        def offload(verb: Callable[..., Any], *args: Any) -> Awaitable[Any]:
            return asyncio.get_running_loop().run_in_executor(pool, verb, *args)

        return _response(BEAT, await beat(backend.topics, service, report, offload))

    return endpoint


def _stream_down(backend: Backend) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        pieces = backend.streams.down(request.path_params["ticket"], caller_uid(request.scope))
        return StreamingResponse(pieces, media_type="application/octet-stream", headers=HEADERS)

    return endpoint


def _stream_up(backend: Backend) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        await backend.streams.up(request.path_params["ticket"], caller_uid(request.scope), request.stream())
        return _response(STREAM_UP, None)

    return endpoint


async def _body(request: Request, route: Route, most: int) -> bytes:
    wanted = "application/octet-stream" if route.takes is bytes else "application/json"
    if request.headers.get("content-type", "").partition(";")[0].strip() != wanted:
        raise UsageError(f"the body has to be {wanted}")
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > most:
            raise UsageError(f"the body is larger than {most} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def _decode(route: Route, raw: bytes) -> Any:
    if route.takes is None:
        return None
    try:
        return codec.decode(route.takes, json.loads(raw))
    except (ValueError, RecursionError):
        raise UsageError("the body is no JSON that we can read") from None


def _query(request: Request) -> dict[str, list[str]]:
    return {name: request.query_params.getlist(name) for name in request.query_params}


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise InvalidSpec(f"{text[:40]!r} is not a number", "timeout_s") from None
    if not 0 <= seconds < 1e9:
        raise InvalidSpec("a number of seconds from 0, please", "timeout_s")
    return seconds


def _response(route: Route, value: Any) -> Response:
    if route.gives is type(None):
        return Response(status_code=204, headers=HEADERS)
    if isinstance(value, Chunk):
        place = {
            "Runyard-Offset": str(value.offset),
            "Runyard-Size": str(value.size),
            "Runyard-Final": "1" if value.final else "0",
        }
        return Response(value.data, media_type="application/octet-stream", headers=HEADERS | place)
    if isinstance(value, bytes):
        return Response(value, media_type="application/octet-stream", headers=HEADERS)
    if isinstance(value, Iterator):
        first = next(value, b"")  # What is wrong with the call shows here, while its status can still be told.
        return StreamingResponse(chain((first,), value), media_type="application/octet-stream", headers=HEADERS)
    body = encode_answer(value) if isinstance(value, Answer) else encode(value)
    return Response(body, media_type="application/json", headers=HEADERS)


async def _told(request: Request, error: Exception) -> Response:
    known = error if isinstance(error, RunyardError) else RunyardError()
    return _error(known.http_status, type(known).__name__, known.message)


async def _unknown(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    message = f"{request.method} {request.url.path}: this server has no such call ({RESTART})"
    return _error(status, "NotFound" if status == 404 else "UsageError", message)


async def _gone(request: Request, error: Exception) -> Response:
    """Nobody hears this: who called went away, or stopped, in the middle of the body."""
    return _error(400, "UsageError", "the body has not come to its end")


async def _broken(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _error(500, "RunyardError", "the server failed at this; `ry server logs` says more")


def _error(status: int, kind: str, message: str) -> Response:
    body = json.dumps({"error": {"kind": kind, "message": message}}).encode("ascii")
    return Response(body, status, HEADERS, "application/json")

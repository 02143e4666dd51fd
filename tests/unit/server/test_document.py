"""The OpenAPI document: each route with its summary, typed bodies and errors, and no reference into nothing."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from runyard.api import JobDetail, JobRow
from runyard.model import codec
from runyard.model.attempt import Attempt, AttemptKey, Placement, Result
from runyard.model.events import KINDS, Assigned, Ended, Event, Recorded, Submitted
from runyard.model.spec import JobSpec
from runyard.server.app import BEAT, CHANGES, STREAM_DOWN, STREAM_UP
from runyard.server.routes import ROUTES, Route
from tests.unit.server.client import Recorder, application, call

ALL = (*ROUTES, CHANGES, BEAT, STREAM_DOWN, STREAM_UP)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    told = call(application(Recorder()), "GET", "/openapi.json")
    assert told.status == 200
    made: dict[str, Any] = json.loads(told.body)
    return made


def operation(document: dict[str, Any], route: Route) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][route.path][route.method.lower()]
    return found


def test_it_has_every_route_and_no_other(document: dict[str, Any]) -> None:
    written = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert written == {(route.method, route.path) for route in ALL}


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    wanted = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert wanted <= set(document["components"]["schemas"])


def test_every_schema_is_one(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_the_names_of_calls_are_different(document: dict[str, Any]) -> None:
    names = [operation(document, route)["operationId"] for route in ALL]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("route", ALL, ids=lambda route: f"{route.method} {route.path}")
def test_each_route_says_what_it_takes_and_gives(document: dict[str, Any], route: Route) -> None:
    told = operation(document, route)
    assert told["summary"] == route.summary != ""
    good = told["responses"].get("204" if route.gives is type(None) else "200")
    assert good is not None
    assert route.gives is type(None) or next(iter(good["content"].values()))["schema"]
    for status in ("400", "403", "404", "409", "422", "503"):
        assert told["responses"][status]["content"]["application/json"]["schema"]["$ref"].endswith("/Error")
    assert ("requestBody" in told) == (route.takes is not None)
    if route.takes is not None:
        assert next(iter(told["requestBody"]["content"].values()))["schema"]
    named = {parameter["name"] for parameter in told["parameters"]}
    assert named == set(re.findall(r"{(\w+)}", route.path)) | set(route.query)


def test_a_job_with_its_story_is_as_the_document_says(document: dict[str, Any]) -> None:
    spec = JobSpec(("true",), workdir="/")
    attempt = Attempt(1, "t", 1.0, (Placement("a", "h"),))
    ended = Ended(3.0, AttemptKey(1, 1, "t"), Result("runner", 0))
    events: list[Event] = [Submitted(1.0, spec), Assigned(2.0, attempt), ended]
    row = JobRow(
        1, "true", "done", "succeeded", "succeeded", 0, "", 1, "h", (), "default", "me", "true", "/", 1.0, 2.0, 3.0
    )
    story = tuple(Recorded(1, number, event) for number, event in enumerate(events, 1))
    detail = JobDetail(row, spec, (attempt,), story)
    schema = operation(document, next(route for route in ALL if route.path == "/jobs/{job_id}"))
    body = schema["responses"]["200"]["content"]["application/json"]["schema"]
    validator = Draft202012Validator({**body, "components": document["components"]})
    assert [error.message for error in validator.iter_errors(codec.encode(detail))] == []


def test_each_event_says_which_it_is(document: dict[str, Any]) -> None:
    for kind, event in KINDS.items():
        schema = document["components"]["schemas"][event.__name__]
        assert schema["properties"]["kind"] == {"type": "string", "const": kind}
        assert "kind" in schema["required"]

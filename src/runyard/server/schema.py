"""The OpenAPI document, made of the route table and the records themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter

from runyard.model.events import KINDS
from runyard.server.routes import Route

REF = "#/components/schemas/{model}"

ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["kind", "message"],
            "properties": {"kind": {"type": "string"}, "message": {"type": "string"}},
        }
    },
}
"""The shape of every error: its class in `runyard.errors`, and a sentence for the user."""

ERRORS = {
    "400": "What was asked for is wrong",
    "403": "Not allowed",
    "404": "There is no such thing",
    "409": "Not possible in the present state",
    "422": "A field has a bad value",
    "503": "Not possible now; try again",
}


def complete(document: dict[str, Any], routes: Iterable[Route]) -> dict[str, Any]:
    """FastAPI's document with what the route table knows. (Made when it is asked for: it takes a while.)"""
    for route in routes:
        document["paths"][route.path][route.method.lower()].update(_operation(route))
    return _lift(document)


def _operation(route: Route) -> dict[str, Any]:
    """The route's part of the document (with definitions still inside; see `_lift`)."""
    described: dict[str, Any] = {"parameters": _parameters(route), "responses": _responses(route)}
    if route.takes is not None:
        described["requestBody"] = {"required": True, "content": _content(route.takes)}
    return described


def _lift(document: dict[str, Any]) -> dict[str, Any]:
    """Move the definitions that came with each body to the document's components."""
    components = document.setdefault("components", {}).setdefault("schemas", {})
    components["Error"] = ERROR

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            components.update(node.pop("$defs", {}))
            for child in list(node.values()):
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(document["paths"])
    walk(components)
    for kind, event in KINDS.items():
        components[event.__name__]["properties"]["kind"] = {"type": "string", "const": kind}
        components[event.__name__].setdefault("required", []).append("kind")
    return document


def _parameters(route: Route) -> list[dict[str, Any]]:
    path = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer" if name.endswith("_id") else "string"},
        }
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    query = [
        {"name": name, "in": "query", "required": name == "pattern", "schema": _query_schema(name, kind)}
        for name, kind in route.query.items()
    ]
    return path + query


def _query_schema(name: str, kind: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": kind}
    return {"type": "array", "items": schema} if name in ("selectors", "sort", "topic") else schema


def _responses(route: Route) -> dict[str, Any]:
    good: dict[str, Any] = {"description": route.summary}
    if route.gives is type(None):
        answers: dict[str, Any] = {"204": good}
    else:
        answers = {"200": {**good, "content": _content(route.gives)}}
    error = {"application/json": {"schema": {"$ref": REF.format(model="Error")}}}
    return answers | {status: {"description": text, "content": error} for status, text in ERRORS.items()}


def _content(cls: Any) -> dict[str, Any]:
    if cls is bytes or getattr(cls, "__name__", "") == "Chunk":
        return {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    return {"application/json": {"schema": TypeAdapter(cls).json_schema(ref_template=REF)}}

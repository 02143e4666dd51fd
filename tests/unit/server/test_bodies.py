"""What is sent in: types, sizes, depth and nonsense end in an answer that names the fault, and in nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runyard.api import Receipt, Submission
from runyard.model.filter import JobQuery
from runyard.server.app import BEAT
from runyard.server.routes import ROUTES
from tests.unit.server.client import JSON, Recorder, Told, application, call

OCTETS = ("content-type", "application/octet-stream")
TAKING = [(route.method, route.path.replace("{name}", "q").replace("{agent}", "a")) for route in (*ROUTES, BEAT)
          if route.takes is not None and route.takes is not bytes]  # fmt: skip


class Accepting(Recorder):
    """Takes submissions and lists; everything else fails as with the Recorder."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[Any] = []

    def submit(self, submission: Submission) -> Receipt:
        self.got.append(submission)
        return Receipt((1,))

    def jobs(self, query: JobQuery) -> tuple[()]:
        self.got.append(query)
        return ()


def error(told: Told) -> tuple[int, str, str]:
    body = json.loads(told.body)["error"]
    return told.status, body["kind"], body["message"]


GOOD = json.dumps({"specs": [{"command": ["true"]}], "key": "a-key-of-mine"}).encode()


@pytest.mark.parametrize(("method", "path"), TAKING)
@pytest.mark.parametrize(
    "headers",
    [[], [("content-type", "text/plain")], [("content-type", "application/x-www-form-urlencoded")], [OCTETS],
     [("content-type", "multipart/form-data; boundary=x")], [("content-type", "text/json")], [("content-type", "")]],
)  # fmt: skip
def test_json_has_to_be_called_json(method: str, path: str, headers: list[tuple[str, str]]) -> None:
    service = Recorder()
    status, kind, message = error(call(application(service), method, path, GOOD, headers))
    assert (status, kind) == (400, "UsageError")
    assert "application/json" in message
    assert service.called == []


def test_a_parameter_of_the_type_does_no_harm() -> None:
    service = Accepting()
    told = call(application(service), "POST", "/jobs", GOOD, [("content-type", "application/json; charset=utf-8")])
    assert told.status == 200
    assert len(service.got) == 1


def test_a_blob_has_to_be_called_octets() -> None:
    assert error(call(application(Recorder()), "POST", "/blobs", b"x", [JSON]))[0] == 400


@pytest.mark.parametrize("path", ["/jobs", "/blobs", "/agents/a/beat"])
@pytest.mark.parametrize("pieces", [1, 7, 1001])
def test_a_body_that_is_too_large(path: str, pieces: int) -> None:
    service = Recorder()
    body = [b"x" * (1001 // pieces)] * pieces if pieces < 1001 else [b"x"] * 1001
    kind = OCTETS if path == "/blobs" else JSON
    status, _, message = error(call(application(service, body_max=1000), "POST", path, body, [kind]))
    assert status == 400
    assert "larger than 1000 bytes" in message
    assert service.called == []


def test_the_largest_body() -> None:
    service = Accepting()
    body = GOOD + b" " * (1000 - len(GOOD))
    assert call(application(service, body_max=1000), "POST", "/jobs", body, [JSON]).status == 200


@pytest.mark.parametrize("path", ["/jobs", "/jobs/stop", "/jobs/hold", "/agents/hello", "/agents/a/beat", "/clean"])
@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"1", b'"x"', b"\xff\xfe", b"\0", b"{}x", b"[" * 90_000, b'{"a":' * 15_000,
        b'{"specs":' + b"[" * 50_000 + b"]" * 50_000 + b"}", b"9" * 10_000, b"NaN", b"Infinity", b"1e999",
    ],
    ids=lambda body: repr(body[:12]),
)  # fmt: skip
def test_nonsense(path: str, body: bytes) -> None:
    service = Recorder()
    status, kind, _ = error(call(application(service), "POST", path, body, [JSON]))
    assert status in (400, 422)
    assert kind in ("UsageError", "InvalidSpec")
    assert service.called == []


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400, "true", '"1"'])
def test_a_number_that_is_none(number: str) -> None:
    service = Recorder()
    body = b'{"ids":[1],"grace_s":%b}' % number.encode()
    assert error(call(application(service), "POST", "/jobs/stop", body, [JSON]))[0] in (400, 422)
    assert service.called == []


@pytest.mark.parametrize("number", ["9223372036854775808", "1e3", "1.5", '"--1"', '"1_0"', "null"])
def test_an_id_that_is_none(number: str) -> None:
    service = Recorder()
    status, kind, _ = error(call(application(service), "POST", "/jobs/hold", b"[%b]" % number.encode(), [JSON]))
    assert (status, kind) == (422, "InvalidSpec")
    assert service.called == []


@pytest.mark.parametrize("order", ["id; drop table jobs", "id desc", "(select 1)", "1", "ID", "", "--id", "id--",
                                   "name,id", "id%20asc", "-", "spec", "token"])  # fmt: skip
def test_an_order_is_one_of_a_list(order: str) -> None:
    service = Recorder()
    path = "/jobs?order=" + order.replace(" ", "%20").replace(";", "%3B")
    status, kind, message = error(call(application(service), "GET", path))
    assert (status, kind) == (422, "InvalidSpec")
    assert message.startswith("order: ")
    assert service.called == []


@pytest.mark.parametrize("order", ["id", "-id", "name", "-ended"])
def test_the_orders_that_there_are(order: str) -> None:
    service = Accepting()
    assert call(application(service), "GET", f"/jobs?order={order}").status == 200
    assert service.got == [JobQuery(order=order)]


@pytest.mark.parametrize("query", ["limit=x", "limit=-1", "limit=1e3", "limit=" + "9" * 30, "after_id=--5", "sorted=id",
                                   "fields=token", "path=/etc/passwd", "limit=%D9%A3"])  # fmt: skip
def test_parameters_that_are_none(query: str) -> None:
    service = Recorder()
    assert error(call(application(service), "GET", "/jobs?" + query))[0] == 422
    assert service.called == []


@pytest.mark.parametrize("job", ["x", "--1", "1.0", "99999999999999999999", "1;x", "%00", "1'"])
@pytest.mark.parametrize("verb", ["", "/why", "/output", "/tail", "/head", "/grep?pattern=x"])
def test_a_job_is_a_number(job: str, verb: str) -> None:
    service = Recorder()
    status, kind, _ = error(call(application(service), "GET", f"/jobs/{job}{verb}"))
    assert (status, kind) in ((422, "InvalidSpec"), (404, "NotFound"))
    assert service.called == []


@pytest.mark.parametrize("seconds", ["nan", "inf", "-1", "x", "1e99"])
def test_how_long_to_wait(seconds: str) -> None:
    assert error(call(application(Recorder()), "GET", f"/changes?topic=a&after=1&timeout_s={seconds}"))[0] == 422


@pytest.mark.parametrize("name", ["..", "../q", "%2e%2e", "a/b", "q%00", "q%0a", "x" * 65, "-q", "é"])
def test_a_queue_is_no_path(name: str) -> None:
    service = Recorder()
    for body in (json.dumps({"name": name}), json.dumps({"name": "q"})):
        told = call(application(service), "PUT", f"/queues/{name}", body.encode(), [JSON])
        assert told.status in (404, 405, 422)
    assert service.called == []


def test_a_beat_for_another_agent() -> None:
    service = Recorder()
    body = json.dumps({"agent": "b", "incarnation": 1}).encode()
    assert error(call(application(service), "POST", "/agents/a/beat", body, [JSON]))[0] == 422
    assert service.called == []


def test_a_failure_inside_tells_nothing_of_the_inside() -> None:
    class Broken(Recorder):
        def status(self) -> None:
            raise KeyError("/home/me/secret/path")

    app = application(Broken())
    with pytest.raises(KeyError):
        call(app, "GET", "/status")

"""`api.Service` over a transport. Each verb is one request; errors come back as the errors they were."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Optional, TypeVar

from runyard import model
from runyard.api import (
    ChangeResult,
    Chunk,
    Explanation,
    GrepQuery,
    JobDetail,
    JobRow,
    QueueRow,
    Receipt,
    ServerStatus,
    StopCall,
    Submission,
)
from runyard.client.http import Request, Response
from runyard.client.transport import Transport
from runyard.errors import BY_NAME, InvalidSpec, ProtocolError, RunyardError
from runyard.model import codec
from runyard.model.filter import JobQuery
from runyard.model.group import Group, GroupQuery, GroupRow, SweepChange
from runyard.model.host import Host
from runyard.model.queue import Queue
from runyard.model.record import changed
from runyard.model.spec import JobSpec
from runyard.model.spec_text import SpecWriter

if TYPE_CHECKING:
    from runyard.model.attaching import AttachCall, Ticket
    from runyard.model.beat import Answer, Hello, Report, Welcome
    from runyard.model.comparing import Comparison
    from runyard.model.editing import Draft, MoveCall, RetryCall
    from runyard.model.landing import Place
    from runyard.model.metrics import Measured
    from runyard.model.notice import HookRow
    from runyard.model.template import NumbersCall, Template
    from runyard.model.transfer import Cargo, Unloaded
    from runyard.model.usage import UsageQuery, UsageRow

T = TypeVar("T")

CALL_S = 60.0
"""How long a call may take that does not wait by intention."""

MESSAGE_MAX = 10_000
"""How many characters of an error are told."""

SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class RemoteService:
    """The verbs of a server behind this transport."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def dial(self) -> Callable[[], socket.socket]:
        """Makes further connections to this server."""
        return self._transport.dial

    def submit(self, submission: Submission) -> Receipt:
        wire = encode_submission(submission)
        request = Request("POST", "/jobs", wire, repeatable=True)
        return codec.decode(Receipt, _json(self._request(request, timeout_s=600.0)))

    def jobs(self, query: JobQuery) -> tuple[JobRow, ...]:
        request = Request("POST", "/jobs/list", codec.dumps(query).encode("ascii"), repeatable=True)
        return codec.decode(tuple[JobRow, ...], _json(self._request(request, CALL_S)))

    def job(self, job_id: int) -> JobDetail:
        return self._call(JobDetail, "GET", f"/jobs/{int(job_id)}")

    def explain(self, job_id: int) -> Explanation:
        return self._call(Explanation, "GET", f"/jobs/{int(job_id)}/why")

    def compare(self, first: int, second: int) -> Comparison:
        return self._call(
            model.comparing.Comparison, "GET", f"/jobs/{int(first)}/diff" + query_text({"to": int(second)})
        )

    def alike(self, spec: JobSpec) -> tuple[int, ...]:
        return self._call(tuple[int, ...], "POST", "/jobs/alike", spec)

    def stop(self, call: StopCall) -> ChangeResult:
        return self._call(ChangeResult, "POST", "/jobs/stop", call)

    def hold(self, ids: tuple[int, ...]) -> ChangeResult:
        return self._call(ChangeResult, "POST", "/jobs/hold", ids)

    def release(self, ids: tuple[int, ...]) -> ChangeResult:
        return self._call(ChangeResult, "POST", "/jobs/release", ids)

    def pause(self, ids: tuple[int, ...]) -> ChangeResult:
        return self._call(ChangeResult, "POST", "/jobs/pause", ids)

    def resume(self, ids: tuple[int, ...]) -> ChangeResult:
        return self._call(ChangeResult, "POST", "/jobs/resume", ids)

    def drafts(self, ids: tuple[int, ...]) -> tuple[Draft, ...]:
        return self._call(tuple[model.editing.Draft, ...], "POST", "/jobs/drafts", ids)

    def edit(self, drafts: tuple[Draft, ...]) -> ChangeResult:
        return self._call(ChangeResult, "POST", "/jobs/edit", drafts)

    def move(self, call: MoveCall) -> ChangeResult:
        return self._call(ChangeResult, "POST", "/jobs/move", call)

    def retry(self, call: RetryCall) -> ChangeResult:
        return self._call(ChangeResult, "POST", "/jobs/retry", call)

    def remove(self, ids: tuple[int, ...]) -> ChangeResult:
        return self._call(ChangeResult, "POST", "/jobs/remove", ids)

    def drain(self, on: bool) -> bool:
        return self._call(bool, "PUT", "/draining", on)

    def queues(self) -> tuple[QueueRow, ...]:
        return self._call(tuple[QueueRow, ...], "GET", "/queues")

    def save_queue(self, queue: Queue) -> Queue:
        return self._call(Queue, "PUT", f"/queues/{quote(queue.name)}", queue)

    def remove_queue(self, name: str) -> None:
        self._send("DELETE", f"/queues/{quote(name)}")

    def templates(self) -> tuple[Template, ...]:
        return self._call(tuple[model.template.Template, ...], "GET", "/templates")

    def save_template(self, template: Template) -> Template:
        return self._call(model.template.Template, "PUT", f"/templates/{quote(template.name)}", template)

    def remove_template(self, name: str) -> None:
        self._send("DELETE", f"/templates/{quote(name)}")

    def numbers(self, call: NumbersCall) -> int:
        return self._call(int, "POST", "/templates/numbers", call)

    def groups(self, query: GroupQuery) -> tuple[GroupRow, ...]:
        return self._call(tuple[GroupRow, ...], "GET", "/groups" + query_text(codec.encode(query)))

    def change_sweep(self, change: SweepChange) -> Group:
        return self._call(Group, "POST", "/sweeps", change)

    def hosts(self) -> tuple[Host, ...]:
        return self._call(tuple[Host, ...], "GET", "/hosts")

    def status(self) -> ServerStatus:
        return self._call(ServerStatus, "GET", "/status")

    def places(self, paths: tuple[str, ...]) -> tuple[Place, ...]:
        return self._call(tuple[model.landing.Place, ...], "GET", "/places" + query_text({"path": list(paths)}))

    def pack(self, ids: tuple[int, ...]) -> Cargo:
        return self._call(model.transfer.Cargo, "POST", "/exports", ids, timeout_s=600.0)

    def unload(self, cargo: Cargo) -> Unloaded:
        return self._call(model.transfer.Unloaded, "POST", "/imports", cargo, timeout_s=600.0)

    def hooks(self) -> tuple[HookRow, ...]:
        return self._call(tuple[model.notice.HookRow, ...], "GET", "/hooks")

    def test_hook(self, name: str) -> None:
        self._send("POST", f"/hooks/{quote(name)}/test")

    def put_blob(self, data: bytes) -> str:
        response = self._request(Request("POST", "/blobs", data, "application/octet-stream", repeatable=True), CALL_S)
        return codec.decode(str, json.loads(response.body))

    def blob(self, name: str) -> bytes:
        return self._send("GET", f"/blobs/{quote(name)}").body

    def output(self, job_id: int, number: int, offset: int, length: int) -> Chunk:
        return self._chunk(job_id, "output", {"attempt": number, "offset": offset, "length": length})

    def tail(self, job_id: int, number: int, lines: int) -> Chunk:
        return self._chunk(job_id, "tail", {"attempt": number, "lines": lines})

    def head(self, job_id: int, number: int, lines: int) -> Chunk:
        return self._chunk(job_id, "head", {"attempt": number, "lines": lines})

    def grep(self, job_id: int, number: int, query: GrepQuery) -> Iterator[bytes]:
        path = f"/jobs/{int(job_id)}/grep" + query_text({"attempt": number, **codec.encode(query)})
        head, pieces = self._transport.stream(Request("GET", path))
        if head.status >= 400:
            raise error_of(Response(head.status, head.headers, b"".join(pieces)))
        return pieces

    def attach(self, call: AttachCall) -> Ticket:
        wire = codec.dumps(call).encode("ascii")
        response = self._request(Request("POST", "/jobs/attach", wire, repeatable=True), CALL_S)
        return codec.decode(model.attaching.Ticket, _json(response))

    def metrics(self, job_id: int) -> tuple[Measured, ...]:
        return self._call(tuple[model.metrics.Measured, ...], "GET", f"/jobs/{int(job_id)}/metrics")

    def usage(self, query: UsageQuery) -> tuple[UsageRow, ...]:
        return self._call(tuple[model.usage.UsageRow, ...], "GET", "/usage" + query_text(codec.encode(query)))

    def clean(self, dry: bool = False) -> tuple[int, ...]:
        return self._call(tuple[int, ...], "POST", "/clean" + query_text({"dry": dry}), ())

    def changed(self, topics: tuple[str, ...], after: int, timeout_s: float) -> int:
        query = query_text({"topic": list(topics), "after": after, "timeout_s": timeout_s})
        return self._call(int, "GET", "/changes" + query, timeout_s=timeout_s + CALL_S)

    def hello(self, hello: Hello) -> Welcome:
        wire = codec.dumps(hello).encode("ascii")
        response = self._request(Request("POST", "/agents/hello", wire, repeatable=True), CALL_S)
        return codec.decode(model.beat.Welcome, _json(response))

    def beat(self, report: Report) -> Answer:
        wire = codec.dumps(report).encode("ascii")
        request = Request("POST", f"/agents/{quote(report.agent)}/beat", wire, repeatable=True)
        return codec.decode(model.beat.Answer, _json(self._request(request, report.wait_s + CALL_S)))

    def _call(self, cls: type[T], method: str, path: str, body: Any = None, timeout_s: float = CALL_S) -> T:
        wire = None if body is None else codec.dumps(body).encode("ascii")
        response = self._request(Request(method, path, wire), timeout_s)
        return codec.decode(cls, _json(response))

    def _send(self, method: str, path: str) -> Response:
        return self._request(Request(method, path), CALL_S)

    def _chunk(self, job_id: int, verb: str, query: dict[str, Any]) -> Chunk:
        response = self._send("GET", f"/jobs/{int(job_id)}/{verb}" + query_text(query))
        headers = response.headers
        return Chunk(
            int(headers.get("runyard-offset", "0")),
            response.body,
            int(headers.get("runyard-size", "0")),
            headers.get("runyard-final") == "1",
        )

    def _request(self, request: Request, timeout_s: Optional[float]) -> Response:
        response = self._transport.send(request, timeout_s)
        if response.status >= 400:
            raise error_of(response)
        return response


def error_of(response: Response) -> RunyardError:
    """The error that the server answered with."""
    try:
        told = json.loads(response.body)["error"]
        kind, message = str(told["kind"]), str(told["message"])[:MESSAGE_MAX]
    except (ValueError, KeyError, TypeError):
        return ProtocolError(f"the server answered {response.status} and nothing that we understand")
    if kind == "InvalidSpec":
        return InvalidSpec(message)
    return BY_NAME.get(kind, RunyardError)(message)


def _json(response: Response) -> Any:
    try:
        return json.loads(response.body)
    except ValueError:
        raise ProtocolError("the server's answer is no JSON") from None


def encode_submission(submission: Submission) -> bytes:
    """The codec's text of it, made quickly where the jobs are many and nearly alike."""
    specs = ",".join(map(SpecWriter().text, submission.specs))
    rest = codec.encode(changed(submission, specs=()))
    del rest["specs"]
    return f'{{"specs":[{specs}],{codec.dumps(rest)[1:]}'.encode("ascii")


def query_text(values: dict[str, Any]) -> str:
    """A query string; lists give their name once for each item."""
    pairs = []
    for name, value in values.items():
        for item in value if isinstance(value, list) else [value]:
            text = ("true" if item else "false") if isinstance(item, bool) else str(item)
            pairs.append(f"{name}={quote(text)}")
    return "?" + "&".join(pairs) if pairs else ""


def quote(text: str) -> str:
    """Percent-encoding of everything that is not plain. (urllib costs the command line 10 ms.)"""
    raw = text.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte in SAFE else f"%{byte:02X}" for byte in raw)
